// Writes documents together with their index keys. Everything that can refuse a write (uniqueness,
// parallel arrays) is checked before the first row changes.
import { crc32 } from 'node:zlib'
import { deserialize, EJSON } from 'bson'
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { refusal } from '../errors.ts'
import { pace } from '../pace.ts'
import type { Catalog, Collection, Index } from './catalog.ts'
import { keySetOf, type IndexKey, type KeySet } from './index-keys.ts'
import type { SqliteStore } from './sqlite-store.ts'

/** A stored document: its row, its checksum, its bytes. */
export type StoredDocument = [row: number, checksum: number | null, bytes: Uint8Array]

/** The indexes that have keys of a row: an index that is being built has those of some rows. */
function indexesOf(collection: Collection, row: number): Index[] {
  return collection.indexes.filter(({ builtTo }) => row <= builtTo)
}

/** How much of a collection is read at once: a portion may have documents of 16 MB. */
const CHUNK_BYTES = 1024 * 1024

/** The documents of all collections. */
export class Documents {
  readonly #store: SqliteStore
  readonly #catalog: Catalog

  constructor(store: SqliteStore, catalog: Catalog) {
    this.#store = store
    this.#catalog = catalog
  }

  /** Inserts a document. If it throws a duplicate-key error, nothing has changed. */
  insert(collection: Collection, doc: Doc, bytes: Uint8Array): void {
    const row = collection.nextRow
    const keySets = indexesOf(collection, row).map(
      (index) => [index, keySetOf(index, doc)] as const,
    )
    for (const [index, { keys }] of keySets) this.#checkUnique(collection, index, keys, undefined)
    this.#store.run(
      `INSERT INTO ${collection.table} (row, crc, doc) VALUES (?, ?, ?)`,
      row,
      crc32(bytes),
      bytes,
    )
    for (const [index, set] of keySets) this.#addKeys(index, set, set.keys, row)
    collection.nextRow = row + 1
  }

  /** Replaces the document of a row. Only the keys that differ are written. */
  replace(collection: Collection, row: number, before: Doc, after: Doc, bytes: Uint8Array): void {
    const changes = indexesOf(collection, row).map((index) => {
      const [old, now] = [keySetOf(index, before), keySetOf(index, after)]
      return {
        index,
        now,
        removed: difference(old.keys, now.keys),
        added: difference(now.keys, old.keys),
      }
    })
    for (const { index, added } of changes) this.#checkUnique(collection, index, added, row)
    this.#store.run(
      `UPDATE ${collection.table} SET doc = ?, crc = ? WHERE row = ?`,
      bytes,
      crc32(bytes),
      row,
    )
    for (const { index, now, removed, added } of changes) {
      for (const key of removed)
        this.#store.run(`DELETE FROM ${index.table} WHERE key = ? AND row = ?`, key.bytes, row)
      this.#addKeys(index, now, added, row)
    }
  }

  /** Deletes a row and its keys. */
  delete(collection: Collection, row: number, doc: Doc): void {
    for (const index of indexesOf(collection, row)) {
      for (const key of keySetOf(index, doc).keys) {
        this.#store.run(`DELETE FROM ${index.table} WHERE key = ? AND row = ?`, key.bytes, row)
      }
    }
    this.#store.run(`DELETE FROM ${collection.table} WHERE row = ?`, row)
  }

  /**
   * Adds the keys of all existing documents to a new index, in portions between which others have
   * a turn. Throws a duplicate-key error if they are not unique.
   */
  async build(collection: Collection, index: Index): Promise<void> {
    for (;;) {
      if (index.dropped) throw refusal('IndexNotFound', 'the index was dropped while it was built')
      const { rows } = this.#store.rowsWithin<StoredDocument>(
        CHUNK_BYTES,
        `SELECT row, crc, doc FROM ${collection.table} WHERE row > ? ORDER BY row LIMIT 100`,
        index.builtTo,
      )
      if (rows.length === 0) return
      for (const stored of rows) {
        const [row] = stored
        const set = keySetOf(index, Doc.read(this.read(collection, stored)))
        this.#checkUnique(collection, index, set.keys, row)
        this.#addKeys(index, set, set.keys, row)
        index.builtTo = row
      }
      if (pace.isDue) await pace.rest()
    }
  }

  /** The bytes of a stored document. Throws if they aren't what was written. */
  read(collection: Collection, [, checksum, bytes]: StoredDocument): Uint8Array {
    return this.#store.checked(bytes, checksum, `A document of ${collection.ns}`)
  }

  /** The document of a row; undefined if there is none any more. */
  find(collection: Collection, row: number): Uint8Array | undefined {
    const found = this.#store.row<StoredDocument>(
      `SELECT row, crc, doc FROM ${collection.table} WHERE row = ?`,
      row,
    )
    return found && this.read(collection, found)
  }

  /** The number of documents. They are counted in portions. */
  async count(collection: Collection): Promise<number> {
    const { table } = collection.indexes[0]!
    let [count, last]: [number, Uint8Array | null] = [0, Buffer.alloc(0)]
    while (last) {
      const [more, next]: [number, Uint8Array | null] = this.#store.row<
        [number, Uint8Array | null]
      >(
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

  #checkUnique(
    collection: Collection,
    index: Index,
    keys: readonly IndexKey[],
    ownRow: number | undefined,
  ): void {
    if (!index.unique) return
    for (const key of keys) {
      const taken = this.#store.row(
        `SELECT row FROM ${index.table} WHERE key = ? AND row <> ? LIMIT 1`,
        key.bytes,
        ownRow ?? -1,
      )
      if (taken) throw duplicateKey(collection, index, key)
    }
  }
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
