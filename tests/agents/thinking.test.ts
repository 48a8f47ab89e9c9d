// The thinking of a model is shown while it lasts, timed, and kept with the reply.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { hanging, produce, say } from './recording-sink.ts'

test('a slow model without thinking has no thinking time', async () => {
  const { sink, done } = produce(async function* () {
    yield { kind: 'thinking', text: '\n\n' }
    await pause(30)
    yield* say('Yes.')
  })
  await done
  expect(Object.keys(sink.ending!.metadata)).toEqual(['duration_ms'])
  expect(sink.thinking).toEqual([])
})

test('thinking is shown at once and then about once a second, at the end of the text', async () => {
  const { sink, done } = produce(async function* () {
    yield* say('So')
    for (let n = 0; n < 150; n++) {
      yield { kind: 'thinking', text: 'Hm. ' }
      await pause(10)
    }
    yield* say(' be it.')
  })
  await done
  expect(sink.thinking[0]).toEqual({ offset: 2, text: '', thinkingMs: 0 })
  const times = sink.thinking.map(({ thinkingMs }) => thinkingMs)
  expect(times.length).toBeGreaterThan(1)
  for (const [index, time] of times.slice(1).entries())
    expect(time - times[index]!).toBeGreaterThan(990)
  expect(sink.shown).toBe('So be it.')
})

test('the ending of a stopped reply has its thinking', async () => {
  const { producer, sink, done } = produce(async function* () {
    yield { kind: 'thinking', text: 'Hm.' }
    yield* hanging()
  })
  await expect.poll(() => sink.thinking.length).toBe(1)
  producer.end({ status: 'stopped' })
  await done
  expect(sink.ending).toMatchObject({
    status: 'stopped',
    metadata: { thinking: 'Hm.', thinking_ms: 0 },
  })
})
