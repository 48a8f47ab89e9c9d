// Writes documents together with their index keys. Everything that can refuse a write (uniqueness,
// parallel arrays) is checked before the first row changes.
import { ObjectId } from 'bson'
import { decode, typeOf, type Doc } from '../bson/codec.ts'
import { refusal } from '../errors.ts'
import { compileFilter, type Matcher } from '../query/match.ts'
import type { Catalog, Collection, Index } from './catalog.ts'
import { keysOf, type IndexKey, type KeySet } from './index-keys.ts'
import type { SqliteStore } from './sqlite-store.ts'

const noKeys: KeySet = { keys: [], multikey: [] }

/** The documents of all collections. */
export class Documents {
  readonly #store: SqliteStore
  readonly #catalog: Catalog
  readonly #partialMatchers = new WeakMap<object, Matcher>()

  constructor(store: SqliteStore, catalog: Catalog) {
    this.#store = store
    this.#catalog = catalog
  }

  /** Inserts a document. If it throws a duplicate-key error, nothing has changed. */
  insert(collection: Collection, doc: Doc, bytes: Uint8Array): void {
    const keySets = collection.indexes.map((index) => [index, this.#keySet(index, doc)] as const)
    for (const [index, { keys }] of keySets) this.#checkUnique(collection, index, keys, undefined)
    const row = collection.nextRow
    this.#store.run(`INSERT INTO ${collection.table} (row, doc) VALUES (?, ?)`, row, bytes)
    for (const [index, set] of keySets) this.#addKeys(index, set, set.keys, row)
    collection.nextRow = row + 1
    if (collection.count !== undefined) collection.count++
  }

  /** Replaces the document of a row. Only the keys that differ are written. */
  replace(collection: Collection, row: number, before: Doc, after: Doc, bytes: Uint8Array): void {
    const changes = collection.indexes.map((index) => {
      const [old, now] = [this.#keySet(index, before), this.#keySet(index, after)]
      return {
        index,
        now,
        removed: difference(old.keys, now.keys),
        added: difference(now.keys, old.keys),
      }
    })
    for (const { index, added } of changes) this.#checkUnique(collection, index, added, row)
    this.#store.run(`UPDATE ${collection.table} SET doc = ? WHERE row = ?`, bytes, row)
    for (const { index, now, removed, added } of changes) {
      for (const key of removed)
        this.#store.run(`DELETE FROM ${index.table} WHERE key = ? AND row = ?`, key.bytes, row)
      this.#addKeys(index, now, added, row)
    }
  }

  /** Deletes a row and its keys. */
  delete(collection: Collection, row: number, doc: Doc): void {
    for (const index of collection.indexes) {
      for (const key of this.#keySet(index, doc).keys) {
        this.#store.run(`DELETE FROM ${index.table} WHERE key = ? AND row = ?`, key.bytes, row)
      }
    }
    this.#store.run(`DELETE FROM ${collection.table} WHERE row = ?`, row)
    if (collection.count !== undefined) collection.count--
  }

  /**
   * Adds the keys of all existing documents to a new index. Throws a duplicate-key error if they
   * are not unique.
   */
  build(collection: Collection, index: Index): void {
    let last = -1
    for (;;) {
      const rows = this.#store.rows<[number, Uint8Array]>(
        `SELECT row, doc FROM ${collection.table} WHERE row > ? ORDER BY row LIMIT 500`,
        last,
      )
      if (rows.length === 0) return
      for (const [row, bytes] of rows) {
        const set = this.#keySet(index, decode(bytes))
        this.#checkUnique(collection, index, set.keys, row)
        this.#addKeys(index, set, set.keys, row)
        last = row
      }
    }
  }

  /** The number of documents. It is counted once and then kept up to date. */
  count(collection: Collection): number {
    collection.count ??= this.#store.row<[number]>(`SELECT count(*) FROM ${collection.table} `)![0]
    return collection.count
  }

  #keySet(index: Index, doc: Doc): KeySet {
    if (index.partial && !this.#partialMatcher(index)(doc)) return noKeys
    const set = keysOf(doc, index)
    return index.sparse && set.keys.every((key) => key.values.every((value) => value === undefined))
      ? noKeys
      : set
  }

  #partialMatcher(index: Index): Matcher {
    let matcher = this.#partialMatchers.get(index)
    if (!matcher) this.#partialMatchers.set(index, (matcher = compileFilter(index.partial!)))
    return matcher
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
  const keyValue = Object.fromEntries(
    index.fields.map((field, at) => [field, plain(key.values[at])]),
  )
  const shown = Object.entries(keyValue).map(([field, value]) => `${field}: ${show(value)}`)
  return refusal(
    'DuplicateKey',
    `E11000 duplicate key error collection: ${collection.ns} index: ${index.name} dup key: { ${shown.join(', ')} }`,
    { keyPattern: index.keyPattern, keyValue },
  )
}

function plain(value: unknown): unknown {
  return value === undefined || typeof value === 'symbol' ? null : value
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof ObjectId) return `ObjectId('${value.toHexString()}')`
  if (value instanceof Date) return `new Date(${value.getTime()})`
  switch (typeOf(value)) {
    case 'object':
      return `{ ${Object.entries(value as Doc)
        .map(([name, field]) => `${name}: ${show(field)}`)
        .join(', ')} }`
    case 'array':
      return `[ ${(value as unknown[]).map(show).join(', ')} ]`
    default:
      return String(value)
  }
}
