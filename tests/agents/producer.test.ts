// One producer against a scripted provider and a sink that can be slow, unavailable or closed.
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProviderFault } from '../../realtime/agents/provider.ts'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'
import { unavailable, hanging, produce, quick, say, RecordingSink } from './recording-sink.ts'

test('all text is shown and written, and the ending has the thinking, the token counts and the duration', async () => {
  const { sink, done } = produce(async function* () {
    await pause(50)
    yield { kind: 'thinking', text: 'Hm. ' }
    await pause(15)
    yield { kind: 'thinking', text: 'Well.' }
    await pause(50)
    yield* say('One ', 'two ', 'three')
    yield { kind: 'usage', usage: { prompt_tokens: 1, completion_tokens: 3 } }
  })
  expect(await done).toBe('complete')
  expect(sink.text).toBe('One two three')
  expect(sink.shown).toBe('One two three')
  const { thinking_ms, duration_ms, ...metadata } = sink.ending!.metadata
  expect(metadata).toEqual({
    thinking: 'Hm. Well.',
    usage: { prompt_tokens: 1, completion_tokens: 3 },
  })
  expect(thinking_ms).toBeGreaterThanOrEqual(14)
  expect(duration_ms).toBeGreaterThanOrEqual((thinking_ms as number) + 99)
})

test('writes at most once per interval, and only new text', async () => {
  const { sink, done } = produce(async function* () {
    for (let i = 0; i < 60; i++) {
      yield* say(`${i} `)
      await pause(2)
    }
  })
  await done
  expect(sink.writes.map(({ text }) => text).join('')).toBe(sink.text)
  const gaps = sink.writes.slice(1, -1).map(({ at }, i) => at - sink.writes[i]!.at)
  expect(gaps.length).toBeGreaterThan(1)
  for (const gap of gaps) expect(gap).toBeGreaterThan(quick.durableMs * 0.75)
  expect(sink.deltas.length).toBeGreaterThan(sink.writes.length)
})

test('however events cut the text, surrogate pairs stay whole and lone surrogates are replaced', async () => {
  const units = fc.string({
    unit: fc.constantFrom('a', 'é', '\ud83d', '\ude00', '😀'),
    maxLength: 30,
  })
  await fc.assert(
    fc.asyncProperty(units, fc.array(fc.nat(8), { maxLength: 12 }), async (text, cuts) => {
      const pieces: string[] = []
      let rest = text
      for (const cut of cuts) {
        pieces.push(rest.slice(0, cut))
        rest = rest.slice(cut)
      }
      const { sink, done } = produce(() => say(...pieces, rest), { deltaMs: 0, durableMs: 0 })
      await done
      expect(sink.text).toBe(text.toWellFormed())
    }),
    { numRuns: 60 },
  )
})

test('a reply that reaches the maximum size of a message is complete and says why it ended', async () => {
  const { sink, done } = produce(() => say(...Array<string>(30).fill('😀'.repeat(2_500))))
  expect(await done).toBe('complete')
  expect(byteLength(sink.text)).toBeLessThanOrEqual(limits.messageBytes)
  expect(byteLength(sink.text)).toBeGreaterThan(limits.messageBytes - 4)
  expect(sink.ending?.metadata.reason_code).toBe('too_large')
})

