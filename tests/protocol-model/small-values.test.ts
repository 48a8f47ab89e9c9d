import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { MessageInput, MessageInputs } from '@lockstep/protocol/message'
import { shortText, sizedText, Time, Uuid } from '@lockstep/protocol/scalars'
import { byteLength, firstCharacters, hasAtMost, previewOf } from '@lockstep/protocol/text'
import { inForm } from '../harness/long-form.ts'
import { messageId } from './one-conversation.ts'

const anyText = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }))

describe('text', () => {
  test('is measured in bytes of UTF-8', () => {
    fc.assert(fc.property(anyText, (text) => byteLength(text) === Buffer.byteLength(text)))
  })

  test('is never cut through a surrogate pair', () => {
    fc.assert(
      fc.property(anyText, fc.nat({ max: 20 }), (text, max) => {
        expect(firstCharacters(text, max)).toBe(Array.from(text).slice(0, max).join(''))
      }),
    )
    expect(previewOf('😀'.repeat(200))).toBe('😀'.repeat(140))
  })

  test('is counted in characters, and no further than its limit', () => {
    fc.assert(
      fc.property(anyText, fc.nat({ max: 20 }), (text, max) => {
        expect(hasAtMost(text, max)).toBe(Array.from(text).length <= max)
      }),
    )
  })

  test('is measured in characters or bytes as its limit says', () => {
    expect(shortText(3).safeParse('😀😀😀').success).toBe(true)
    expect(shortText(3).safeParse('😀😀😀😀').success).toBe(false)
    expect(sizedText(8).safeParse('😀😀').success).toBe(true)
    expect(sizedText(7).safeParse('😀😀').success).toBe(false)
    expect(shortText(3).safeParse('\ud83d').success).toBe(false)
  })
})

describe('a time', () => {
  test.each([
    ['2026-02-03T04:05:06Z', '2026-02-03T04:05:06.000Z'],
    ['2026-02-03T04:05:06.123456Z', '2026-02-03T04:05:06.123Z'],
    ['2026-02-03T04:05:06+02:00', '2026-02-03T02:05:06.000Z'],
  ])('%s is folded to %s', (given, folded) => {
    expect(Time.parse(given)).toBe(folded)
  })

  test('is converted to a valid time that sorts as text, or refused, whatever its offset', () => {
    const two = (max: number) => fc.nat({ max }).map((n) => String(n).padStart(2, '0'))
    const year = fc.oneof(
      fc.constantFrom('0000', '0001', '9999'),
      fc.nat({ max: 9999 }).map((n) => String(n).padStart(4, '0')),
    )
    const day = fc.oneof(
      fc.constantFrom('01-01', '12-31'),
      fc.tuple(two(12), two(31)).map((parts) => parts.join('-')),
    )
    const offset = fc.oneof(
      fc.constant('Z'),
      fc
        .tuple(fc.constantFrom('+', '-'), two(23), two(59))
        .map(([sign, h, m]) => `${sign}${h}:${m}`),
    )
    const given = fc
      .tuple(year, day, two(23), two(59), offset)
      .map(([y, d, h, m, o]) => `${y}-${d}T${h}:${m}:59${o}`)
    let folded = 0
    fc.assert(
      fc.property(given, (value) => {
        const { success, data } = Time.safeParse(value)
        if (!success) return
        folded++
        expect(data).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        expect(Date.parse(data)).toBe(Date.parse(value))
        expect(Time.parse(data)).toBe(data)
      }),
      {
        numRuns: inForm(400, 1_000),
        examples: [['9999-12-31T23:59:59-23:59'], ['0000-01-01T00:00:00+00:01']],
      },
    )
    expect(folded).toBeGreaterThan(100)
    for (const beyond of ['9999-12-31T23:59:59-23:59', '0000-01-01T00:00:00+00:01'])
      expect(Time.safeParse(beyond).success).toBe(false)
  })

  test.each([
    '2026-02-30T00:00:00Z',
    '2026-02-03',
    'yesterday',
    1_700_000_000_000,
    '2026-02-03T25:00:00Z',
  ])('%s is none', (given) => {
    expect(Time.safeParse(given).success).toBe(false)
  })
})

describe('an id', () => {
  test('is converted to lower case, and must be a UUID', () => {
    expect(Uuid.parse('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')).toBe(
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    )
    for (const other of [
      '',
      'abc',
      `${messageId(1)} `,
      `${messageId(1)}\n`,
      { $ne: null },
      1,
      null,
    ])
      expect(Uuid.safeParse(other).success).toBe(false)
  })

  test('is made as a UUIDv7, which sorts by its time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 2 }), (now) => {
        const [early, late] = [newId(now), newId(now + 1)]
        expect(early).toMatch(
          /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        )
        expect(parseInt(early.replace('-', '').slice(0, 12), 16)).toBe(now)
        expect(early < late).toBe(true)
      }),
    )
  })
})

describe('messages of a request', () => {
  const message = { role: 'user', content: 'hi' }

  test('contain each id at most once, whatever its case', () => {
    const twice = [
      { ...message, id: messageId(10) },
      { ...message, id: messageId(10).toUpperCase() },
    ]
    expect(MessageInputs.safeParse(twice).success).toBe(false)
  })

  test('are at most 500 of at most 256 KB', () => {
    expect(MessageInputs.safeParse(Array(limits.messagesPerRequest).fill(message)).success).toBe(
      true,
    )
    expect(
      MessageInputs.safeParse(Array(limits.messagesPerRequest + 1).fill(message)).success,
    ).toBe(false)
    const ofBytes = (bytes: number) => ({ ...message, content: 'x'.repeat(bytes) })
    expect(MessageInput.safeParse(ofBytes(limits.messageBytes)).success).toBe(true)
    expect(MessageInput.safeParse(ofBytes(limits.messageBytes + 1)).success).toBe(false)
  })

  test('may be the result of a GET, but have no unknown field', () => {
    const read = {
      ...message,
      id: messageId(1),
      position: 3,
      version: 2,
      status: 'complete',
      replaces: null,
      created_at: '2026-01-01T00:00:00.000Z',
      updated_at: '2026-01-01T00:00:00.000Z',
      metadata: {},
    }
    expect(MessageInput.parse(read)).toEqual({
      ...read,
      position: undefined,
      updated_at: undefined,
    })
    expect(MessageInput.safeParse({ ...read, $where: '1' }).success).toBe(false)
  })
})
