// Searches everything that a database file holds in its tables, without the engine. A text that is
// longer than a page is in several places of the file, so a search of the file's bytes may miss it.
import { existsSync } from 'node:fs'
import { Doc } from '../bson/doc.ts'
import { dataFile, isDamage, openForReading } from '../storage/data-files.ts'
import { collectionsIn } from './verify.ts'

/** A table of the file, and every text or bytes in it. */
export interface SearchableTable {
  /** `collection lockstep.messages`, `index list of lockstep.messages`, `oplog`, … */
  readonly name: string
  /** Of a collection or its index: the collection's name. */
  readonly collection: string | undefined
  /** The cells. `row` tells which document of the collection an index's key belongs to. */
  cells(): Iterable<{ readonly row: number; readonly bytes: Buffer }>
}

/**
 * The tables of a data directory that no server uses; none if there are no data. `close` has to be
 * called. Throws an error whose message is for people if a server uses it.
 */
export function openTables(dataDir: string): {
  tables: SearchableTable[]
  close: () => void
} {
  const file = dataFile(dataDir)
  if (!existsSync(file)) return { tables: [], close: () => undefined }
  try {
    const db = openForReading(file)
    const known = new Map<string, { name: string; collection: string }>()
    for (const { table, db: database, name: collection, indexes } of collectionsIn(db)) {
      const ns = `${database}.${collection}`
      known.set(table, { name: `collection ${ns}`, collection })
      for (const { table: keys, spec } of indexes)
        known.set(keys, { name: `index ${spec.name} of ${ns}`, collection })
    }
    const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
    const tables = names
      .map(({ name }) => String(name))
      .map((table) => ({
        name: known.get(table)?.name ?? table,
        collection: known.get(table)?.collection,
        *cells() {
          for (const cells of db.prepare(`SELECT * FROM ${table}`).iterate())
            for (const cell of Object.values(cells))
              if (typeof cell === 'string' || cell instanceof Uint8Array)
                yield { row: Number(cells.row ?? -1), bytes: toBuffer(cell) }
        },
      }))
    return { tables, close: () => db.close() }
  } catch (error) {
    if (isDamage(error)) throw new Error(`The data in ${dataDir} are damaged`, { cause: error })
    throw error
  }
}

/** A string field of a document as a table stores it. */
export function stringField(document: Buffer, field: string): string | undefined {
  const value = Doc.read(document).get(field)
  return typeof value === 'string' ? value : undefined
}

const toBuffer = (cell: string | Uint8Array): Buffer =>
  typeof cell === 'string'
    ? Buffer.from(cell)
    : Buffer.from(cell.buffer, cell.byteOffset, cell.length)
