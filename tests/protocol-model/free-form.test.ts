import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { equalJson, inversePatch, mergePatch, type JsonObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { FreeForm } from '@lockstep/protocol/scalars'
import { frozen } from './one-conversation.ts'

const key = fc.constantFrom('a', 'b', 'c', 'constructor', 'toString', 'ü')
const leaf = (nulls: boolean) =>
  fc.oneof(
    fc.integer(),
    fc.boolean(),
    fc.string({ maxLength: 3 }),
    ...(nulls ? [fc.constant(null)] : []),
  )
/** Few keys and shallow nesting, so that a document and a patch often have keys in common. */
const objects = (nulls: boolean) =>
  fc.letrec<{ object: JsonObject }>((tie) => ({
    object: fc.dictionary(
      key,
      fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf(nulls),
        fc.array(leaf(true)),
        tie('object'),
      ),
      { maxKeys: 4, noNullPrototype: true },
    ) as fc.Arbitrary<JsonObject>,
  })).object
const document = objects(false)
const patch = objects(true)

describe('a merge patch', () => {
  // RFC 7396, appendix A: the cases whose target and patch are objects.
  test.each<[JsonObject, JsonObject, JsonObject]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('takes %j by %j to %j', (target, patched, result) => {
    expect(mergePatch(target, patched)).toEqual(result)
  })

  test('changes nothing when it is empty or repeated, and never its arguments', () => {
    fc.assert(
      fc.property(document, patch, (before, changes) => {
        expect(mergePatch(frozen(before), {})).toEqual(before)
        const once = mergePatch(before, frozen(changes))
        expect(mergePatch(frozen(once), changes)).toEqual(once)
      }),
    )
  })

  test('adds no null outside of arrays', () => {
    const hasNull = (value: unknown): boolean =>
      value === null ||
      (typeof value === 'object' &&
        !Array.isArray(value) &&
        Object.values(value as object).some(hasNull))
    fc.assert(
      fc.property(document, patch, (before, changes) => {
        expect(hasNull(mergePatch(before, changes))).toBe(false)
      }),
    )
  })

  test('can be undone by its inverse', () => {
    fc.assert(
      fc.property(document, patch, (before, changes) => {
        const after = mergePatch(before, changes)
        const back = inversePatch(frozen(before), frozen(after))
        expect(mergePatch(after, back)).toEqual(before)
        if (equalJson(before, after)) expect(back).toEqual({})
      }),
    )
  })

  test('has an inverse that leads from any document to any other', () => {
    fc.assert(
      fc.property(document, document, (from, to) => {
        expect(mergePatch(to, inversePatch(from, to))).toEqual(from)
      }),
    )
  })
})

describe('equality of JSON', () => {
  test('ignores the order of keys and nothing else', () => {
    fc.assert(
      fc.property(patch, patch, (a, b) => {
        const turned = Object.fromEntries(Object.entries(a).reverse())
        expect(equalJson(a, turned)).toBe(true)
        const sorted = (value: JsonObject) =>
          JSON.stringify(value, (_key, inner: unknown) => sortKeys(inner))
        expect(equalJson(a, b)).toBe(sorted(a) === sorted(b))
      }),
    )
  })
})

function sortKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

describe('a free-form object', () => {
  const nested = (levels: number): JsonObject => (levels === 1 ? {} : { a: nested(levels - 1) })
  const ofBytes = (bytes: number): JsonObject => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) })
  const code = (value: unknown) => {
    const { error } = FreeForm.safeParse(value)
    return error?.issues.map((issue) =>
      issue.code === 'custom' && issue.params ? issue.params : 'invalid',
    )
  }

  test.each<[string, unknown]>([
    ['a key that starts with $', { $set: 1 }],
    ['a key that contains a dot', { deep: { 'a.b': 1 } }],
    ['a key with NUL', { 'a\0': 1 }],
    ['a prototype', JSON.parse('{"list": [{"__proto__": {"admin": true}}]}')],
    [
      'a key that the database would interpret as one of its types',
      { a: [{ _bsontype: 'ObjectId' }] },
    ],
    ['half a surrogate pair in a value', { a: ['\ud83d'] }],
    ['half a surrogate pair in a key', { '\ude00': 1 }],
    ['more than 20 levels', nested(21)],
    ['a list', []],
    ['null', null],
    ['a text', 'a'],
    ['a number that JSON does not have', { a: Number.NaN }],
    ['undefined inside', { a: undefined }],
    ['bytes', new Uint8Array(2)],
    ['bytes inside', { a: [Buffer.from('ab')] }],
    ['a time that is not a string', { a: new Date() }],
  ])('may not be or have %s', (_what, value) => {
    expect(code(value)).toEqual(['invalid'])
  })

  test('may have at most 20 levels and exactly 64 KB', () => {
    expect(code(nested(20))).toBeUndefined()
    expect(code(ofBytes(limits.freeFormBytes))).toBeUndefined()
    expect(code(ofBytes(limits.freeFormBytes + 1))).toEqual([{ limit_bytes: limits.freeFormBytes }])
  })

  test('may have keys that objects inherit', () => {
    const value = { constructor: 1, toString: { valueOf: 'x' }, hasOwnProperty: null }
    expect(FreeForm.parse(value)).toEqual(value)
    expect(mergePatch({}, { constructor: { a: 1 } })).toEqual({ constructor: { a: 1 } })
  })
})
