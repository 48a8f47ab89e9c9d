// Sort patterns. A document sorts by the least of the keys that an index with the same pattern
// would have for it. Sorting in memory and scanning an index therefore give the same order, for
// arrays too.
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal, ServerError } from '../errors.ts'
import { keysOf } from '../storage/index-keys.ts'

/** A parsed sort. */
export interface SortPattern {
  readonly fields: readonly string[]
  readonly paths: readonly (readonly string[])[]
  readonly descending: readonly boolean[]
}

/** Parses `{field: 1 | -1, …}`; undefined if there is no sort. */
export function parseSort(sort: unknown): SortPattern | undefined {
  if (sort === undefined) return undefined
  if (!isDoc(sort)) throw refusal('TypeMismatch', 'Expected field sort to be of type object')
  const fields = sort.fields.map(({ name }) => name)
  if (fields.length === 0) return undefined
  const directions = sort.fields.map(({ name, value }) => directionOf(name, value))
  if (fields.includes('$natural'))
    throw refusal('NotImplemented', 'the order $natural is not supported')
  return {
    fields,
    paths: fields.map((field) => field.split('.')),
    descending: directions.map((direction) => direction < 0),
  }
}

function directionOf(field: string, direction: unknown): number {
  if (isDoc(direction)) throw refusal('NotImplemented', 'sorting by $meta is not supported')
  const number = toNumber(direction)
  if (number === undefined)
    throw locationRefusal(15974, `Illegal direction of the sort key ${field}`)
  if (number !== 1 && number !== -1) throw locationRefusal(15975, '$sort needs 1 or -1')
  if (field.split('.').includes('')) throw locationRefusal(40352, 'a sort key needs a name')
  return number
}

/** The bytes by which a document sorts, each of them as a character. */
export function sortKeyOf(doc: Doc, pattern: SortPattern): string {
  try {
    const { keys } = keysOf(doc, pattern)
    const least = keys.reduce((a, b) => (Buffer.compare(b.bytes, a.bytes) < 0 ? b : a))
    return least.bytes.toString('latin1')
  } catch (error) {
    if (!(error instanceof ServerError) || error.codeName !== 'CannotIndexParallelArrays')
      throw error
    throw refusal('BadValue', 'cannot sort with keys that are parallel arrays')
  }
}
