// Reads a database file without the engine, for checking and repairing it.
import type { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { Doc } from '../bson/doc.ts'
import { isDamage } from '../storage/data-files.ts'
import { parseIndexSpec, type IndexSpec } from '../storage/index-spec.ts'

/** A collection in a file, with the names of its tables. */
export interface StoredCollection {
  readonly db: string
  readonly name: string
  readonly uuid: Uint8Array
  readonly options: Doc
  readonly table: string
  readonly indexes: readonly { readonly table: string; readonly spec: IndexSpec }[]
}

/** A row of a collection: its document, or the damage that hides the document. */
export interface StoredRow {
  readonly row: number
  readonly bytes: Uint8Array | undefined
}

export function storedCollections(db: DatabaseSync): StoredCollection[] {
  const rows = db.prepare('SELECT id, db, name, uuid, options FROM collections ORDER BY id').all()
  return rows.map(({ id, db: database, name, uuid, options }) => ({
    db: String(database),
    name: String(name),
    uuid: uuid as Uint8Array,
    options: Doc.read(options as Uint8Array),
    table: `documents_${Number(id)}`,
    indexes: db
      .prepare('SELECT id, spec FROM indexes WHERE collection = ? AND ready = 1 ORDER BY id')
      .all(Number(id))
      .map((index) => ({
        table: `keys_${Number(index.id)}`,
        spec: parseIndexSpec(Doc.read(index.spec as Uint8Array)),
      })),
  }))
}

/** All rows of a collection that can be found, whole or not. */
export function* storedRows(db: DatabaseSync, { table }: StoredCollection): Generator<StoredRow> {
  const next = db.prepare(`SELECT row, crc, doc FROM ${table} WHERE row > ? ORDER BY row LIMIT 1`)
  const last = lastRow(db, table)
  for (let at = -1, skip = 1; at < last;) {
    let found
    try {
      found = next.get(at)
      skip = 1
    } catch (error) {
      if (!isDamage(error)) throw error
      // SQLite can't read this page of the file. The next rows may be on another page.
      yield { row: at + 1, bytes: undefined }
      at += skip
      skip *= 2
      continue
    }
    if (!found) return
    at = Number(found.row)
    const bytes = found.doc as Uint8Array
    yield { row: at, bytes: crc32(bytes) === found.crc ? bytes : undefined }
  }
}

function lastRow(db: DatabaseSync, table: string): number {
  try {
    return Number(db.prepare(`SELECT max(row) AS row FROM ${table}`).get()?.row ?? -1)
  } catch (error) {
    if (!isDamage(error)) throw error
    return 2 ** 32
  }
}
