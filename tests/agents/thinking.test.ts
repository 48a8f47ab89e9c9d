// The thinking of a model: shown while it lasts, timed, and kept with what came of it.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { hanging, produce, say } from './recording-sink.ts'

test('a model that only takes its time has not been thinking', async () => {
  const { shelf, done } = produce(async function* () {
    yield { kind: 'thinking', text: '\n\n' }
    await pause(30)
    yield* say('Yes.')
  })
  await done
  expect(Object.keys(shelf.ending!.metadata)).toEqual(['duration_ms'])
  expect(shelf.thinking).toEqual([])
})

test('that it thinks is shown at once and then now and then, behind the text that there is', async () => {
  const { shelf, done } = produce(async function* () {
    yield* say('So')
    for (let n = 0; n < 150; n++) {
      yield { kind: 'thinking', text: 'Hm. ' }
      await pause(10)
    }
    yield* say(' be it.')
  })
  await done
  expect(shelf.thinking[0]).toEqual({ offset: 2, text: '', thinkingMs: 0 })
  const times = shelf.thinking.map(({ thinkingMs }) => thinkingMs)
  expect(times.length).toBeGreaterThan(1)
  for (const [index, time] of times.slice(1).entries())
    expect(time - times[index]!).toBeGreaterThan(990)
  expect(shelf.shown).toBe('So be it.')
})

test('what was thought before a stop is told at its end', async () => {
  const { production, shelf, done } = produce(async function* () {
    yield { kind: 'thinking', text: 'Hm.' }
    yield* hanging()
  })
  await expect.poll(() => shelf.thinking.length).toBe(1)
  production.end({ status: 'stopped' })
  await done
  expect(shelf.ending).toMatchObject({
    status: 'stopped',
    metadata: { thinking: 'Hm.', thinking_ms: 0 },
  })
})
