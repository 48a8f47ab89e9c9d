// All changes of data go through this file. A document, its index keys and its oplog entry change
// together or not at all. Everything that can refuse a write (uniqueness, parallel arrays) is
// checked before the first row changes.
import { crc32 } from 'node:zlib'
import { deserialize, EJSON, ObjectId } from 'bson'
import { checkBson, Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { refusal } from '../errors.ts'
import type { Oplog, OplogOperation } from '../oplog/oplog.ts'
import { pace } from '../pace.ts'
import { checkId, MAX_DOCUMENT_BYTES, type UpdatedDocument } from '../update/update.ts'
import type { Catalog, Collection, Index } from './catalog.ts'
import { keySetOf, noKeys, type IndexKey, type KeySet } from './index-keys.ts'
import type { Cell, SqliteStore } from './sqlite-store.ts'

/** A stored document and the number of its row. */
export interface StoredRow {
  readonly row: number
  readonly bytes: Uint8Array
}

/** The indexes that have keys of a row: an index that is being built has those of some rows. */
function indexesOf(collection: Collection, row: number): Index[] {
  return collection.indexes.filter(({ builtTo }) => row <= builtTo)
}

/** How deeply a stored document may be nested. */
const MAX_STORED_DEPTH = 180

const CHUNK_BYTES = 1024 * 1024

/** How many keys there are in a portion, and the last one. */
type Counted = [number, Uint8Array | null]

export class Documents {
  readonly #store: SqliteStore
  readonly #catalog: Catalog
  readonly #oplog: Oplog

  constructor(store: SqliteStore, catalog: Catalog, oplog: Oplog) {
    this.#store = store
    this.#catalog = catalog
    this.#oplog = oplog
  }

  /** Runs `work` completely or not at all, including its oplog entries. */
  atomically<T>(work: () => T): T {
    return this.#oplog.atomically(work)
  }

  /** Inserts a document. One without `_id` gets one, and `_id` becomes the first field. */
  insert(collection: Collection, given: Doc): void {
    const doc = given.withIdFirst(() => new ObjectId())
    const bytes = encode(doc)
    if (bytes.length > MAX_DOCUMENT_BYTES)
      throw refusal('BSONObjectTooLarge', `object to insert too large: ${bytes.length} bytes`)
    const id = doc.get('_id')
    checkId(id)
    checkDepth(bytes)
    this.atomically(() => {
      this.insertStored(collection, doc, bytes)
      this.#log('i', collection, id, bytes)
    })
  }

  update(collection: Collection, row: number, before: Doc, updated: UpdatedDocument): void {
    const { doc, bytes, description } = updated
    checkDepth(bytes)
    const sql = `UPDATE ${collection.table} SET doc = ?, crc = ? WHERE row = ?`
    this.atomically(() => {
      this.#write(collection, row, before, doc, () =>
        this.#store.run(sql, bytes, crc32(bytes), row),
      )
      const body = description ? encode(description) : bytes
      this.#log(description ? 'u' : 'r', collection, doc.get('_id'), body)
    })
  }

  delete(collection: Collection, row: number, bytes: Uint8Array): void {
    const doc = Doc.read(bytes)
    this.atomically(() => {
      this.#write(collection, row, doc, undefined, () =>
        this.#store.run(`DELETE FROM ${collection.table} WHERE row = ?`, row),
      )
      this.#log('d', collection, doc.get('_id'), null)
    })
  }

  drop(collection: Collection): void {
    this.atomically(() => {
      this.#catalog.drop(collection)
      this.#oplog.append('drop', placeOf(collection))
    })
  }

  dropDatabase(db: string): void {
    const collections = this.#catalog.list(db)
    if (collections.length === 0) return
    for (const collection of collections) this.drop(collection)
    this.atomically(() => this.#oplog.append('dropDatabase', { db }))
  }

  #log(op: OplogOperation, collection: Collection, id: unknown, body: Uint8Array | null): void {
    this.#oplog.append(op, { ...placeOf(collection), key: encode({ _id: id }), body })
  }

  /** Inserts a document without an entry in the oplog. If it throws, nothing has changed. */
  insertStored(collection: Collection, doc: Doc, bytes: Uint8Array): void {
    const row = collection.nextRow
    const sql = `INSERT INTO ${collection.table} (row, crc, doc) VALUES (?, ?, ?)`
    this.#write(collection, row, undefined, doc, () =>
      this.#store.run(sql, row, crc32(bytes), bytes),
    )
    collection.nextRow = row + 1
  }

  /** Writes a row. Rewrites only the keys that differ from the stored ones. */
  #write(
    collection: Collection,
    row: number,
    before: Doc | undefined,
    after: Doc | undefined,
    writeRow: () => void,
  ): void {
    const changes = indexesOf(collection, row).map((index) => {
      const old = before ? keySetOf(index, before) : noKeys
      const now = after ? keySetOf(index, after) : noKeys
      const removed = difference(old.keys, now.keys)
      return { index, now, removed, added: difference(now.keys, old.keys) }
    })
    for (const { index, added } of changes) this.#checkUnique(collection, index, added, row)
    writeRow()
    for (const { index, now, removed, added } of changes) {
      for (const key of removed)
        this.#store.run(`DELETE FROM ${index.table} WHERE key = ? AND row = ?`, key.bytes, row)
      this.#addKeys(index, now, added, row)
    }
  }

  /** Adds the keys of all documents to a new index, in portions. They may not be unique. */
  async build(collection: Collection, index: Index): Promise<void> {
    for (;;) {
      if (index.dropped) throw refusal('IndexNotFound', 'the index was dropped while it was built')
      const { table } = collection
      const sql = `SELECT NULL, row, crc, doc FROM ${table} WHERE row > ? ORDER BY row LIMIT 100`
      const { rows } = this.rows(collection, sql, index.builtTo)
      if (rows.length === 0) return
      for (const { row, bytes } of rows) {
        const set = keySetOf(index, Doc.read(bytes))
        this.#checkUnique(collection, index, set.keys, row)
        this.#addKeys(index, set, set.keys, row)
        index.builtTo = row
      }
      if (pace.isDue) await pace.rest()
    }
  }

  /**
   * The rows of a statement that selects a key, the row, the checksum and the document: about a
   * megabyte, and at least one. `ended`: there are no others. Throws if a document isn't what was
   * written.
   */
  rows(
    { ns }: Collection,
    sql: string,
    ...cells: Cell[]
  ): { rows: (StoredRow & { key: Uint8Array | null })[]; ended: boolean } {
    const { rows, ended } = this.#store.rowsWithin<
      [Uint8Array | null, number, number | null, Uint8Array]
    >(CHUNK_BYTES, sql, ...cells)
    return {
      rows: rows.map(([key, row, checksum, bytes]) => ({
        key,
        row,
        bytes: this.#store.checked(bytes, checksum, `A document of ${ns}`),
      })),
      ended,
    }
  }

  find(collection: Collection, row: number): Uint8Array | undefined {
    const sql = `SELECT NULL, row, crc, doc FROM ${collection.table} WHERE row = ?`
    return this.rows(collection, sql, row).rows[0]?.bytes
  }

  /** The number of documents. They are counted in portions. */
  async count(collection: Collection): Promise<number> {
    const { table } = collection.indexes[0]!
    let [count, last]: Counted = [0, Buffer.alloc(0)]
    while (last) {
      const [more, next]: Counted = this.#store.row<Counted>(
        `SELECT count(*), max(key) FROM (SELECT key FROM ${table} WHERE key > ? ORDER BY key LIMIT 10000)`,
        last,
      )!
      count += more
      last = next
      if (pace.isDue) await pace.rest()
    }
    return count
  }

  #addKeys(index: Index, set: KeySet, keys: readonly IndexKey[], row: number): void {
    for (const key of keys)
      this.#store.run(`INSERT INTO ${index.table} (key, row) VALUES (?, ?)`, key.bytes, row)
    this.#catalog.markMultikey(index, set.multikey)
  }

  #checkUnique(collection: Collection, index: Index, keys: readonly IndexKey[], row: number): void {
    if (!index.unique) return
    for (const key of keys) {
      const sql = `SELECT row FROM ${index.table} WHERE key = ? AND row <> ? LIMIT 1`
      if (this.#store.row(sql, key.bytes, row)) throw duplicateKey(collection, index, key)
    }
  }
}

