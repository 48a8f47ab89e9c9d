// Sorts in small portions, so that no single step takes long: entries are collected in sorted runs,
// and the runs are merged as the entries are taken.
import { refusal } from '../errors.ts'

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

/** Collects entries and gives them out in order. */
export class Sorter<T extends SortEntry> {
  readonly #limit: number
  readonly #maxBytes: number
  readonly #runs: T[][] = []
  #run: { entry: T; size: number }[] = []
  #bytes = 0

  /** Only the first `limit` entries are wanted. */
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
