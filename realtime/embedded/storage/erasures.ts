// Removes from the files what they still hold of deleted and replaced content: the oplog's entries
// up to a moment, the write-ahead log, and unused bytes. A request is stored, so that a killed
// server continues when it starts again.
import type { Oplog } from '../oplog/oplog.ts'
import { pace } from '../pace.ts'
import type { SqliteStore } from './sqlite-store.ts'

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

const ROWS_PER_STATEMENT = 20

const nextDiscarded = `
  SELECT t.name FROM sqlite_schema t WHERE t.type = 'table' AND (
    t.name GLOB 'documents_*' AND substr(t.name, 11) NOT IN (SELECT CAST(id AS TEXT) FROM collections)
    OR t.name GLOB 'keys_*' AND substr(t.name, 6) NOT IN (SELECT CAST(id AS TEXT) FROM indexes))
  LIMIT 1`

/**
 * The tables of dropped collections and indexes. SQLite would drop a large one in a single step, in
 * which nobody else has a turn, so its rows are removed before it, in portions. A table is
 * discarded if the catalog doesn't name it: a drop that is undone leaves nothing to undo here, and
 * a killed server continues when it starts again.
 */
export class DiscardedTables {
  readonly #store: SqliteStore
  readonly #onNew: () => void
  #mayExist = true

  /** `onNew` is called when there is a table to remove (`advance`) after there was none. */
  constructor(store: SqliteStore, onNew: () => void) {
    this.#store = store
    this.#onNew = onNew
  }

  /** To be called when the catalog has forgotten a table. */
  noteDrop(): void {
    if (!this.#mayExist) this.#onNew()
    this.#mayExist = true
  }

  /** Removes tables for as long as a command may work at a time. Returns whether there are more. */
  advance(): boolean {
    do {
      const table = this.#next()
      if (table === undefined) return false
      if (this.#store.row(`SELECT 1 FROM ${table} LIMIT 1`)) this.#removeRows(table)
      else this.#store.run(`DROP TABLE ${table}`)
    } while (!pace.isDue)
    return true
  }

  /** Removes all tables at once, when nobody waits for a turn any more. */
  finish(): void {
    for (let table = this.#next(); table !== undefined; table = this.#next())
      this.#store.run(`DROP TABLE ${table}`)
  }

  #next(): string | undefined {
    if (!this.#mayExist) return undefined
    const [name] = this.#store.row<[string]>(nextDiscarded) ?? []
    this.#mayExist = name !== undefined
    return name
  }

  #removeRows(table: string): void {
    const columns = table.startsWith('keys_') ? 'key, row' : 'row'
    this.#store.run(
      `DELETE FROM ${table} WHERE (${columns}) IN (SELECT ${columns} FROM ${table} LIMIT ${ROWS_PER_STATEMENT})`,
    )
  }
}
