// Executes a plan, one chunk of rows at a time. No SQLite statement stays open between two calls:
// the position is kept as the last key and row. Writes in between can therefore neither be blocked
// by a cursor nor confuse it.
import { refusal } from '../errors.ts'
import type { Collection } from '../storage/catalog.ts'
import type { Documents, StoredDocument } from '../storage/documents.ts'
import type { SqliteStore } from '../storage/sqlite-store.ts'
import type { IndexScan, QueryPlan } from './planner.ts'

/** A stored document and the number of its row. */
export interface StoredRow {
  readonly row: number
  readonly bytes: Uint8Array
}

/** Number of rows in the first chunk, unless the caller expects another number. */
export const FIRST_CHUNK_ROWS = 16
const MAX_CHUNK_ROWS = 256
/** A chunk ends when it is larger than this, and grows only while it is smaller. */
const MAX_CHUNK_BYTES = 1024 * 1024

/** Where documents are read from. */
export interface StoredData {
  readonly store: SqliteStore
  readonly documents: Documents
}

/** Where reading goes on: after a key and a row, in one of the intervals of one of the scans. */
interface Position {
  readonly scan: number
  readonly interval: number
  readonly key?: Uint8Array | undefined
  readonly row?: number | undefined
}

type FoundRow = StoredRow & Position
type KeyedDocument = [key: Uint8Array | null, ...StoredDocument]
type Chunk = { rows: KeyedDocument[]; ended: boolean }

/** Yields the documents of a plan in order, each once. */
export class Scanner {
  readonly #data: StoredData
  readonly #collection: Collection
  readonly #plan: QueryPlan
  readonly #yielded: Set<number> | undefined
  #position: Position = { scan: 0, interval: 0 }
  #readPosition = this.#position
  #buffer: FoundRow[] = []
  #bufferIndex = 0
  #chunkRows: number

  /** `expected` is the number of rows that the caller will probably take. */
  constructor(
    data: StoredData,
    collection: Collection,
    plan: QueryPlan,
    expected = FIRST_CHUNK_ROWS,
  ) {
    this.#data = data
    this.#collection = collection
    this.#plan = plan
    this.#chunkRows = Math.max(1, Math.min(expected, MAX_CHUNK_ROWS))
    const repeats =
      (plan.scans?.length ?? 0) > 1 || plan.scans?.some((scan) => scan.index.multikey.some(Boolean))
    this.#yielded = repeats ? new Set() : undefined
  }

  /** The next document; undefined at the end. */
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

  /**
   * Forgets the rows that were read ahead. It must be called before other work can change the
   * collection.
   */
  pause(): void {
    if (this.#bufferIndex < this.#buffer.length) this.#readPosition = this.#position
    this.#buffer = []
    this.#bufferIndex = 0
  }

  #fill(): boolean {
    if (this.#collection.dropped || this.#plan.scans?.some(({ index }) => index.dropped)) {
      throw refusal('QueryPlanKilled', 'collection or index dropped while a cursor was open on it')
    }
    this.#buffer = []
    this.#bufferIndex = 0
    for (;;) {
      const { scan: number, interval } = this.#readPosition
      if (number >= (this.#plan.scans?.length ?? 1)) return false
      const scan = this.#plan.scans?.[number]
      if (interval >= (scan?.intervals.length ?? 1))
        this.#readPosition = { scan: number + 1, interval: 0 }
      else if (this.#read(scan)) return true
    }
  }

  /** Reads a chunk of one interval, or of the collection. Returns whether there was a row. */
  #read(scan: IndexScan | undefined): boolean {
    const { scan: number, interval } = this.#readPosition
    const limit = this.#chunkRows
    const { rows, ended } = scan ? this.#indexRows(scan, limit) : this.#collectionRows(limit)
    this.#buffer = rows.map(([key, ...stored]) => ({
      row: stored[0],
      bytes: this.#data.documents.read(this.#collection, stored),
      key: key ?? undefined,
      scan: number,
      interval,
    }))
    this.#grow(this.#buffer)
    const last = this.#buffer.at(-1)
    if (ended && rows.length < limit) this.#readPosition = { scan: number, interval: interval + 1 }
    else if (last) this.#readPosition = last
    return rows.length > 0
  }

  /** Chunks grow, but they stay small if the documents are large. */
  #grow(rows: readonly StoredRow[]): void {
    const bytes = rows.reduce((sum, row) => sum + row.bytes.length, 0)
    const factor = bytes * 4 > MAX_CHUNK_BYTES ? MAX_CHUNK_BYTES / bytes : 4
    this.#chunkRows = Math.max(1, Math.min(Math.floor(this.#chunkRows * factor), MAX_CHUNK_ROWS))
  }

  #collectionRows(limit: number): Chunk {
    const reverse = this.#plan.reverseNatural
    return this.#data.store.rowsWithin<KeyedDocument>(
      MAX_CHUNK_BYTES,
      `SELECT NULL, row, crc, doc FROM ${this.#collection.table}
       WHERE row ${reverse ? '<' : '>'} ? ORDER BY row ${reverse ? 'DESC' : ''} LIMIT ?`,
      this.#readPosition.row ?? (reverse ? Number.MAX_SAFE_INTEGER : -1),
      limit,
    )
  }

  #indexRows(scan: IndexScan, limit: number): Chunk {
    const { interval, key, row } = this.#readPosition
    const { from, to } = scan.intervals.at(scan.reverse ? -1 - interval : interval)!
    const order = scan.reverse ? 'DESC' : 'ASC'
    // The position takes the place of the bound that it has left: with both, SQLite may begin at
    // the bound, and would pass all that was read before.
    const isFrom = key === undefined || scan.reverse
    const isTo = to !== undefined && (key === undefined || !scan.reverse)
    const conditions = [
      ...(isFrom ? ['k.key >= ?'] : []),
      ...(isTo ? ['k.key < ?'] : []),
      ...(key === undefined ? [] : [`(k.key, k.row) ${scan.reverse ? '<' : '>'} (?, ?)`]),
    ]
    return this.#data.store.rowsWithin<KeyedDocument>(
      MAX_CHUNK_BYTES,
      `SELECT k.key, k.row, d.crc, d.doc FROM ${scan.index.table} k CROSS JOIN ${this.#collection.table} d ON d.row = k.row
       WHERE ${conditions.join(' AND ')} ORDER BY k.key ${order}, k.row ${order} LIMIT ?`,
      ...(isFrom ? [from] : []),
      ...(isTo ? [to] : []),
      ...(key === undefined ? [] : [key, row!]),
      limit,
    )
  }
}
