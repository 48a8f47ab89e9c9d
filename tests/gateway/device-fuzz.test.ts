// The device's state machine under random sequences of everything that can happen to it.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import { deviceOn, follow, logOf, USER } from './scripted-device.ts'
import { EPOCH } from './scripted-log.ts'

type Step =
  | 'append'
  | 'lose'
  | 'repeat'
  | 'old'
  | 'ahead'
  | 'read'
  | 'pause'
  | 'drain'
  | 'compare'
  | 'away'
  | 'back'
const steps: Step[] = [
  'append',
  'lose',
  'repeat',
  'old',
  'ahead',
  'read',
  'pause',
  'drain',
  'compare',
  'away',
  'back',
]

test('whatever happens, the stream is contiguous, and complete once nothing happens any more', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(6),
      fc.option(fc.nat(7), { nil: undefined }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.constantFrom(...steps), { maxLength: 60 }),
      async (length, seq, piece, script) => {
        const log = logOf(length)
        log.rangeLimit = piece
        const run = deviceOn(log, { changes: 2, bytes: 1_000_000 })
        const since = seq === undefined ? undefined : { epoch: EPOCH, seq }
        void run.device.join(since)
        const delayed: WireChange[] = []
        for (const step of script) {
          if (step === 'append') run.device.offer(log.append(USER))
          if (step === 'lose') delayed.push(log.append(USER))
          if (step === 'repeat' && log.changesOf(USER).length > 0)
            run.device.offer(log.changesOf(USER).at(-1)!)
          if (step === 'old' && delayed.length > 0) run.device.offer(delayed.shift()!)
          if (step === 'ahead' && delayed.length > 0) run.device.offer(delayed.pop()!)
          if (step === 'read') await run.read()
          if (step === 'pause') run.pause()
          if (step === 'drain') run.drain()
          if (step === 'compare')
            run.device.catchUpTo({ epoch: EPOCH, seq: log.changesOf(USER).length })
          if (step === 'away') run.setAway(true)
          if (step === 'back') run.setAway(false)
        }
        run.setAway(false)
        run.drain()
        await run.readAll()
        run.drain()
        await run.readAll()
        run.device.catchUpTo({ epoch: EPOCH, seq: log.changesOf(USER).length })
        await run.readAll()
        expect(run.device.state).toBe('live')
        const { at, resets } = follow(run.emitted, since)
        expect(at).toEqual({ epoch: EPOCH, seq: log.changesOf(USER).length })
        expect(resets).toBeLessThanOrEqual(seq !== undefined && seq > length ? 1 : 0)
      },
    ),
    { numRuns: 500 },
  )
})
