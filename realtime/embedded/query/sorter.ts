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
  /** The runs that have entries left, as a heap by their next entry. */
  #heap: { entries: T[]; at: number }[] | undefined

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
      throw refusal(
        'QueryExceededMemoryLimitNoDiskUseAllowed',
        `Sort exceeded memory limit of ${MAX_MEMORY_BYTES} bytes, but did not opt in to external sorting. Aborting operation. Pass allowDiskUse:true to opt in.`,
      )
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

  /** The next entry in order; undefined at the end. Nothing can be added any more. */
  next(): T | undefined {
    if (!this.#heap) {
      this.#closeRun(false)
      this.#heap = this.#runs
        .filter((entries) => entries.length > 0)
        .map((entries) => ({ entries, at: 0 }))
      for (let at = this.#heap.length >> 1; at >= 0; at--) this.#sink(at)
    }
    const [first] = this.#heap
    if (!first) return undefined
    const entry = first.entries[first.at++]!
    if (first.at >= first.entries.length) {
      const last = this.#heap.pop()!
      if (this.#heap.length > 0) this.#heap[0] = last
    }
    this.#sink(0)
    return entry
  }

  #sink(start: number): void {
    const heap = this.#heap!
    const isBefore = (a: number, b: number): boolean =>
      compareEntries(heap[a]!.entries[heap[a]!.at]!, heap[b]!.entries[heap[b]!.at]!) < 0
    for (let at = start; ;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && isBefore(child, least)) least = child
      if (least === at) return
      ;[heap[at], heap[least]] = [heap[least]!, heap[at]!]
      at = least
    }
  }
}
