// The database without its network side: everything that lives in one data directory, and the
// housekeeping that removes what has expired.
import { ObjectId } from 'bson'
import { Cursors } from './cursors/cursors.ts'
import { isOutOfDiskSpace } from './errors.ts'
import { Memory } from './memory.ts'
import { Oplog } from './oplog/oplog.ts'
import { pace } from './pace.ts'
import { RetryableWrites } from './session/retryable-writes.ts'
import type { ServerSettings } from './settings.ts'
import { Catalog, type Collection } from './storage/catalog.ts'
import { backupFile } from './storage/data-files.ts'
import { Documents } from './storage/documents.ts'
import { DiscardedTables, Erasures } from './storage/erasures.ts'
import { SqliteStore } from './storage/sqlite-store.ts'
import { expireDocuments } from './storage/ttl.ts'

/** Pause between two parts of a long removal, in which waiting commands run. */
const REMOVAL_PAUSE_MS = 20
/** Erasures that are requested within this time are done together. */
const ERASURE_DELAY_MS = 1_000
/** Time between two looks at the memory that large commands have left. */
const MEMORY_CHECK_MS = 2_000

export class DatabaseEngine {
  readonly settings: ServerSettings
  readonly store: SqliteStore
  readonly oplog: Oplog
  readonly catalog: Catalog
  readonly documents: Documents
  readonly retryableWrites: RetryableWrites
  readonly cursors = new Cursors()
  /** Where the server listens, as `hello` says it: `host:port`, or the path of a socket. */
  address = ''
  /** Differs at each start, so that a driver notices a restart. */
  readonly processId = new ObjectId()
  readonly #discarded: DiscardedTables
  readonly #erasures: Erasures
  readonly #dataDir: string
  readonly #timers: Set<NodeJS.Timeout>
  readonly #onFault: (error: Error) => void

  /** `onFault` receives an error after which nothing can be stored any more. */
  constructor(dataDir: string, settings: ServerSettings, onFault: (error: Error) => void) {
    this.settings = settings
    this.#dataDir = dataDir
    this.#onFault = onFault
    this.store = new SqliteStore(dataDir, onFault)
    this.oplog = new Oplog(this.store, settings)
    this.#discarded = new DiscardedTables(this.store, () =>
      this.#continueLater(() => this.#remove()),
    )
    this.catalog = new Catalog(this.store, this.#discarded)
    this.documents = new Documents(this.store, this.catalog, this.oplog)
    this.retryableWrites = new RetryableWrites(this.store)
    this.#erasures = new Erasures(this.store, this.oplog)
    const memory = new Memory(() => this.store.releaseMemory())
    const every = (ms: number, work: () => void): NodeJS.Timeout =>
      setInterval(() => this.#runGuarded(work), ms)
    this.#timers = new Set([
      every(settings.ttlSweepMs, () => this.#expireDocuments()),
      every(settings.trimMs, () => this.#trim()),
      every(settings.noopIntervalMs, () => this.oplog.appendNoopForWaiting()),
      every(MEMORY_CHECK_MS, () => memory.relieve()),
    ])
    this.#continueLater(() => this.#remove())
  }

  collection(db: string, name: string): Collection {
    return this.catalog.find(db, name) ?? this.catalog.create(db, name)
  }

  /** Writes everything that is committed to a new file in the data directory. */
  async backup(): Promise<string> {
    const file = backupFile(this.#dataDir)
    await this.store.backup(file)
    return file
  }

  /** Erases what the files still hold of deleted content: within seconds, and before they close. */
  eraseDeleted(): void {
    if (!this.#erasures.isPending) this.#continueLater(() => this.#remove(), ERASURE_DELAY_MS)
    this.#erasures.request()
  }

  #remove(): void {
    if (this.#discarded.advance() || this.#erasures.advance())
      this.#continueLater(() => this.#remove())
  }

  /** Stops the housekeeping, finishes erasures, commits and closes the files. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    try {
      this.retryableWrites.forget()
      if (this.#erasures.isPending) this.#discarded.finish()
      while (this.#erasures.advance());
    } catch {
      // What can't be erased now is erased when the data are opened again.
    }
    this.store.close()
  }

  #trim(): void {
    const now = Date.now()
    if (this.oplog.trim(now)) this.#continueLater(() => this.#trim())
    this.#remove()
    this.retryableWrites.expire(now)
    this.cursors.expire(now)
  }

  #expireDocuments(): void {
    if (expireDocuments(this, Date.now())) this.#continueLater(() => this.#expireDocuments())
  }

  #continueLater(work: () => void, ms = REMOVAL_PAUSE_MS): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#runGuarded(work)
    }, ms)
    this.#timers.add(timer)
  }

  #runGuarded(work: () => void): void {
    try {
      pace.begin(Infinity)
      work()
    } catch (error) {
      // On a full disk, the housekeeping waits for free space.
      if (!isOutOfDiskSpace(error)) this.#onFault(error as Error)
    }
  }
}
