// Sort patterns. A document sorts by the least of the keys that an index with the same pattern
// would have for it. Sorting in memory and scanning an index therefore give the same order, for
// arrays too.
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal, ServerError } from '../errors.ts'
import { pace, pause, type Flow } from '../pace.ts'
import { keysOf, patternOf, type KeyPattern } from '../storage/index-keys.ts'

/** Parses `{field: 1 | -1, …}`; undefined if there is no sort. */
export function parseSort(sort: unknown): KeyPattern | undefined {
  if (sort === undefined) return undefined
  if (!isDoc(sort)) throw refusal('TypeMismatch', 'Expected field sort to be of type object')
  if (sort.size === 0) return undefined
  const pattern = patternOf(sort, directionOf)
  if (!pattern.fields.includes('$natural')) return pattern
  throw refusal('NotImplemented', 'the order $natural is not supported')
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
export function sortKeyOf(doc: Doc, pattern: KeyPattern): string {
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

/** Something to sort. Entries with equal keys keep the order of their numbers. */
export interface SortEntry {
  /** One character for each byte: a million strings need far less memory than buffers. */
  readonly key: string
  readonly number: number
}

const RUN_LENGTH = 4096
const MAX_MEMORY_BYTES = 100 * 1024 * 1024

function compareEntries(a: SortEntry, b: SortEntry): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : a.number - b.number
}

/**
 * Sorts a flow in small portions, so that no single step takes long: sorted runs are collected, and
 * merged as their entries are taken. Only the first `limit` are wanted. `size` is what MongoDB
 * would hold in memory for an entry.
 */
export function* sorted<T extends SortEntry>(
  entries: Flow<{ entry: T; size: number }>,
  limit: number,
  allowDiskUse: boolean,
): Flow<T> {
  const runs: T[][] = []
  let run: { entry: T; size: number }[] = []
  let bytes = 0
  const isLowLimit = limit <= RUN_LENGTH
  const endRun = (): void => {
    runs.push(run.sort((a, b) => compareEntries(a.entry, b.entry)).map(({ entry }) => entry))
    run = []
  }
  for (const item of entries) {
    if (item === pause) {
      yield pause
      continue
    }
    run.push(item)
    bytes += item.size
    if (isLowLimit && run.length >= RUN_LENGTH + limit) {
      // The top 10 of a million need little memory: of a full run, only these are kept.
      run.sort((a, b) => compareEntries(a.entry, b.entry))
      for (const { size } of run.splice(limit)) bytes -= size
    } else if (!isLowLimit && run.length >= RUN_LENGTH) endRun()
    if (bytes > MAX_MEMORY_BYTES && !allowDiskUse)
      throw refusal('QueryExceededMemoryLimitNoDiskUseAllowed', 'Sort needs too much memory')
  }
  endRun()
  for (const entry of merged(runs)) {
    if (pace.isDue) yield pause
    yield entry
  }
}

/** Merges sorted runs. */
function* merged<T extends SortEntry>(runs: readonly T[][]): Generator<T> {
  if (runs.length < 2) return yield* runs[0] ?? []
  const middle = runs.length >> 1
  const [left, right] = [merged(runs.slice(0, middle)), merged(runs.slice(middle))]
  let [a, b] = [left.next(), right.next()]
  for (;;) {
    if (!a.done && (b.done || compareEntries(a.value, b.value) < 0)) {
      yield a.value
      a = left.next()
    } else if (!b.done) {
      yield b.value
      b = right.next()
    } else return
  }
}
