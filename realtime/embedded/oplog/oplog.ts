// The log of everything that changed, in the order in which it did. An entry is written in the transaction of its
// change and shown to change streams only after that transaction is on disk.
import type { Binary } from 'bson'
import type { SqliteStore } from '../storage/sqlite-store.ts'
import { ClusterClock, type ClusterTime } from './clock.ts'

/** What happened: insert, update, replace, delete; to a whole collection or database; or nothing (n), to let time pass. */
export type OplogOperation = 'i' | 'u' | 'r' | 'd' | 'drop' | 'dropDatabase' | 'rename' | 'n'

/** One change as it is stored. `body` is the document (i, r), the update description (u) or the target (rename), as BSON. */
export interface OplogEntry {
  readonly time: ClusterTime
  readonly wall: number
  readonly op: OplogOperation
  readonly db: string
  readonly coll: string
  readonly uuid: Uint8Array | null
  readonly key: Uint8Array | null
  readonly body: Uint8Array | null
}

/** How long the log is kept: entries older than `maxAgeMs` go, and the oldest as soon as all together exceed `maxBytes`. */
export interface Retention {
  readonly maxAgeMs: number
  readonly maxBytes: number
}

const columns = 'ts, wall, op, db, coll, uuid, key, body'
const MAX_ENTRIES_PER_TRIM = 2000
const MAX_TAIL_ENTRIES = 2000
const MAX_TAIL_BYTES = 16 * 1024 * 1024

type EntryRow = [
  number,
  number,
  OplogOperation,
  string,
  string,
  Uint8Array | null,
  Uint8Array | null,
  Uint8Array | null,
]

/** The oplog of one data directory. */
export class Oplog {
  readonly clock: ClusterClock
  readonly #store: SqliteStore
  readonly #retention: Retention
  #total: number
  #uncommitted: OplogEntry[] = []
  #tail: OplogEntry[] = []
  #tailSize = 0
  #tailStart: ClusterTime
  #durable: ClusterTime
  readonly #waiting = new Set<() => void>()

  constructor(store: SqliteStore, retention: Retention) {
    this.#store = store
    this.#retention = retention
    const last = store.row<[number, number]>('SELECT ts, total FROM oplog ORDER BY ts DESC LIMIT 1')
    this.clock = new ClusterClock(last?.[0] ?? 0)
    this.#total = last?.[1] ?? 0
    // A fresh log begins with an entry that nobody sees, so that its own beginning is on record.
    if (!last)
      store.run(
        "INSERT INTO oplog VALUES (?, ?, 0, 'n', '', '', NULL, NULL, NULL)",
        this.clock.tick(),
        Date.now(),
      )
    this.#durable = this.#tailStart = this.clock.now
    store.afterCommit(() => this.#publish())
  }

  /** Adds a change to the open transaction. */
  append(
    op: OplogOperation,
    db: string,
    coll: string,
    uuid: Binary | null,
    key: Uint8Array | null,
    body: Uint8Array | null,
  ): void {
    const entry: OplogEntry = {
      time: this.clock.tick(),
      wall: Date.now(),
      op,
      db,
      coll,
      uuid: uuid?.buffer ?? null,
      key,
      body,
    }
    this.#total += 100 + (key?.length ?? 0) + (body?.length ?? 0)
    this.#store.run(
      'INSERT INTO oplog VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      entry.time,
      entry.wall,
      this.#total,
      op,
      db,
      coll,
      entry.uuid,
      key,
      body,
    )
    this.#uncommitted.push(entry)
  }

  /** Forgets entries whose part of the transaction was undone. */
  truncateUncommitted(length: number): void {
    this.#uncommitted.length = length
  }

  /** How many entries wait for their commit. */
  get uncommittedLength(): number {
    return this.#uncommitted.length
  }

  #publish(): void {
    const last = this.#uncommitted.at(-1)
    if (!last) return
    for (const entry of this.#uncommitted) {
      this.#tail.push(entry)
      this.#tailSize += entry.body?.length ?? 0
    }
    this.#uncommitted = []
    this.#durable = last.time
    while (this.#tail.length > MAX_TAIL_ENTRIES || this.#tailSize > MAX_TAIL_BYTES) {
      const gone = this.#tail.shift()!
      this.#tailSize -= gone.body?.length ?? 0
      this.#tailStart = gone.time
    }
    const woken = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of woken) wake()
  }

  /** Calls back once, after the next commit that changes something; returns how to stop waiting. */
  onChange(wake: () => void): () => void {
    this.#waiting.add(wake)
    return () => this.#waiting.delete(wake)
  }

  /** Lets time pass on record while somebody waits, so that the token of an idle stream never grows too old. */
  appendNoopForWaiting(): void {
    if (this.#waiting.size > 0) this.append('n', '', '', null, null, null)
  }

  /** Durable entries after `time`, oldest first, at most `limit`. */
  after(time: ClusterTime, limit: number): OplogEntry[] {
    if (time >= this.#tailStart) {
      const start = firstAfter(this.#tail, time)
      return this.#tail.slice(start, start + limit)
    }
    const rows = this.#store.rows<EntryRow>(
      `SELECT ${columns} FROM oplog WHERE ts > ? AND ts <= ? ORDER BY ts LIMIT ?`,
      time,
      this.#durable,
      limit,
    )
    return rows.map(([ts, wall, op, db, coll, uuid, key, body]) => ({
      time: ts,
      wall,
      op,
      db,
      coll,
      uuid,
      key,
      body,
    }))
  }

  /** The entry of exactly this time. */
  at(time: ClusterTime): OplogEntry | undefined {
    return this.after(time - 1, 1).find((entry) => entry.time === time)
  }

  /** Entries after this time are in memory. */
  get tailBegin(): ClusterTime {
    return this.#tailStart
  }

  /** The oldest time that is still on record: a stream can start at or after it. */
  get oldest(): ClusterTime {
    return this.#store.row<[number]>('SELECT ts FROM oplog ORDER BY ts LIMIT 1')![0]
  }

  /** Removes what exceeds the retention, a bounded number of entries a call; says whether more may have to go. */
  trim(now: number): boolean {
    // Both only grow along the log, so that the oldest entries tell where to cut.
    const [cut, count] = this.#store.row<[number | null, number]>(
      `SELECT max(ts), count(*) FROM (SELECT ts, wall, total FROM oplog ORDER BY ts LIMIT ?)
       WHERE (wall < ? OR total < ?) AND ts < ?`,
      MAX_ENTRIES_PER_TRIM,
      now - this.#retention.maxAgeMs,
      this.#total - this.#retention.maxBytes,
      this.#durable,
    )!
    if (cut === null) return false
    this.#store.run('DELETE FROM oplog WHERE ts <= ?', cut)
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
