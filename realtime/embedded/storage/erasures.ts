// Removes from the files what they still hold of deleted and replaced content: the oplog's entries
// up to a moment, the write-ahead log, and unused bytes. A request is stored, so that a killed
// server continues when it starts again.
import type { Oplog } from '../oplog/oplog.ts'
import type { SqliteStore } from './sqlite-store.ts'

/** The erasures of one data directory. */
export class Erasures {
  readonly #store: SqliteStore
  readonly #oplog: Oplog
  /** Everything before this time is to be erased. */
  #upTo: number | undefined

  constructor(store: SqliteStore, oplog: Oplog) {
    this.#store = store
    this.#oplog = oplog
    // This table isn't part of the format: an older server works without it and with it.
    const isNew = !store.row("SELECT 1 FROM sqlite_schema WHERE name = 'erasures'")
    if (isNew) {
      store.run('CREATE TABLE erasures (id INTEGER PRIMARY KEY, ts INTEGER NOT NULL)')
      if (store.row('SELECT 1 FROM collections')) this.request()
    }
    this.#upTo = store.row<[number]>('SELECT ts FROM erasures')?.[0]
  }

  get isPending(): boolean {
    return this.#upTo !== undefined
  }

  /** Erases everything that has been deleted or replaced until now, soon. */
  request(): void {
    // The first entry that remains. A stream that has seen everything before it can go on.
    this.#oplog.append('n')
    this.#upTo = this.#oplog.now
    this.#store.run('INSERT OR REPLACE INTO erasures VALUES (0, ?)', this.#upTo)
  }

  /** Does a part of what is pending. Returns whether more of it can be done now. */
  advance(): boolean {
    const upTo = this.#upTo
    if (upTo === undefined) return false
    if (this.#oplog.forget(upTo)) return true
    this.#store.onDurable(() => {
      if (!this.#store.checkpoint() || this.#upTo !== upTo) return
      this.#upTo = undefined
      this.#store.run('DELETE FROM erasures')
    })
    return false
  }
}
