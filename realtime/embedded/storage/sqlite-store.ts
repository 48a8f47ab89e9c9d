// The only place that knows SQLite's transactions. Everything that arrives during one turn of the event loop, or while
// the previous fsync ran, shares one commit; `onDurable` runs after that commit and never before.
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { refusal } from '../errors.ts'

const schema = `
  CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, db TEXT NOT NULL, name TEXT NOT NULL, uuid BLOB NOT NULL, options BLOB NOT NULL, UNIQUE (db, name));
  CREATE TABLE IF NOT EXISTS indexes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, spec BLOB NOT NULL, multikey INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS oplog (
    ts INTEGER PRIMARY KEY, wall INTEGER NOT NULL, total INTEGER NOT NULL, op TEXT NOT NULL,
    db TEXT NOT NULL, coll TEXT NOT NULL, uuid BLOB, key BLOB, body BLOB);
  CREATE TABLE IF NOT EXISTS sessions (id BLOB PRIMARY KEY, txn INTEGER NOT NULL, at INTEGER NOT NULL, results BLOB NOT NULL)
    WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS sessions_by_age ON sessions (at);
`

/** A value SQLite gives back or takes. */
export type Cell = null | number | bigint | string | Uint8Array

/** One data directory, opened exclusively: prepared statements, the open transaction, and what waits for its commit. */
export class SqliteStore {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #waiting: (() => void)[] = []
  readonly #commitHooks: (() => void)[] = []
  #scheduled: NodeJS.Immediate | undefined
  readonly #onFault: (error: Error) => void
  #failed = false

  /** Opens (or creates) the data; throws a sentence for people when another process holds it. */
  constructor(dataDir: string, onFault: (error: Error) => void) {
    this.#onFault = onFault
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    this.#db = new DatabaseSync(join(dataDir, 'data.sqlite'))
    try {
      // The lock dies with its process, so that a kill -9 leaves nothing stale behind.
      this.#db.exec(
        'PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL',
      )
      this.#db.exec(
        'PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -65536',
      )
      this.#db.exec(`BEGIN EXCLUSIVE; ${schema} COMMIT`)
    } catch (error) {
      this.#db.close()
      if (/locked|busy/i.test(String(error))) throw heldByAnother(dataDir)
      throw error
    }
  }

  /** When the running command's `maxTimeMS` is over, in `performance.now()` time. */
  deadline = Infinity

  /** Throws once the running command has had its time. */
  checkDeadline(): void {
    if (performance.now() < this.deadline) return
    throw refusal('MaxTimeMSExpired', 'operation exceeded time limit')
  }

  /** The prepared statement for this SQL; rows come as arrays, in the order of the columns. */
  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#db.prepare(sql)
      statement.setReturnArrays(true)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /** Runs a statement inside the shared transaction. */
  run(sql: string, ...cells: Cell[]): void {
    this.#begin()
    this.#prepare(sql).run(...cells)
  }

  /** The first row, or undefined. */
  row<T extends readonly Cell[]>(sql: string, ...cells: Cell[]): T | undefined {
    return this.#prepare(sql).get(...cells) as T | undefined
  }

  /** All rows. */
  rows<T extends readonly Cell[]>(sql: string, ...cells: Cell[]): T[] {
    return this.#prepare(sql).all(...cells) as unknown as T[]
  }

  /** Drops cached statements that mention a table which is about to go. */
  forget(table: string): void {
    for (const sql of this.#statements.keys())
      if (sql.includes(`${table} `)) this.#statements.delete(sql)
  }

  /** Runs `work` whole or not at all, within the shared transaction. */
  atomically<T>(work: () => T): T {
    this.#begin()
    this.#prepare('SAVEPOINT step').run()
    try {
      const result = work()
      this.#prepare('RELEASE step').run()
      return result
    } catch (error) {
      this.#undo(error)
      throw error
    }
  }

  #undo(cause: unknown): void {
    try {
      this.#db.exec('ROLLBACK TO step; RELEASE step')
    } catch {
      // SQLite has rolled back everything (a full disk, an I/O error): what waits for this commit must never be acked.
      this.#fault(cause instanceof Error ? cause : new Error(String(cause)))
    }
  }

  /** Whether something executed so far is not durable yet. */
  get pending(): boolean {
    return this.#scheduled !== undefined
  }

  /** Calls back once everything executed so far is on disk: at once when it already is. */
  onDurable(callback: () => void): void {
    if (this.pending) this.#waiting.push(callback)
    else callback()
  }

  /** Registers what follows every commit, before the callbacks of `onDurable`. */
  afterCommit(hook: () => void): void {
    this.#commitHooks.push(hook)
  }

  #begin(): void {
    if (this.#failed) throw new Error('the storage has failed; restart the server')
    if (this.#scheduled) return
    this.#db.exec('BEGIN IMMEDIATE')
    this.#scheduled = setImmediate(() => this.#commit())
  }

  #commit(): void {
    if (this.#failed) return
    try {
      this.#prepare('COMMIT').run()
    } catch (error) {
      return this.#fault(error as Error)
    }
    this.#scheduled = undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const hook of this.#commitHooks) hook()
    for (const callback of waiting) callback()
  }

  #fault(error: Error): void {
    if (this.#failed) return
    this.#failed = true
    this.#waiting = []
    this.#onFault(error)
  }

  /** Commits what is open, moves the journal into the data file and lets go of the lock. */
  close(): void {
    if (this.#scheduled) {
      clearImmediate(this.#scheduled)
      this.#commit()
    }
    this.#statements.clear()
    this.#db.close()
  }
}

function heldByAnother(dataDir: string): Error {
  return new Error(
    `The data directory ${dataDir} is in use by another process. Stop that process first, or start with another data directory.`,
  )
}
