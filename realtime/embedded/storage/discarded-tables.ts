// The tables of dropped collections and indexes. SQLite would drop a large one in a single step, in
// which nobody else has a turn. Therefore its rows are removed before it, in portions. A table is
// discarded if the catalog doesn't name it, so a drop that is undone leaves nothing to undo here,
// and a killed server continues when it starts again.
import { pace } from '../pace.ts'
import type { SqliteStore } from './sqlite-store.ts'

const ROWS_PER_STATEMENT = 20

const nextDiscarded = `
  SELECT t.name FROM sqlite_schema t WHERE t.type = 'table' AND (
    t.name GLOB 'documents_*' AND substr(t.name, 11) NOT IN (SELECT CAST(id AS TEXT) FROM collections)
    OR t.name GLOB 'keys_*' AND substr(t.name, 6) NOT IN (SELECT CAST(id AS TEXT) FROM indexes))
  LIMIT 1`

/** The discarded tables of one data directory. */
export class DiscardedTables {
  readonly #store: SqliteStore
  readonly #onNew: () => void
  /** Whether there may be one. */
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
