// One production against a scripted provider and a sink that can be slow, away or closed.
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProviderFault } from '../../realtime/agents/provider.ts'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'
import { unavailable, hanging, produce, quick, say, RecordingSink } from './recording-sink.ts'

test('all text arrives, shown and durable, and the ending tells of the thinking, the tokens and the time', async () => {
  const { shelf, done } = produce(async function* () {
    await pause(50)
    yield { kind: 'thinking', text: 'Hm. ' }
    await pause(15)
    yield { kind: 'thinking', text: 'Well.' }
    await pause(50)
    yield* say('One ', 'two ', 'three')
    yield { kind: 'usage', usage: { prompt_tokens: 1, completion_tokens: 3 } }
  })
  expect(await done).toBe('complete')
  expect(shelf.text).toBe('One two three')
  expect(shelf.shown).toBe('One two three')
  const { thinking_ms, duration_ms, ...metadata } = shelf.ending!.metadata
  expect(metadata).toEqual({
    thinking: 'Hm. Well.',
    usage: { prompt_tokens: 1, completion_tokens: 3 },
  })
  expect(thinking_ms).toBeGreaterThanOrEqual(14)
  expect(duration_ms).toBeGreaterThanOrEqual((thinking_ms as number) + 99)
})

test('writes at most one piece in each interval, and only what is new', async () => {
  const { shelf, done } = produce(async function* () {
    for (let i = 0; i < 60; i++) {
      yield* say(`${i} `)
      await pause(2)
    }
  })
  await done
  expect(shelf.writes.map(({ text }) => text).join('')).toBe(shelf.text)
  const gaps = shelf.writes.slice(1, -1).map(({ at }, i) => at - shelf.writes[i]!.at)
  expect(gaps.length).toBeGreaterThan(1)
  for (const gap of gaps) expect(gap).toBeGreaterThan(quick.durableMs * 0.75)
  expect(shelf.deltas.length).toBeGreaterThan(shelf.writes.length)
})

test('however pieces cut the text, pairs stay whole and lone halves are replaced', async () => {
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
      const { shelf, done } = produce(() => say(...pieces, rest), { deltaMs: 0, durableMs: 0 })
      await done
      expect(shelf.text).toBe(text.toWellFormed())
    }),
    { numRuns: 60 },
  )
})

test('a reply as large as a message may be is complete, and says that it was cut', async () => {
  const { shelf, done } = produce(() => say(...Array<string>(30).fill('😀'.repeat(2_500))))
  expect(await done).toBe('complete')
  expect(byteLength(shelf.text)).toBeLessThanOrEqual(limits.messageBytes)
  expect(byteLength(shelf.text)).toBeGreaterThan(limits.messageBytes - 4)
  expect(shelf.ending?.metadata.reason_code).toBe('too_large')
})

describe('a provider that', () => {
  test('fails keeps its text and gives the reason', async () => {
    const { shelf, done } = produce(async function* () {
      yield* say('Half a ')
      throw new ProviderFault('broken')
    })
    expect(await done).toBe('failed')
    expect(shelf.text).toBe('Half a ')
    expect(shelf.ending?.metadata).toMatchObject({
      reason_code: 'broken',
      reason: expect.stringContaining('error'),
    })
  })

  test('says nothing at all has failed', async () => {
    const { shelf, done } = produce(async function* () {
      yield { kind: 'thinking', text: 'Hm.' }
    })
    expect(await done).toBe('failed')
    expect(shelf.ending?.metadata).toMatchObject({ reason_code: 'empty', thinking: 'Hm.' })
  })

  test('breaks in an unforeseen way gives nothing away', async () => {
    const { shelf, done } = produce(async function* () {
      yield* say('Half')
      throw new Error('sk-secret')
    })
    expect(await done).toBe('failed')
    expect(JSON.stringify(shelf.ending)).not.toContain('sk-secret')
    expect(shelf.ending?.metadata.reason_code).toBe('internal')
  })

  test('never answers ends', async () => {
    const { shelf, done } = produce(() => hanging(), { firstEventMs: 30 })
    expect(await done).toBe('failed')
    expect(shelf.ending?.metadata).toMatchObject({ reason_code: 'no_answer' })
    expect(shelf.ending?.metadata.thinking_ms).toBeUndefined()
  })

  test('stops halfway ends with its text', async () => {
    const { shelf, done } = produce(() => hanging('Half'), { idleMs: 30 })
    expect(await done).toBe('failed')
    expect(shelf).toMatchObject({ text: 'Half', ending: { metadata: { reason_code: 'stalled' } } })
  })

  test('drips for ever ends with its text', async () => {
    const drip = async function* () {
      for (;;) {
        yield* say('.')
        await pause(3)
      }
    }
    const { shelf, done } = produce(drip, { idleMs: 1_000, totalMs: 60 })
    expect(await done).toBe('failed')
    expect(shelf.ending?.metadata.reason_code).toBe('too_slow')
    expect(shelf.text).toMatch(/^\.+$/)
  })
})

