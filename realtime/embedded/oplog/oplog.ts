// The log of all changes in the order in which they happened. An entry is written in the
// transaction of its change. Change streams see it only after that transaction is on disk.
import { crc32 } from 'node:zlib'
import type { Binary } from 'bson'
import type { SqliteStore } from '../storage/sqlite-store.ts'
import { timeAfter, type ClusterTime } from './clock.ts'

/** Insert, update, replace, delete, changes of collections; `n` only moves the cluster time on. */
export type OplogOperation = 'i' | 'u' | 'r' | 'd' | 'drop' | 'dropDatabase' | 'n'

/** `body` is BSON: the document (i, r) or the update description (u). */
export interface OplogEntry {
  readonly time: ClusterTime
  readonly op: OplogOperation
  readonly db: string
  readonly coll: string
  readonly uuid: Uint8Array | null
  readonly key: Uint8Array | null
  readonly body: Uint8Array | null
}

/**
 * How long entries are kept: at most `maxAgeMs`, and only while all of them together have at most
 * `maxBytes`.
 */
export interface Retention {
  readonly maxAgeMs: number
  readonly maxBytes: number
}

const MAX_ENTRIES_PER_TRIM = 2000
const MAX_TAIL_ENTRIES = 2000
const MAX_TAIL_BYTES = 16 * 1024 * 1024

type EntryRow = [
  number,
  OplogOperation,
  string,
  string,
  Uint8Array | null,
  Uint8Array | null,
  Uint8Array | null,
  number | null,
]

export class Oplog {
  #now: ClusterTime
  readonly #store: SqliteStore
  readonly #retention: Retention
  #totalBytes: number
  #uncommitted: OplogEntry[] = []
  #tail: OplogEntry[] = []
  #tailBytes = 0
  #tailStart: ClusterTime
  #durable: ClusterTime
  readonly #waiting = new Set<() => void>()

  constructor(store: SqliteStore, retention: Retention) {
    this.#store = store
    this.#retention = retention
    const last = store.row<[number, number]>('SELECT ts, total FROM oplog ORDER BY ts DESC LIMIT 1')
    this.#now = last?.[0] ?? 0
    this.#totalBytes = last?.[1] ?? 0
    // A new log begins with a no-op, so that the time of its own beginning is known.
    if (!last)
      store.run(
        "INSERT INTO oplog VALUES (?, ?, 0, 'n', '', '', NULL, NULL, NULL, NULL)",
        (this.#now = timeAfter(0)),
        Date.now(),
      )
    this.#durable = this.#tailStart = this.#now
    store.position = this.#now
    // Every commit moves the mark of what is acknowledged.
    store.beforeCommit = () => {
      if (this.#uncommitted.length === 0) this.append('n')
    }
    store.afterCommit = () => this.#publish()
  }

  get now(): ClusterTime {
    return this.#now
  }

  advanceTo(time: ClusterTime): void {
    this.#now = Math.max(this.#now, time)
  }

  /** Adds a change to the open transaction. */
  append(
    op: OplogOperation,
    db = '',
    coll = '',
    uuid: Binary | null = null,
    key: Uint8Array | null = null,
    body: Uint8Array | null = null,
  ): void {
    const entry: OplogEntry = {
      time: (this.#now = timeAfter(this.#now)),
      op,
      db,
      coll,
      uuid: uuid?.buffer ?? null,
      key,
      body,
    }
    this.#totalBytes += 100 + (key?.length ?? 0) + (body?.length ?? 0)
    this.#store.run(
      'INSERT INTO oplog VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      entry.time,
      Date.now(),
      this.#totalBytes,
      op,
      db,
      coll,
      entry.uuid,
      key,
      body,
      body && crc32(body),
    )
    this.#store.position = entry.time
    this.#uncommitted.push(entry)
  }

  /** Runs `work` completely or not at all, including its entries. */
  atomically<T>(work: () => T): T {
    const { length } = this.#uncommitted
    try {
      return this.#store.atomically(work)
    } catch (error) {
      this.#uncommitted.length = length
      throw error
    }
  }

  #publish(): void {
    const last = this.#uncommitted.at(-1)
    if (!last) return
    for (const entry of this.#uncommitted) {
      this.#tail.push(entry)
      this.#tailBytes += entry.body?.length ?? 0
    }
    this.#uncommitted = []
    this.#durable = last.time
    let gone = 0
    while (this.#tail.length - gone > MAX_TAIL_ENTRIES || this.#tailBytes > MAX_TAIL_BYTES) {
      const oldest = this.#tail[gone++]!
      this.#tailBytes -= oldest.body?.length ?? 0
      this.#tailStart = oldest.time
    }
    if (gone > 0) this.#tail.splice(0, gone)
    const woken = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of woken) wake()
  }

