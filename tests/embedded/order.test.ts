// The order of values: MongoDB's published order of types, exact numbers across types, and keys
// whose bytes have the same order.
import { Binary, BSONRegExp, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'bson'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Doc } from '../../realtime/embedded/bson/doc.ts'
import { compareValues, compoundKey, keyOf } from '../../realtime/embedded/bson/order.ts'
import { inForm } from '../harness/long-form.ts'

/** Each value is strictly below the next. */
const ascending: unknown[] = [
  new MinKey(),
  null,
  new Double(NaN),
  new Double(-Infinity),
  new Int32(-5),
  new Double(-0.5),
  new Int32(0),
  new Double(5e-324),
  new Double(0.1),
  new Double(0.5),
  new Int32(1),
  Long.fromString('9007199254740992'),
  Long.fromString('9007199254740993'),
  Long.MAX_VALUE,
  new Double(2 ** 63),
  new Double(Infinity),
  '',
  'a',
  'a\0',
  'a\0b',
  'ab',
  'é',
  '\uFFFD',
  '\u{1F600}',
  Doc.empty,
  Doc.of([['a', new Int32(1)]]),
  Doc.of([
    ['a', new Int32(1)],
    ['b', new Int32(0)],
  ]),
  Doc.of([['b', new Int32(0)]]),
  Doc.of([['a', 'x']]),
  [],
  [new Int32(1)],
  [new Int32(1), new Int32(2)],
  [new Int32(2)],
  ['x'],
  new Binary(Buffer.from([9])),
  new Binary(Buffer.from([9]), 5),
  new Binary(Buffer.from([1, 1])),
  new ObjectId('000000000000000000000001'),
  new ObjectId('ffffffffffffffffffffffff'),
  false,
  true,
  new Date(-5),
  new Date(0),
  new Date(5),
  new Timestamp({ t: 1, i: 2 }),
  new Timestamp({ t: 2, i: 1 }),
  new BSONRegExp('a', ''),
  new BSONRegExp('b', ''),
  new MaxKey(),
]

test('types and values have the published order', () => {
  for (const [at, low] of ascending.entries()) {
    expect(compareValues(low, low)).toBe(0)
    for (const high of ascending.slice(at + 1)) {
      expect(Math.sign(compareValues(low, high)), `${String(low)} < ${String(high)}`).toBe(-1)
      expect(Math.sign(compareValues(high, low))).toBe(1)
    }
  }
})

test('a descending component reverses the order, whatever follows it', () => {
  for (const [at, low] of ascending.entries()) {
    for (const high of ascending.slice(at + 1)) {
      expect(
        Buffer.compare(
          compoundKey([low, 'z'], [true, false]),
          compoundKey([high, 'a'], [true, false]),
        ),
      ).toBe(1)
      expect(
        Buffer.compare(
          compoundKey([low, 'z'], [false, false]),
          compoundKey([high, 'a'], [false, false]),
        ),
      ).toBe(-1)
    }
  }
})

test('a key keeps its bytes, whatever its length and however many keys follow', () => {
  const binaries = Array.from({ length: 3_000 }, (_, size) => Buffer.alloc(size, size))
  const keys = binaries.map((bytes) => keyOf(new Binary(bytes)))
  expect(keys.findIndex((key, at) => !key.includes(binaries[at]!))).toBe(-1)
})

describe('numbers', () => {
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
  const number = fc.oneof(
    fc.integer().map((n) => ({ value: new Int32(n) as unknown, exact: [BigInt(n), 1n] as const })),
    fc
      .bigInt(-(2n ** 63n), 2n ** 63n - 1n)
      .map((n) => ({ value: Long.fromBigInt(n) as unknown, exact: [n, 1n] as const })),
    finite.map((n) => ({ value: new Double(n) as unknown, exact: ofDouble(n) })),
  )

  test('of all types compare by their exact value', () => {
    fc.assert(
      fc.property(number, number, (a, b) => {
        const difference = a.exact[0] * b.exact[1] - b.exact[0] * a.exact[1]
        const expected = difference < 0n ? -1 : difference > 0n ? 1 : 0
        expect(Math.sign(Buffer.compare(keyOf(a.value), keyOf(b.value)))).toBe(expected)
      }),
      { numRuns: inForm(600, 2_000) },
    )
  })

  test('that are equal have the same key, whatever their type', () => {
    for (const n of [0, 1, -7, 2 ** 31 - 1]) {
      const keys = [new Int32(n), new Double(n), Long.fromNumber(n)].map((value) =>
        keyOf(value).toString('hex'),
      )
      expect(new Set(keys).size).toBe(1)
    }
    expect(keyOf(new Double(-0))).toEqual(keyOf(new Int32(0)))
  })
})

/**
 * A double is a whole number divided by a power of two, so doubling it often enough makes it whole.
 */
function ofDouble(value: number): [bigint, bigint] {
  let [top, bottom] = [value, 1n]
  while (!Number.isInteger(top)) [top, bottom] = [top * 2, bottom * 2n]
  return [BigInt(top), bottom]
}