describe('ended from outside', () => {
  test('it writes what it has, hangs up, and drops what comes later', async () => {
    let hungUp = false
    const said = Promise.withResolvers<void>()
    const late = Promise.withResolvers<void>()
    const { production, shelf, done } = produce(async function* (signal) {
      signal.addEventListener('abort', () => (hungUp = true))
      yield* say('Before')
      said.resolve()
      await late.promise
      yield* say(' after')
    })
    await said.promise
    production.end({ status: 'stopped' })
    late.resolve()
    expect(await done).toBe('stopped')
    expect(hungUp).toBe(true)
    expect(shelf).toMatchObject({ text: 'Before', shown: 'Before', ending: { status: 'stopped' } })
  })

  test('somebody who finishes it in his own name comes first', async () => {
    const { production, shelf, done } = produce(() => hanging('Text'))
    await expect.poll(() => shelf.shown).toBe('Text')
    const closer = Promise.withResolvers<void>()
    production.end({ status: 'stopped', endedBy: closer.promise })
    await production.flushed
    expect(shelf).toMatchObject({ text: 'Text', ending: undefined })
    await shelf.finish({ status: 'stopped', metadata: { by: 'him' } })
    closer.resolve()
    await done
    expect(shelf.ending?.metadata).toEqual({ by: 'him' })
  })

  test('a refused piece ends it: nothing more is shown', async () => {
    const { shelf, done } = produce(() => hanging('Text'), { durableMs: 200 })
    await expect.poll(() => shelf.shown).toBe('Text')
    shelf.ending = { status: 'stopped', metadata: {} }
    expect(await done).toBe('stopped')
    expect(shelf.text).toBe('')
  })

  test('without its lease it writes nothing any more', async () => {
    const { production, shelf, done } = produce(() => hanging('Text'), { durableMs: 1_000 })
    await expect.poll(() => shelf.shown).toBe('Text')
    production.loseLease()
    expect(await done).toBeUndefined()
    expect(shelf).toMatchObject({ text: '', ending: undefined })
  })
})

describe('while the database is away', () => {
  test('it keeps the text, tries again, and repeats a piece exactly as it was', async () => {
    let tries = 0
    const shelf = new RecordingSink()
    shelf.beforeWrite = () => {
      if (++tries < 5) throw unavailable()
    }
    const { done } = produce(() => say('One ', 'two'), { giveUpMs: 5_000 }, shelf)
    expect(await done).toBe('complete')
    expect(shelf.text).toBe('One two')
  })

  test('a piece whose ack got lost is not written twice', async () => {
    const shelf = new RecordingSink()
    const extend = shelf.extend.bind(shelf)
    let lost = 0
    shelf.extend = async (offset, text) => {
      await extend(offset, text)
      if (lost++ < 2) throw unavailable()
    }
    const { done } = produce(() => say('One ', 'two'), { giveUpMs: 5_000 }, shelf)
    expect(await done).toBe('complete')
    expect(shelf.text).toBe('One two')
  })

  test('it gives up after a while and leaves the reply to another node', async () => {
    const shelf = new RecordingSink()
    shelf.beforeWrite = () => {
      throw unavailable()
    }
    const { done } = produce(() => hanging('Text'), {}, shelf)
    expect(await done).toBeUndefined()
    expect(shelf.ending).toBeUndefined()
  })
})
