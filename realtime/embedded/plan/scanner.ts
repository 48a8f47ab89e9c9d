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

interface ScanPosition {
  scan: number
  interval: number
  key: Uint8Array | undefined
  row: number | undefined
}

/** Yields the documents of a plan in order, each once. */
export class Scanner {
  readonly #data: StoredData
  readonly #collection: Collection
  readonly #plan: QueryPlan
  readonly #yielded: Set<number> | undefined
  #position: ScanPosition = { scan: 0, interval: 0, key: undefined, row: undefined }
  #readPosition: ScanPosition = { ...this.#position }
  #buffer: (StoredRow & { key: Uint8Array | undefined; scan: number; interval: number })[] = []
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
      this.#position = {
        scan: found.scan,
        interval: found.interval,
        key: found.key,
        row: found.row,
      }
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
    if (this.#bufferIndex < this.#buffer.length) this.#readPosition = { ...this.#position }
    this.#buffer = []
    this.#bufferIndex = 0
  }

  #fill(): boolean {
    if (this.#collection.dropped || this.#plan.scans?.some(({ index }) => index.dropped)) {
      throw refusal('QueryPlanKilled', 'collection or index dropped while a cursor was open on it')
    }
    this.#buffer = []
    this.#bufferIndex = 0
    if (!this.#plan.scans) return this.#fillFromCollection()
    while (this.#readPosition.scan < this.#plan.scans.length) {
      const scan = this.#plan.scans[this.#readPosition.scan]!
      if (this.#readPosition.interval >= scan.intervals.length) {
        this.#readPosition = {
          scan: this.#readPosition.scan + 1,
          interval: 0,
          key: undefined,
          row: undefined,
        }
      } else if (this.#fillFromIndex(scan)) {
        return true
      }
    }
    return false
  }

  /** Chunks grow, but they stay small if the documents are large. */
  #grow(rows: readonly StoredRow[]): void {
    const bytes = rows.reduce((sum, row) => sum + row.bytes.length, 0)
    const factor = bytes * 4 > MAX_CHUNK_BYTES ? MAX_CHUNK_BYTES / bytes : 4
    this.#chunkRows = Math.max(1, Math.min(Math.floor(this.#chunkRows * factor), MAX_CHUNK_ROWS))
  }

  #fillFromCollection(): boolean {
    if (this.#readPosition.scan > 0) return false
    const reverse = this.#plan.reverseNatural
    const limit = this.#chunkRows
    const { rows, ended } = this.#data.store.rowsWithin<StoredDocument>(
      MAX_CHUNK_BYTES,
      `SELECT row, crc, doc FROM ${this.#collection.table} WHERE row ${reverse ? '<' : '>'} ? ORDER BY row ${reverse ? 'DESC' : ''} LIMIT ?`,
      this.#readPosition.row ?? (reverse ? Number.MAX_SAFE_INTEGER : -1),
      limit,
    )
    this.#buffer = rows.map((stored) => ({
      row: stored[0],
      bytes: this.#data.documents.read(this.#collection, stored),
      key: undefined,
      scan: 0,
      interval: 0,
    }))
    this.#grow(this.#buffer)
    this.#readPosition = {
      ...this.#readPosition,
      row: rows.at(-1)?.[0] ?? this.#readPosition.row,
      scan: ended && rows.length < limit ? 1 : 0,
    }
    return rows.length > 0
  }

  #fillFromIndex(scan: IndexScan): boolean {
    const { interval: number, key, row } = this.#readPosition
    const interval = scan.intervals[scan.reverse ? scan.intervals.length - 1 - number : number]!
    const limit = this.#chunkRows
    const { rows, ended } = this.#query(scan, interval.from, interval.to, key, row, limit)
    this.#buffer = rows.map(([rowKey, ...stored]) => ({
      row: stored[0],
      bytes: this.#data.documents.read(this.#collection, stored),
      key: rowKey,
      scan: this.#readPosition.scan,
      interval: number,
    }))
    this.#grow(this.#buffer)
    const last = rows.at(-1)
    if (ended && rows.length < limit)
      this.#readPosition = {
        ...this.#readPosition,
        interval: number + 1,
        key: undefined,
        row: undefined,
      }
    else this.#readPosition = { ...this.#readPosition, key: last![0], row: last![1] }
    return rows.length > 0
  }

  #query(
    scan: IndexScan,
    from: Uint8Array,
    to: Uint8Array | undefined,
    key: Uint8Array | undefined,
    row: number | undefined,
    limit: number,
  ): { rows: [Uint8Array, ...StoredDocument][]; ended: boolean } {
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
    return this.#data.store.rowsWithin<[Uint8Array, ...StoredDocument]>(
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
