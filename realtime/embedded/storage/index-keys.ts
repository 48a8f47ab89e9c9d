// The keys of a document in an index. A set of keys is never too small: it contains everything that
// the bounds of a query could find, with one key for each array element, and with null for a
// missing field.
import { Doc } from '../bson/doc.ts'
import { compoundKey, emptyArray } from '../bson/order.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { IndexSpec } from './index-spec.ts'

/** One key: its bytes, and the values that they encode. A missing field is undefined. */
export interface IndexKey {
  readonly bytes: Buffer
  readonly values: readonly unknown[]
}

/** The distinct keys of a document. `multikey[i]`: an array at field i made several keys. */
export interface KeySet {
  readonly keys: IndexKey[]
  readonly multikey: readonly boolean[]
}

export const noKeys: KeySet = { keys: [], multikey: [] }

/** The part of an index definition that determines keys. */
export interface KeyPattern {
  readonly paths: readonly (readonly string[])[]
  readonly descending: readonly boolean[]
}

/**
 * The keys that an index has of a document: none if the index is partial or sparse and the document
 * doesn't belong to it.
 */
export function keySetOf(index: IndexSpec, doc: Doc): KeySet {
  const isMember = index.partial?.matches(doc) ?? true
  const set = isMember ? keysOf(doc, index) : undefined
  const isMissing = ({ values }: IndexKey): boolean => values.every((value) => value === undefined)
  if (!set || (index.sparse && set.keys.every(isMissing))) return noKeys
  return set
}

interface FieldWalk {
  value: unknown
  rest: readonly string[]
  /** The value is an array element. If it is an array itself, it is a single key value. */
  expanded: boolean
}

/**
 * The keys of a document. Refuses documents in which two fields of the index have different arrays,
 * as MongoDB does.
 */
export function keysOf(doc: Doc, pattern: KeyPattern): KeySet {
  const multikey = pattern.paths.map(() => false)
  const tuples: unknown[][] = []
  // Fields may share an array; each field is decoded once, so that it is the same for all.
  const root = pattern.paths.length > 1 ? Doc.from(doc.fields) : doc
  expand(
    pattern.paths.map((rest) => ({ value: root, rest, expanded: false })),
    multikey,
    tuples,
  )
  const keys = tuples.map((values) => ({ values, bytes: compoundKey(values, pattern.descending) }))
  return { keys: keys.length > 1 ? withoutRepetition(keys) : keys, multikey }
}

function withoutRepetition(keys: IndexKey[]): IndexKey[] {
  const seen = new Map<string, IndexKey>()
  for (const key of keys) seen.set(key.bytes.toString('latin1'), key)
  return [...seen.values()]
}

function expand(walks: FieldWalk[], multikey: boolean[], tuples: unknown[][]): void {
  for (const walk of walks) advance(walk)
  const open = walks.filter((walk) => Array.isArray(walk.value) && !walk.expanded)
  if (open.length === 0) {
    tuples.push(walks.map((walk) => walk.value))
    return
  }
  const array = open[0]!.value as unknown[]
  if (open.some((walk) => walk.value !== array)) {
    throw refusal('CannotIndexParallelArrays', 'cannot index parallel arrays')
  }
  walks.forEach((walk, at) => {
    if (open.includes(walk)) multikey[at] = true
  })
  const elements = array.length === 0 ? [emptyArray] : array
  for (const element of elements) {
    expand(
      walks.map((walk) => (open.includes(walk) ? into(walk, element) : { ...walk })),
      multikey,
      tuples,
    )
  }
}

function into(walk: FieldWalk, element: unknown): FieldWalk {
  if (walk.rest.length === 0) return { value: element, rest: [], expanded: true }
  return {
    value: isDoc(element) ? element : undefined,
    rest: isDoc(element) ? walk.rest : [],
    expanded: false,
  }
}

function advance(walk: FieldWalk): void {
  while (walk.rest.length > 0) {
    const [name, ...rest] = walk.rest as [string, ...string[]]
    if (isDoc(walk.value)) {
      walk.value = walk.value.get(name)
    } else if (Array.isArray(walk.value) && /^\d+$/.test(name)) {
      walk.value = walk.value[Number(name)]
    } else {
      if (!Array.isArray(walk.value)) [walk.value, walk.rest] = [undefined, []]
      return
    }
    walk.rest = rest
  }
}
