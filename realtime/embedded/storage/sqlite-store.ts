// The only file that knows SQLite's transactions. All writes that arrive in one turn of the event
// loop, or during the previous fsync, share one commit. A callback of `onDurable` runs after that
// commit and never before it.
//
//   first write ─► BEGIN ─ more writes of this turn ─► beforeCommit hooks ─► COMMIT (fsync)
//                                                                               │
//   checkpoint, if one is due ◄─ onDurable callbacks ◄─ afterCommit hooks ◄─ mark (data-files.ts)
//
// If COMMIT or the mark fails, nothing is acknowledged any more: the server has to be restarted.
import { backup, DatabaseSync, type StatementSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { refusal } from '../errors.ts'
import { Checkpoints } from './checkpoints.ts'
import { checkDataFiles, dataFile, FORMAT, isDamage, Mark, unlessInUse } from './data-files.ts'
import { DiskSpace } from './disk-space.ts'

const schema = `
  CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, db TEXT NOT NULL, name TEXT NOT NULL, uuid BLOB NOT NULL, options BLOB NOT NULL, UNIQUE (db, name));
  CREATE TABLE IF NOT EXISTS indexes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, spec BLOB NOT NULL, multikey INTEGER NOT NULL,
    ready INTEGER NOT NULL DEFAULT 1);
  CREATE TABLE IF NOT EXISTS oplog (
    ts INTEGER PRIMARY KEY, wall INTEGER NOT NULL, total INTEGER NOT NULL, op TEXT NOT NULL,
    db TEXT NOT NULL, coll TEXT NOT NULL, uuid BLOB, key BLOB, body BLOB, crc INTEGER);
  CREATE TABLE IF NOT EXISTS sessions (id BLOB PRIMARY KEY, txn INTEGER NOT NULL, at INTEGER NOT NULL, results BLOB NOT NULL)
    WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS sessions_by_age ON sessions (at);
`

/** How many statements are kept prepared. Each table has some of its own. */
const MAX_STATEMENTS = 1000

/** A value as SQLite stores it. */
export type Cell = null | number | bigint | string | Uint8Array

/** One data directory, which is locked while it is open, and its shared transaction. */
export class SqliteStore {
  readonly #dataDir: string
  readonly #db: DatabaseSync
  readonly #mark: Mark
  readonly #space: DiskSpace
  readonly #checkpoints: Checkpoints
  readonly #statements = new Map<string, StatementSync>()
  #waiting: (() => void)[] = []
  #scheduled: NodeJS.Immediate | undefined
  readonly #onFault: (error: Error) => void
  #failed = false
  position = 0
  beforeCommit = (): void => undefined
  afterCommit = (): void => undefined

  /** Throws an error for people if another server uses it, or if it is damaged. */
  constructor(dataDir: string, onFault: (error: Error) => void) {
    this.#onFault = onFault
    this.#dataDir = dataDir
    let db: DatabaseSync | undefined
    try {
      checkDataFiles(dataDir)
      db = new DatabaseSync(dataFile(dataDir))
      // The lock ends with its process, so a `kill -9` leaves nothing that has to be removed.
      db.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL')
      db.exec(
        'PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -65536; PRAGMA secure_delete = ON',
      )
      this.#mark = new Mark(dataDir)
      this.#space = new DiskSpace(dataDir)
      migrate(db)
      this.#db = db
      this.#checkpoints = new Checkpoints(db, dataFile(dataDir))
      if (this.#mayCheckpoint()) this.#checkpoints.run()
    } catch (error) {
      db?.close()
      throw unlessInUse(error, dataDir)
    }
  }

  /** The prepared statement of this SQL. Its rows are arrays in the order of the columns. */
  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) {
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear()
      statement = this.#db.prepare(sql)
      statement.setReturnArrays(true)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /** Throws if the disk has no space for new data. Changes of what is stored may be possible. */
  requireSpace(): void {
    if (!this.#space.allowsGrowth) throw diskIsFull()
  }

  /** Runs a writing statement in the shared transaction. Returns the id of an inserted row. */
  run(sql: string, ...cells: Cell[]): number {
    this.#begin()
    this.#checkpoints.noteWrite(bytesOf(cells))
    return this.#guarded(() => Number(this.#prepare(sql).run(...cells).lastInsertRowid))
  }

  row<T extends readonly Cell[]>(sql: string, ...cells: Cell[]): T | undefined {
    return this.#guarded(() => this.#prepare(sql).get(...cells) as T | undefined)
  }

  rows<T extends readonly Cell[]>(sql: string, ...cells: Cell[]): T[] {
    return this.#guarded(() => this.#prepare(sql).all(...cells) as unknown as T[])
  }

  /** The first rows, at least one, until they have `bytes`. `ended`: there are no others. */
  rowsWithin<T extends readonly Cell[]>(
    bytes: number,
    sql: string,
    ...cells: Cell[]
  ): { rows: T[]; ended: boolean } {
    return this.#guarded(() => {
      const rows: T[] = []
      let left = bytes
      for (const row of this.#prepare(sql).iterate(...cells) as Iterable<unknown> as Iterable<T>) {
        rows.push(row)
        for (const cell of row) if (cell instanceof Uint8Array) left -= cell.length
        if (left <= 0) return { rows, ended: false }
      }
      return { rows, ended: true }
    })
  }

  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw isDamage(error) ? damage('The database', dataFile(this.#dataDir)) : error
    }
  }

  /** Bytes that were read with their checksum. Throws if they aren't what was written. */
  checked(bytes: Uint8Array, checksum: number | null, what: string): Uint8Array {
    if (checksum !== null && crc32(bytes) === checksum) return bytes
    throw damage(what, dataFile(this.#dataDir))
  }

  /** Copies everything that is committed to a file, while others go on writing. */
  async backup(file: string): Promise<void> {
    for (;;) {
      try {
        await backup(this.#db, file, { rate: 200 })
        return
      } catch (error) {
        // If the first step meets the open transaction, Node gives up with SQLite's code for "no
        // error". It repeats later steps by itself.
        if ((error as { errcode?: number }).errcode !== 0) throw error
        await nextTurn()
      }
    }
  }

  /** Empties the log into the data file. Returns false if that isn't possible now. */
  checkpoint(): boolean {
    return !this.pending && this.#relieve({ truncate: true })
  }

  /** Empties the cache of pages, which fills again as they are read. */
  releaseMemory(): void {
    this.#db.exec('PRAGMA shrink_memory')
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

  /** Calls back as soon as everything that was executed so far is on disk. */
  onDurable(callback: () => void): void {
    if (this.pending) this.#waiting.push(callback)
    else callback()
  }

  #begin(): void {
    if (this.#failed) throw new Error('the storage has failed; restart the server')
    if (this.#scheduled) return
    if (!this.#space.allowsChanges) throw diskIsFull()
    this.#db.exec('BEGIN IMMEDIATE')
    this.#scheduled = setImmediate(() => this.#commit())
  }

  #commit(): void {
    if (this.#failed) return
    try {
      this.beforeCommit()
      this.#space.giveUpReserve()
      this.#prepare('COMMIT').run()
      this.#mark.write(this.position)
    } catch (error) {
      return this.#fault(error as Error)
    }
    this.#scheduled = undefined
    const waiting = this.#waiting
    this.#waiting = []
    this.afterCommit()
    for (const callback of waiting) callback()
    if (this.#checkpoints.isDue && !this.pending) this.#relieve()
  }

  /** Keeps the write-ahead log short. On a full disk, the log grows until there is space. */
  #relieve(options?: { truncate: boolean }): boolean {
    if (!this.#mayCheckpoint()) return false
    try {
      this.#checkpoints.run(options)
      return true
    } catch (error) {
      if (isDamage(error)) this.#fault(error as Error)
      return false
    }
  }

  /** The growth of the data file must not take the space that a commit or a start needs. */
  #mayCheckpoint(): boolean {
    return this.#space.allows(this.#checkpoints.growth)
  }

  #fault(error: Error): void {
    if (this.#failed) return
    this.#failed = true
    this.#waiting = []
    this.#onFault(error)
  }

  /** Commits the open transaction, empties the log and releases the lock. */
  close(): void {
    // What waits for a commit may write once more.
    while (this.#scheduled && !this.#failed) {
      clearImmediate(this.#scheduled)
      this.#commit()
    }
    this.#statements.clear()
    if (!this.#failed) this.#relieve()
    this.#db.close()
    this.#checkpoints.close()
    this.#mark.close()
    this.#space.close()
  }
}

function bytesOf(cells: readonly Cell[]): number {
  let bytes = 0
  for (const cell of cells)
    if (typeof cell === 'string' || cell instanceof Uint8Array) bytes += cell.length
  return bytes
}

function damage(what: string, path: string): Error {
  return refusal(
    'DataCorruptionDetected',
    `${what} in ${path} is damaged: its checksum is wrong. Stop the server and run \`lockstep repair\`, or restore a backup.`,
  )
}

const diskIsFull = () => refusal('OutOfDiskSpace', 'the disk is full')

/** Creates the tables, or gives those of an older format what they lack. */
function migrate(db: DatabaseSync): void {
  const names = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
    .all()
    .map(({ name }) => String(name))
  const { user_version: format } = db.prepare('PRAGMA user_version').get()!
  if (format !== FORMAT) {
    db.function('checksum', (bytes) => (bytes === null ? null : crc32(bytes as Uint8Array)))
    const steps = names
      .filter((name) => name.startsWith('documents_'))
      .map(
        (table) =>
          `ALTER TABLE ${table} ADD COLUMN crc INTEGER; UPDATE ${table} SET crc = checksum(doc);`,
      )
    if (names.includes('oplog'))
      steps.push(
        'ALTER TABLE oplog ADD COLUMN crc INTEGER; UPDATE oplog SET crc = checksum(body);',
        'ALTER TABLE indexes ADD COLUMN ready INTEGER NOT NULL DEFAULT 1;',
      )
    db.exec(`BEGIN EXCLUSIVE; ${steps.join(' ')} ${schema} PRAGMA user_version = ${FORMAT}; COMMIT`)
  }
  // An older server didn't wipe what it deleted. A file that is written anew has nothing of it.
  if (names.includes('oplog') && !names.includes('erasures')) db.exec('VACUUM')
}
