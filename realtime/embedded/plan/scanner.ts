// Executes a plan, one chunk of rows at a time. No SQLite statement stays open between two calls:
// the position is kept as the last key and row. Writes in between can therefore neither be blocked
// by a cursor nor confuse it.
import { refusal } from '../errors.ts'
import type { Collection } from '../storage/catalog.ts'
import type { Documents, StoredRow } from '../storage/documents.ts'
import type { QueryPlan, Range } from './planner.ts'

/** The rows in the first chunk if nobody knows how many will be taken. */
const FIRST_CHUNK_ROWS = 16
const MAX_CHUNK_ROWS = 256
/** Chunks grow only while they are smaller than this. */
const MAX_CHUNK_BYTES = 1024 * 1024

export interface StoredData {
  readonly documents: Documents
}

/** Where reading goes on: in one of the ranges, after a key and a row if there are such. */
interface Position {
  readonly range: number
  readonly key?: Uint8Array | null
  readonly row?: number
}

type FoundRow = StoredRow & Position

/** Yields the documents of a plan in order, each once. */
export class Scanner {
  readonly #data: StoredData
  readonly #collection: Collection
  /** The ranges in their order. Undefined stands for the whole collection. */
  readonly #ranges: readonly (Range | undefined)[]
  readonly #yielded: Set<number> | undefined
  #position: Position = { range: 0 }
  #readPosition = this.#position
  #buffer: FoundRow[] = []
  #bufferIndex = 0
  #chunkRows: number

  /** `expected`: how many rows the caller will take if each matches; Infinity: not known. */
  constructor(data: StoredData, collection: Collection, plan: QueryPlan, expected: number) {
    this.#data = data
    this.#collection = collection
    const first = expected === Infinity ? FIRST_CHUNK_ROWS : expected
    this.#chunkRows = Math.max(1, Math.min(first, MAX_CHUNK_ROWS))
    this.#ranges = plan.ranges ?? [undefined]
    this.#yielded = plan.repeats ? new Set() : undefined
  }

  next(): StoredRow | undefined {
    for (;;) {
      if (this.#bufferIndex >= this.#buffer.length && !this.#fill()) return undefined
      const found = this.#buffer[this.#bufferIndex++]!
      this.#position = found
      if (this.#yielded?.has(found.row)) continue
      this.#yielded?.add(found.row)
      return found
    }
  }

  /** Forgets the rows that were read ahead, before other work can change the collection. */
  pause(): void {
    if (this.#bufferIndex < this.#buffer.length) this.#readPosition = this.#position
    this.#buffer = []
    this.#bufferIndex = 0
  }

  #fill(): boolean {
    if (this.#collection.dropped || this.#ranges.some((range) => range?.index.dropped)) {
      throw refusal('QueryPlanKilled', 'collection or index dropped while a cursor was open on it')
    }
    this.#buffer = []
    this.#bufferIndex = 0
    while (this.#buffer.length === 0 && this.#readPosition.range < this.#ranges.length) this.#read()
    return this.#buffer.length > 0
  }

  #read(): void {
    const { range } = this.#readPosition
    const limit = this.#chunkRows
    const { rows, ended } = this.#rows(this.#ranges[range], limit)
    this.#buffer = rows.map((found) => ({ ...found, range }))
    this.#grow(this.#buffer)
    const last = ended && rows.length < limit ? undefined : this.#buffer.at(-1)
    this.#readPosition = last ?? { range: range + 1 }
  }

  /** Chunks grow, but they stay small if the documents are large. */
  #grow(rows: readonly StoredRow[]): void {
    const bytes = rows.reduce((sum, row) => sum + row.bytes.length, 0)
    const factor = bytes * 4 > MAX_CHUNK_BYTES ? MAX_CHUNK_BYTES / bytes : 4
    this.#chunkRows = Math.max(1, Math.min(Math.floor(this.#chunkRows * factor), MAX_CHUNK_ROWS))
  }

  #rows(range: Range | undefined, limit: number): ReturnType<Documents['rows']> {
    const { table } = this.#collection
    const { key, row = -1 } = this.#readPosition
    if (!range)
      return this.#data.documents.rows(
        this.#collection,
        `SELECT NULL, row, crc, doc FROM ${table} WHERE row > ? ORDER BY row LIMIT ?`,
        ...[row, limit],
      )
    const { index, reverse, from, to } = range
    const [after, before, order] = reverse ? ['<', '>=', 'DESC'] : ['>', '<', 'ASC']
    const [first, end] = reverse ? [to, from] : [from, to]
    // The position is the only bound on its side: with the range's own bound beside it, SQLite may
    // begin there, and would pass all that was read before.
    return this.#data.documents.rows(
      this.#collection,
      `SELECT k.key, k.row, d.crc, d.doc FROM ${index.table} k CROSS JOIN ${table} d ON d.row = k.row
       WHERE (k.key, k.row) ${after} (?, ?) AND k.key ${before} ?
       ORDER BY k.key ${order}, k.row ${order} LIMIT ?`,
      ...[key ?? first, row, end, limit],
    )
  }
}
