// The collections and indexes of a data directory. The rows in SQLite are the truth and the maps
// here mirror them; both change in the same transaction.
import { randomUUID } from 'node:crypto'
import { Binary, UUID } from 'bson'
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { refusal } from '../errors.ts'
import type { DiscardedTables } from './erasures.ts'
import { parseIndexSpec, type IndexSpec } from './index-keys.ts'
import type { Cell, SqliteStore } from './sqlite-store.ts'

/** A collection as its tables say it. Its `table` has one row per document, as inserted. */
export interface StoredCollection {
  readonly id: number
  readonly db: string
  readonly name: string
  readonly uuid: Uint8Array
  readonly options: Doc
  readonly table: string
  readonly indexes: readonly { id: number; table: string; spec: IndexSpec; multikey: number }[]
}

/** An index. `multikey[i]`: some document has an array at field i. */
export interface Index extends IndexSpec {
  readonly id: number
  readonly table: string
  multikey: boolean[]
  /** The index was dropped, so a cursor that is still scanning it must end. */
  dropped: boolean
  /** The index has the keys of all rows up to this one; Infinity once it is ready. */
  builtTo: number
}

export interface Collection extends Omit<StoredCollection, 'uuid' | 'indexes'> {
  readonly ns: string
  readonly uuid: Binary
  readonly indexes: Index[]
  nextRow: number
  dropped: boolean
}

type Query = <T extends readonly Cell[]>(sql: string, ...cells: Cell[]) => T[]

/** The collections that a database file has. */
export function storedCollections(rows: Query): StoredCollection[] {
  return rows<[number, string, string, Uint8Array, Uint8Array]>(
    'SELECT id, db, name, uuid, options FROM collections ORDER BY id',
  ).map(([id, db, name, uuid, options]) => ({
    ...{ id, db, name, uuid, options: Doc.read(options), table: `documents_${id}` },
    indexes: rows<[number, Uint8Array, number]>(
      'SELECT id, spec, multikey FROM indexes WHERE collection = ? AND ready = 1 ORDER BY id',
      id,
    ).map(([index, spec, multikey]) => ({
      ...{ id: index, table: `keys_${index}`, multikey },
      spec: parseIndexSpec(Doc.read(spec)),
    })),
  }))
}

const idIndex = Doc.literal({ v: 2, key: Doc.literal({ _id: 1 }), name: '_id_' })

/** No name of a database or collection has the character between them. */
const keyOf = (db: string, name: string): string => `${db}\0${name}`

export class Catalog {
  readonly #collections = new Map<string, Collection>()
  readonly #store: SqliteStore
  readonly #discarded: DiscardedTables

  /** `discarded` removes the tables of what is dropped. */
  constructor(store: SqliteStore, discarded: DiscardedTables) {
    this.#store = store
    this.#discarded = discarded
    const unfinished = store.rows<[number]>('SELECT id FROM indexes WHERE ready = 0')
    for (const [id] of unfinished) this.#forgetIndex(id)
    for (const stored of storedCollections((sql, ...cells) => store.rows(sql, ...cells)))
      this.#load(stored)
  }

