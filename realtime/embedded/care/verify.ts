// Checks everything that is stored: SQLite's own structure, the checksums, and whether the indexes
// have the keys of their documents.
import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { Doc } from '../bson/doc.ts'
import { storedCollections, type StoredCollection } from '../storage/catalog.ts'
import { checkDataFiles, dataFile, isDamage, openForReading } from '../storage/data-files.ts'
import { keySetOf } from '../storage/index-keys.ts'

/** What a check has found. Without faults, everything is whole. */
export interface Verification {
  readonly documents: number
  readonly faults: readonly string[]
}

const MAX_FAULTS = 1000

/**
 * Checks a data directory that no server uses, or a backup file. Changes nothing. Throws an error
 * whose message is for people if the data can't be opened.
 */
export function verifyData(path: string): Verification {
  const isDirectory = statSync(path).isDirectory()
  const faults: string[] = []
  let documents = 0
  let db: DatabaseSync | undefined
  try {
    if (isDirectory) checkDataFiles(path)
    db = openForReading(isDirectory ? dataFile(path) : path)
    for (const { integrity_check: line } of db.prepare('PRAGMA integrity_check(100)').all())
      if (line !== 'ok') faults.push(String(line))
    for (const collection of collectionsIn(db))
      documents += verifyCollection(db, collection, faults)
    verifyOplog(db, faults)
  } catch (error) {
    if (!isDamage(error)) throw error
    faults.push(String((error as Error).message))
  } finally {
    db?.close()
  }
  return { documents, faults: faults.slice(0, MAX_FAULTS) }
}

function verifyCollection(
  db: DatabaseSync,
  collection: StoredCollection,
  faults: string[],
): number {
  const ns = `${collection.db}.${collection.name}`
  let documents = 0
  const indexes = collection.indexes.map(({ table, spec }) => ({
    spec,
    keys: 0,
    table,
    find: db.prepare(`SELECT 1 FROM ${table} WHERE key = ? AND row = ?`),
  }))
  for (const { row, bytes } of storedRows(db, collection)) {
    if (!bytes) {
      faults.push(`${ns}: the document in row ${row} is damaged`)
      continue
    }
    documents++
    for (const index of indexes) {
      for (const key of keySetOf(index.spec, Doc.read(bytes)).keys) {
        index.keys++
        if (!index.find.get(key.bytes, row))
          faults.push(`${ns}: the index ${index.spec.name} lacks a key of row ${row}`)
      }
    }
  }
  for (const { table, keys, spec } of indexes) {
    const stored = Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n)
    if (stored !== keys)
      faults.push(`${ns}: the index ${spec.name} has ${stored} keys instead of ${keys}`)
  }
  return documents
}

function verifyOplog(db: DatabaseSync, faults: string[]): void {
  for (const { ts, body, crc } of db.prepare('SELECT ts, body, crc FROM oplog').iterate())
    if (body !== null && crc32(body as Uint8Array) !== crc)
      faults.push(`the oplog entry ${Number(ts)} is damaged`)
}

/** A row of a collection: its document, or the damage that hides the document. */
interface StoredRow {
  readonly row: number
  readonly bytes: Uint8Array | undefined
}

/** The collections of a file, which is read without the engine. */
export function collectionsIn(db: DatabaseSync): StoredCollection[] {
  return storedCollections((sql, ...cells) => {
    const statement = db.prepare(sql)
    statement.setReturnArrays(true)
    // Assertion: each row is an array of cells now, which the types of Node don't say.
    return statement.all(...cells) as never[]
  })
}

/** All rows of a collection that can be found, whole or not. */
export function* storedRows(db: DatabaseSync, { table }: StoredCollection): Generator<StoredRow> {
  const next = db.prepare(`SELECT row, crc, doc FROM ${table} WHERE row > ? ORDER BY row LIMIT 1`)
  const last = greatest(db, 'row', table, 2 ** 32)
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

/** The greatest number of a column. `otherwise`: the column can't be read. */
export function greatest(db: DatabaseSync, column: string, table: string, otherwise = 0): number {
  try {
    return Number(db.prepare(`SELECT max(${column}) AS n FROM ${table}`).get()?.n ?? 0)
  } catch (error) {
    if (!isDamage(error)) throw error
    return otherwise
  }
}