  /** Calls `wake` once, after the next commit with a change. Returns how to cancel this. */
  onChange(wake: () => void): () => void {
    this.#waiting.add(wake)
    return () => this.#waiting.delete(wake)
  }

  /** Keeps the token of a waiting, idle stream from getting older than the log. */
  appendNoopForWaiting(): void {
    if (this.#waiting.size > 0) this.append('n')
  }

  /** Durable entries after `time`, oldest first, at most `limit`. */
  after(time: ClusterTime, limit: number): OplogEntry[] {
    if (time >= this.#tailStart) {
      const start = firstAfter(this.#tail, time)
      return this.#tail.slice(start, start + limit)
    }
    const rows = this.#store.rows<EntryRow>(
      `SELECT ts, op, db, coll, uuid, key, body, crc FROM oplog WHERE ts > ? AND ts <= ? ORDER BY ts LIMIT ?`,
      time,
      this.#durable,
      limit,
    )
    return rows.map(([time, op, db, coll, uuid, key, body, checksum]) => ({
      time,
      op,
      db,
      coll,
      uuid,
      key,
      body: body && this.#store.checked(body, checksum, 'An entry of the oplog'),
    }))
  }

  at(time: ClusterTime): OplogEntry | undefined {
    return this.after(time - 1, 1).find((entry) => entry.time === time)
  }

  /** All entries after this time are in memory. */
  get tailStart(): ClusterTime {
    return this.#tailStart
  }

  /** The time of the oldest entry. A stream can start at this time or later. */
  get oldest(): ClusterTime {
    return this.#store.row<[number]>('SELECT ts FROM oplog ORDER BY ts LIMIT 1')![0]
  }

  /** Removes some of the entries that exceed the retention. Returns whether there may be more. */
  trim(now: number): boolean {
    return this.#removeFirst(
      '(wall < ? OR total < ?) AND ts < ?',
      now - this.#retention.maxAgeMs,
      this.#totalBytes - this.#retention.maxBytes,
      this.#durable,
    )
  }

  /** Removes some of the entries before `time`. Streams go on with those in memory. */
  forget(time: ClusterTime): boolean {
    return this.#removeFirst('ts < ?', time)
  }

  /** A condition only changes in one direction along the log, so its last entry is where to cut. */
  #removeFirst(condition: string, ...cells: number[]): boolean {
    const [cut, count] = this.#store.row<[number | null, number]>(
      `SELECT max(ts), count(*) FROM (SELECT ts, wall, total FROM oplog ORDER BY ts LIMIT ?) WHERE ${condition}`,
      MAX_ENTRIES_PER_TRIM,
      ...cells,
    )!
    if (cut !== null) this.#store.run('DELETE FROM oplog WHERE ts <= ?', cut)
    return count === MAX_ENTRIES_PER_TRIM
  }
}

function firstAfter(entries: readonly OplogEntry[], time: ClusterTime): number {
  let [low, high] = [0, entries.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (entries[middle]!.time <= time) low = middle + 1
    else high = middle
  }
  return low
}