  #load(stored: StoredCollection): Collection {
    const { table, db, name, uuid } = stored
    const [last] = this.#store.row<[number | null]>(`SELECT max(row) FROM ${table} `) ?? [null]
    const collection: Collection = {
      ...stored,
      ns: `${db}.${name}`,
      uuid: new Binary(uuid, Binary.SUBTYPE_UUID),
      indexes: stored.indexes.map(({ id, spec, multikey }) =>
        toIndex(id, spec, multikey, Infinity),
      ),
      nextRow: (last ?? 0) + 1,
      dropped: false,
    }
    this.#collections.set(keyOf(db, name), collection)
    return collection
  }

  find(db: string, name: string): Collection | undefined {
    return this.#collections.get(keyOf(db, name))
  }

  /** All collections, by database and name. */
  collections(): Collection[] {
    const nameOf = ({ db, name }: Collection): string => keyOf(db, name)
    return [...this.#collections.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  }

  list(db: string): Collection[] {
    return this.collections().filter((collection) => collection.db === db)
  }

  /** Creates a collection with its index on `_id`. */
  create(
    db: string,
    name: string,
    options = Doc.empty,
    uuid: Uint8Array = new UUID(randomUUID()).buffer,
  ): Collection {
    checkNamespace(db, name)
    return this.#store.atomically(() => {
      const sql = 'INSERT INTO collections (db, name, uuid, options) VALUES (?, ?, ?, ?)'
      const id = this.#store.run(sql, db, name, uuid, encode(options))
      this.#store.run(
        `CREATE TABLE documents_${id} (row INTEGER PRIMARY KEY, crc INTEGER NOT NULL, doc BLOB NOT NULL)`,
      )
      const table = `documents_${id}`
      const collection = this.#load({ id, db, name, uuid, options, table, indexes: [] })
      this.finishIndex(this.addIndex(collection, parseIndexSpec(idIndex)))
      return collection
    })
  }

  /** Adds an empty index, which is used once its keys are complete (`finishIndex`). */
  addIndex(collection: Collection, spec: IndexSpec): Index {
    const sql = 'INSERT INTO indexes (collection, spec, multikey, ready) VALUES (?, ?, 0, 0)'
    const id = this.#store.run(sql, collection.id, encode(spec.source))
    const index = toIndex(id, spec, 0, 0)
    this.#store.run(
      `CREATE TABLE ${index.table} (key BLOB NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (key, row)) WITHOUT ROWID`,
    )
    collection.indexes.push(index)
    return index
  }

  /** Makes an index usable whose keys are complete. */
  finishIndex(index: Index): void {
    this.#store.run('UPDATE indexes SET ready = 1 WHERE id = ?', index.id)
    index.builtTo = Infinity
  }

  #forgetIndex(id: number): void {
    this.#store.run('DELETE FROM indexes WHERE id = ?', id)
    this.#discarded.noteDrop()
  }

  dropIndex(collection: Collection, index: Index): void {
    this.#forgetIndex(index.id)
    index.dropped = true
    const at = collection.indexes.indexOf(index)
    if (at >= 0) collection.indexes.splice(at, 1)
  }

  /** Records that some document has an array at these fields of the index. This is never undone. */
  markMultikey(index: Index, multikey: readonly boolean[]): void {
    if (!multikey.some((flag, at) => flag && !index.multikey[at])) return
    index.multikey = index.multikey.map((flag, at) => flag || multikey[at] === true)
    const bits = index.multikey.reduce((sum, flag, at) => sum + (flag ? 2 ** at : 0), 0)
    this.#store.run('UPDATE indexes SET multikey = ? WHERE id = ?', bits, index.id)
  }

  drop(collection: Collection): void {
    this.#store.atomically(() => {
      for (const index of [...collection.indexes]) this.dropIndex(collection, index)
      this.#store.run('DELETE FROM collections WHERE id = ?', collection.id)
      this.#discarded.noteDrop()
    })
    collection.dropped = true
    this.#collections.delete(keyOf(collection.db, collection.name))
  }
}

function toIndex(id: number, spec: IndexSpec, multikey: number, builtTo: number): Index {
  const state = { id, table: `keys_${id}`, dropped: false, builtTo }
  return {
    ...spec,
    ...state,
    multikey: spec.paths.map((_, at) => Math.floor(multikey / 2 ** at) % 2 === 1),
  }
}

function checkNamespace(db: string, name: string): void {
  if (!/^[^/\\. "$\0]+$/.test(db) || Buffer.byteLength(db) > 63)
    throw refusal('InvalidNamespace', `Invalid database name: '${db}'`)
  if (!/^(?!\.|system\.)[^$\0]+(?<!\.)$/.test(name))
    throw refusal('InvalidNamespace', `Invalid collection name: '${name}'`)
  if (Buffer.byteLength(`${db}.${name}`) > 255)
    throw refusal('InvalidNamespace', `Fully qualified namespace is too long: ${db}.${name}`)
}
