// The database behind the wire: everything that lives in one data directory, and its housekeeping.
import { ObjectId } from 'bson'
import { Cursors } from './cursors/cursors.ts'
import { expireDocuments } from './storage/ttl.ts'
import { FailPoints } from './commands/fail-points.ts'
import type { Parameters } from './parameters.ts'
import { Oplog } from './oplog/oplog.ts'
import { Sessions } from './session/retryable.ts'
import { Catalog, type Collection } from './storage/catalog.ts'
import { Documents } from './storage/documents.ts'
import { Store } from './storage/store.ts'
import { Writer } from './storage/writer.ts'

/** One open data directory. */
export class Engine {
  readonly parameters: Parameters
  readonly store: Store
  readonly oplog: Oplog
  readonly catalog: Catalog
  readonly documents: Documents
  readonly writer: Writer
  readonly sessions: Sessions
  readonly cursors: Cursors
  readonly failPoints = new FailPoints()
  /** Tells drivers this run of the server from another at the same address. */
  readonly processId = new ObjectId()
  readonly startedAt = Date.now()
  readonly #timers: Set<NodeJS.Timeout>
  readonly #onFault: (error: Error) => void

  /** Opens the data; throws when another process holds it. */
  constructor(dataDir: string, parameters: Parameters, onFault: (error: Error) => void) {
    this.parameters = parameters
    this.#onFault = onFault
    this.store = new Store(dataDir, onFault)
    this.oplog = new Oplog(this.store, {
      maxAgeMs: parameters.oplogMaxAgeMs,
      maxBytes: parameters.oplogMaxBytes,
    })
    this.catalog = new Catalog(this.store)
    this.documents = new Documents(this.store, this.catalog)
    this.writer = new Writer(this.store, this.catalog, this.documents, this.oplog)
    this.sessions = new Sessions(this.store)
    this.cursors = new Cursors()
    const every = (ms: number, work: () => void): NodeJS.Timeout =>
      setInterval(() => guarded(work, onFault), ms)
    this.#timers = new Set([
      every(parameters.ttlSweepMs, () => this.#sweep()),
      every(parameters.trimMs, () => this.#trim()),
      every(parameters.idleBeatMs, () => this.oplog.beat()),
    ])
  }

  #trim(): void {
    const now = Date.now()
    // A piece at a time: what waits for an answer goes in between.
    if (this.oplog.trim(now)) this.#later(() => this.#trim())
    this.sessions.expire(now)
    this.cursors.expire(now)
  }

  #later(work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      guarded(work, this.#onFault)
    }, 20)
    this.#timers.add(timer)
  }

  #sweep(): void {
    if (expireDocuments(this, Date.now())) this.#later(() => this.#sweep())
  }

  /** The collection, made when it is not there yet. */
  collection(db: string, name: string): Collection {
    return this.catalog.find(db, name) ?? this.catalog.create(db, name)
  }

  /** Ends what waits, commits what is open and closes the files. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.store.close()
  }
}

function guarded(work: () => void, onFault: (error: Error) => void): void {
  try {
    work()
  } catch (error) {
    onFault(error as Error)
  }
}