function placeOf({ db, name, uuid }: Collection): { db: string; coll: string; uuid: Uint8Array } {
  return { db, coll: name, uuid: uuid.buffer }
}

function checkDepth(bytes: Uint8Array): void {
  if (checkBson(bytes) > MAX_STORED_DEPTH)
    throw refusal('Overflow', `Document exceeds maximum nesting depth of ${MAX_STORED_DEPTH}`)
}

function difference(keys: readonly IndexKey[], others: readonly IndexKey[]): IndexKey[] {
  return keys.filter((key) => !others.some((other) => other.bytes.equals(key.bytes)))
}

function duplicateKey(collection: Collection, index: Index, key: IndexKey): Error {
  const plain = (value: unknown): unknown => (typeof value === 'symbol' ? null : (value ?? null))
  const values = index.fields.map((field, at) => [field, plain(key.values[at])] as const)
  const show = (value: unknown): string =>
    EJSON.stringify((deserialize(encode({ value })) as { value: unknown }).value)
  const shown = values.map(([field, value]) => `${field}: ${show(value)}`)
  return refusal(
    'DuplicateKey',
    `E11000 duplicate key error collection: ${collection.ns} index: ${index.name} dup key: { ${shown.join(', ')} }`,
    { keyPattern: index.keyPattern, keyValue: Doc.of(values) },
  )
}
