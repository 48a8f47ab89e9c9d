// Sort patterns. A document sorts by the least of the keys that an index with the same pattern
// would have for it. Sorting in memory and scanning an index therefore give the same order, for
// arrays too.
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal, ServerError } from '../errors.ts'
import { keysOf } from '../storage/index-keys.ts'

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

export class Sorter<T extends SortEntry> {
  readonly #limit: number
  readonly #maxBytes: number
  readonly #runs: T[][] = []
  #run: { entry: T; size: number }[] = []
  #bytes = 0

  constructor(limit: number, allowDiskUse: boolean) {
    this.#limit = limit
    this.#maxBytes = allowDiskUse ? Infinity : MAX_MEMORY_BYTES
  }

  /** Adds an entry. `size` is what MongoDB would hold in memory for it. */
  add(entry: T, size: number): void {
    this.#run.push({ entry, size })
    this.#bytes += size
    // The top 10 of a million need little memory: of a full run, only these are kept.
    const few = this.#limit <= RUN_LENGTH
    if (this.#run.length >= RUN_LENGTH + (few ? this.#limit : 0)) this.#closeRun(few)
    if (this.#bytes > this.#maxBytes)
      throw refusal('QueryExceededMemoryLimitNoDiskUseAllowed', 'Sort needs too much memory')
  }

  #closeRun(keep: boolean): void {
    this.#run.sort((a, b) => compareEntries(a.entry, b.entry))
    if (!keep) {
      this.#runs.push(this.#run.map(({ entry }) => entry))
      this.#run = []
      return
    }
    for (const { size } of this.#run.splice(this.#limit)) this.#bytes -= size
  }

  /** The entries in order. Nothing can be added any more. */
  sorted(): Generator<T> {
    this.#closeRun(false)
    return merged(this.#runs)
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