describe('a provider that', () => {
  test('fails keeps its text and gives the reason', async () => {
    const { sink, done } = produce(async function* () {
      yield* say('Half a ')
      throw new ProviderFault('broken')
    })
    expect(await done).toBe('failed')
    expect(sink.text).toBe('Half a ')
    expect(sink.ending?.metadata).toMatchObject({
      reason_code: 'broken',
      reason: expect.stringContaining('error'),
    })
  })

  test('sends no text fails', async () => {
    const { sink, done } = produce(async function* () {
      yield { kind: 'thinking', text: 'Hm.' }
    })
    expect(await done).toBe('failed')
    expect(sink.ending?.metadata).toMatchObject({ reason_code: 'empty', thinking: 'Hm.' })
  })

  test('throws an unexpected error reveals nothing of it', async () => {
    const { sink, done } = produce(async function* () {
      yield* say('Half')
      throw new Error('sk-secret')
    })
    expect(await done).toBe('failed')
    expect(JSON.stringify(sink.ending)).not.toContain('sk-secret')
    expect(sink.ending?.metadata.reason_code).toBe('internal')
  })

  test('never answers is ended', async () => {
    const { sink, done } = produce(() => hanging(), { firstEventMs: 30 })
    expect(await done).toBe('failed')
    expect(sink.ending?.metadata).toMatchObject({ reason_code: 'no_answer' })
    expect(sink.ending?.metadata.thinking_ms).toBeUndefined()
  })

  test('stalls halfway is ended with its text', async () => {
    const { sink, done } = produce(() => hanging('Half'), { idleMs: 30 })
    expect(await done).toBe('failed')
    expect(sink).toMatchObject({ text: 'Half', ending: { metadata: { reason_code: 'stalled' } } })
  })

  test('sends text for ever is ended with its text', async () => {
    const drip = async function* () {
      for (;;) {
        yield* say('.')
        await pause(3)
      }
    }
    const { sink, done } = produce(drip, { idleMs: 1_000, totalMs: 60 })
    expect(await done).toBe('failed')
    expect(sink.ending?.metadata.reason_code).toBe('too_slow')
    expect(sink.text).toMatch(/^\.+$/)
  })
})

describe('a producer that is ended from outside', () => {
  test('writes its text, aborts the request and drops later text', async () => {
    let hungUp = false
    const said = Promise.withResolvers<void>()
    const late = Promise.withResolvers<void>()
    const { producer, sink, done } = produce(async function* (signal) {
      signal.addEventListener('abort', () => (hungUp = true))
      yield* say('Before')
      said.resolve()
      await late.promise
      yield* say(' after')
    })
    await said.promise
    producer.end({ status: 'stopped' })
    late.resolve()
    expect(await done).toBe('stopped')
    expect(hungUp).toBe(true)
    expect(sink).toMatchObject({ text: 'Before', shown: 'Before', ending: { status: 'stopped' } })
  })

  test('waits for a caller who appends the end', async () => {
    const { producer, sink, done } = produce(() => hanging('Text'))
    await expect.poll(() => sink.shown).toBe('Text')
    const closer = Promise.withResolvers<void>()
    producer.end({ status: 'stopped', endedBy: closer.promise })
    await producer.flushed
    expect(sink).toMatchObject({ text: 'Text', ending: undefined })
    await sink.finish({ status: 'stopped', metadata: { by: 'him' } })
    closer.resolve()
    await done
    expect(sink.ending?.metadata).toEqual({ by: 'him' })
  })

  test('ends at a refused write and shows nothing more', async () => {
    const { sink, done } = produce(() => hanging('Text'), { durableMs: 200 })
    await expect.poll(() => sink.shown).toBe('Text')
    sink.ending = { status: 'stopped', metadata: {} }
    expect(await done).toBe('stopped')
    expect(sink.text).toBe('')
  })

  test('writes nothing after it has lost its lease', async () => {
    const { producer, sink, done } = produce(() => hanging('Text'), { durableMs: 1_000 })
    await expect.poll(() => sink.shown).toBe('Text')
    producer.loseLease()
    expect(await done).toBeUndefined()
    expect(sink).toMatchObject({ text: '', ending: undefined })
  })
})

describe('while the database is away, a producer', () => {
  test('keeps the text and repeats a write exactly', async () => {
    let tries = 0
    const sink = new RecordingSink()
    sink.beforeWrite = () => {
      if (++tries < 5) throw unavailable()
    }
    const { done } = produce(() => say('One ', 'two'), { giveUpMs: 5_000 }, sink)
    expect(await done).toBe('complete')
    expect(sink.text).toBe('One two')
  })

  test('writes no text twice when an ack is lost', async () => {
    const sink = new RecordingSink()
    const extend = sink.extend.bind(sink)
    let lost = 0
    sink.extend = async (offset, text) => {
      await extend(offset, text)
      if (lost++ < 2) throw unavailable()
    }
    const { done } = produce(() => say('One ', 'two'), { giveUpMs: 5_000 }, sink)
    expect(await done).toBe('complete')
    expect(sink.text).toBe('One two')
  })

  test('gives up after a while and leaves the reply to another node', async () => {
    const sink = new RecordingSink()
    sink.beforeWrite = () => {
      throw unavailable()
    }
    const { done } = produce(() => hanging('Text'), {}, sink)
    expect(await done).toBeUndefined()
    expect(sink.ending).toBeUndefined()
  })
})
