// The thinking of a model is shown while it lasts, timed, and kept with the reply.
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { StreamedText } from '../../clients/typescript/src/streamed-text.ts'
import { hanging, produce, quick, RecordingSink, say, unavailable } from './recording-sink.ts'

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
  // the last one ends the thinking for devices that know no parts
  const times = sink.thinking.slice(0, -1).map(({ thinkingMs }) => thinkingMs)
  expect(times.length).toBeGreaterThan(1)
  for (const [index, time] of times.slice(1).entries())
    expect(time - times[index]!).toBeGreaterThan(990)
  expect(sink.shown).toBe('So be it.')
  const thoughts = 'Hm. '.repeat(150).trim()
  expect([...sink.thoughts]).toEqual([['reasoning', thoughts]])
  expect(sink.parts.at(-1)).toEqual({
    id: 'reasoning',
    type: 'reasoning',
    text: thoughts,
    ms: sink.ending!.metadata.thinking_ms,
  })
  for (const part of sink.parts) expect(thoughts).toMatch('text' in part ? part.text : '')
  // the part is written once an interval at most, however many pieces come, and once at its end
  const { duration_ms } = sink.ending!.metadata as { duration_ms: number }
  expect(sink.parts.length).toBeLessThan(duration_ms / quick.durableMs + 2)
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

describe('text that turns out to have been thinking', () => {
  const answers = async function* (said: number) {
    yield* say('Two and two ')
    await pause(said)
    yield* say('make four.')
    yield { kind: 'text_was_thinking' as const }
    yield* say('It is ', '4.')
  }

  test.each([0, 10, 60])('is taken back wherever it has gone within %d ms', async (said) => {
    const { sink, done } = produce(() => answers(said), { deltaMs: 2, durableMs: 20 })
    expect(await done).toBe('complete')
    expect(sink).toMatchObject({ text: 'It is 4.', shown: 'It is 4.' })
    expect(sink.ending!.metadata).toMatchObject({
      thinking: 'Two and two make four.',
      thinking_ms: expect.any(Number),
    })
    expect(sink.retractions).toBe(said > 20 ? 1 : 0)
  })

  test('is taken back once the database is there again', async () => {
    const sink = new RecordingSink()
    let failures = 0
    sink.beforeWrite = () => {
      if (sink.text !== '' && ++failures < 4) throw unavailable()
    }
    const { done } = produce(() => answers(60), { durableMs: 20, giveUpMs: 5_000 }, sink)
    expect(await done).toBe('complete')
    expect(sink).toMatchObject({ text: 'It is 4.', retractions: 1 })
  })

  test('is no answer by itself', async () => {
    const { sink, done } = produce(async function* () {
      yield* say('Two and two make four.')
      yield { kind: 'text_was_thinking' }
    })
    expect(await done).toBe('failed')
    expect(sink.ending!.metadata).toMatchObject({
      reason_code: 'empty',
      thinking: 'Two and two make four.',
    })
  })

  test('a device shows only what remains of it', () => {
    const streamed = new StreamedText()
    const delta = (offset: number, text: string, thinking_ms?: number) =>
      streamed.add('m', { entity_id: 'c', run_id: 'r', offset, text, thinking_ms }, 0)
    delta(0, 'Two and two ')
    delta(12, 'make four.')
    expect(streamed.append('m', '')).toBe('Two and two make four.')
    expect(delta(0, '', 300)).toBe(true)
    expect(streamed.append('m', '')).toBe('')
    expect(streamed.thinkingSince('m', 0)).toBeTypeOf('number')
    delta(0, 'It is 4.')
    expect(streamed.append('m', '')).toBe('It is 4.')
  })
})
