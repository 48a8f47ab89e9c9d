// The log of all changes in the order in which they happened. An entry is written in the
// transaction of its change. Change streams see it only after that transaction is on disk.
import { crc32 } from 'node:zlib'
import type { ServerSettings } from '../settings.ts'
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
  readonly uuid: Bytes
  readonly key: Bytes
  readonly body: Bytes
}

const MAX_ENTRIES_PER_TRIM = 2000
const MAX_TAIL_ENTRIES = 2000
const MAX_TAIL_BYTES = 16 * 1024 * 1024

type Bytes = Uint8Array | null
type EntryRow = [number, OplogOperation, string, string, Bytes, Bytes, Bytes, number | null]

export class Oplog {
  #now: ClusterTime
  readonly #store: SqliteStore
  readonly #settings: ServerSettings
  #totalBytes: number
  #uncommitted: OplogEntry[] = []
  #tail: OplogEntry[] = []
  #tailBytes = 0
  #tailStart: ClusterTime
  #durable: ClusterTime
  readonly #waiting = new Set<() => void>()

  constructor(store: SqliteStore, settings: ServerSettings) {
    this.#store = store
    this.#settings = settings
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
  append(op: OplogOperation, about: Partial<Omit<OplogEntry, 'time' | 'op'>> = {}): void {
    const time = (this.#now = timeAfter(this.#now))
    const { db = '', coll = '', uuid = null, key = null, body = null } = about
    this.#totalBytes += 100 + (key?.length ?? 0) + (body?.length ?? 0)
    this.#store.run(
      'INSERT INTO oplog VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[time, Date.now(), this.#totalBytes, op, db, coll, uuid, key, body, body && crc32(body)],
    )
    this.#store.position = time
    this.#uncommitted.push({ time, op, db, coll, uuid, key, body })
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
      const start = this.#tail.findLastIndex((entry) => entry.time <= time) + 1
      return this.#tail.slice(start, start + limit)
    }
    const rows = this.#store.rows<EntryRow>(
      `SELECT ts, op, db, coll, uuid, key, body, crc FROM oplog WHERE ts > ? AND ts <= ? ORDER BY ts LIMIT ?`,
      time,
      this.#durable,
      limit,
    )
    return rows.map(([time, op, db, coll, uuid, key, stored, checksum]) => {
      const body = stored && this.#store.checked(stored, checksum, 'An entry of the oplog')
      return { time, op, db, coll, uuid, key, body }
    })
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
      now - this.#settings.oplogMaxAgeMs,
      this.#totalBytes - this.#settings.oplogMaxBytes,
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
