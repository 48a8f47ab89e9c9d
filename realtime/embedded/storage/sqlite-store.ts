// The only file that knows SQLite's transactions. All writes that arrive in one turn of the event
// loop, or during the previous fsync, share one commit. A callback of `onDurable` runs after that
// commit and never before it.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
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

/** A value as SQLite stores it. */
export type Cell = null | number | bigint | string | Uint8Array

/**
 * One data directory, which is locked while it is open: prepared statements, the open transaction,
 * and the callbacks that wait for its commit.
 */
export class SqliteStore {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #waiting: (() => void)[] = []
  readonly #commitHooks: (() => void)[] = []
  #scheduled: NodeJS.Immediate | undefined
  readonly #onFault: (error: Error) => void
  #failed = false

  /**
   * Opens the data directory and creates it if necessary. Throws an error whose message is for
   * people if another server uses it. `onFault` is called once, if a commit fails.
   */
  constructor(dataDir: string, onFault: (error: Error) => void) {
    this.#onFault = onFault
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    this.#db = new DatabaseSync(join(dataDir, 'data.sqlite'))
    try {
      // The lock ends with its process, so a `kill -9` leaves nothing that has to be removed.
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

  /** When the running command's `maxTimeMS` ends, by `performance.now()`. */
  deadline = Infinity

  /** Throws if the time of the running command is over. */
  checkDeadline(): void {
    if (performance.now() < this.deadline) return
    throw refusal('MaxTimeMSExpired', 'operation exceeded time limit')
  }

  /** The prepared statement of this SQL. Its rows are arrays in the order of the columns. */
  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#db.prepare(sql)
      statement.setReturnArrays(true)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /** Runs a writing statement in the shared transaction. */
  run(sql: string, ...cells: Cell[]): void {
    this.#begin()
    this.#prepare(sql).run(...cells)
  }

  /** The first row; undefined if there is none. */
  row<T extends readonly Cell[]>(sql: string, ...cells: Cell[]): T | undefined {
    return this.#prepare(sql).get(...cells) as T | undefined
  }

  rows<T extends readonly Cell[]>(sql: string, ...cells: Cell[]): T[] {
    return this.#prepare(sql).all(...cells) as unknown as T[]
  }

  /** Forgets the prepared statements for a table that will be dropped. */
  forget(table: string): void {
    for (const sql of this.#statements.keys())
      if (sql.includes(`${table} `)) this.#statements.delete(sql)
  }

  /** Runs `work` completely or not at all, within the shared transaction. */
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
      // SQLite has rolled back the whole transaction because of a full disk or an I/O error.
      // Nothing that waits for this commit may be acknowledged.
      this.#fault(cause instanceof Error ? cause : new Error(String(cause)))
    }
  }

  /** Whether something that was executed is not durable yet. */
  get pending(): boolean {
    return this.#scheduled !== undefined
  }

  /**
   * Calls back as soon as everything that was executed so far is on disk; at once if it already is.
   */
  onDurable(callback: () => void): void {
    if (this.pending) this.#waiting.push(callback)
    else callback()
  }

  /** Registers a hook that runs after every commit, before the callbacks of `onDurable`. */
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

  /**
   * Commits the open transaction, moves the write-ahead log into the data file and releases the
   * lock.
   */
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
