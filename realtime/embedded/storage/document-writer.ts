// All changes of data go through this file. A document, its index keys and its oplog entry change
// together or not at all.
import { ObjectId } from 'bson'
import { decode, encode, firstFieldName, type Doc } from '../bson/codec.ts'
import { refusal } from '../errors.ts'
import type { Oplog, OplogOperation } from '../oplog/oplog.ts'
import { checkId, MAX_DOCUMENT_BYTES, type UpdatedDocument } from '../update/update.ts'
import type { Catalog, Collection } from './catalog.ts'
import type { Documents } from './documents.ts'
import type { SqliteStore } from './sqlite-store.ts'

/** Changes documents and collections, and records the changes in the oplog. */
export class DocumentWriter {
  readonly #store: SqliteStore
  readonly #catalog: Catalog
  readonly #documents: Documents
  readonly #oplog: Oplog

  constructor(store: SqliteStore, catalog: Catalog, documents: Documents, oplog: Oplog) {
    this.#store = store
    this.#catalog = catalog
    this.#documents = documents
    this.#oplog = oplog
  }

  /** Runs `work` completely or not at all, including its oplog entries. */
  atomically<T>(work: () => T): T {
    const mark = this.#oplog.uncommittedLength
    try {
      return this.#store.atomically(work)
    } catch (error) {
      this.#oplog.truncateUncommitted(mark)
      throw error
    }
  }

  /**
   * Inserts a document as it came over the wire. A document without `_id` gets one as its first
   * field.
   */
  insert(collection: Collection, given: Uint8Array): void {
    let doc = decode(given)
    let bytes = given
    if (firstFieldName(given) !== '_id') {
      const { _id: id = new ObjectId(), ...rest } = doc
      doc = { _id: id, ...rest }
      bytes = encode(doc)
    }
    this.insertDoc(collection, doc, bytes)
  }

  /** Inserts a document whose value and bytes are both known. */
  insertDoc(collection: Collection, doc: Doc, bytes: Uint8Array): void {
    if (bytes.length > MAX_DOCUMENT_BYTES) {
      throw refusal(
        'BSONObjectTooLarge',
        `object to insert too large. size in bytes: ${bytes.length}, max size: ${MAX_DOCUMENT_BYTES}`,
      )
    }
    checkId(doc._id)
    this.atomically(() => {
      this.#documents.insert(collection, doc, bytes)
      this.#log('i', collection, doc._id, bytes)
    })
  }

  /** Stores an updated document. `before` is the document as it was, as BSON. */
  update(collection: Collection, row: number, before: Uint8Array, updated: UpdatedDocument): void {
    this.atomically(() => {
      this.#documents.replace(collection, row, decode(before), updated.doc, updated.bytes)
      if (updated.description)
        this.#log('u', collection, updated.doc._id, encode(updated.description))
      else this.#log('r', collection, updated.doc._id, updated.bytes)
    })
  }

  delete(collection: Collection, row: number, bytes: Uint8Array): void {
    const doc = decode(bytes)
    this.atomically(() => {
      this.#documents.delete(collection, row, doc)
      this.#log('d', collection, doc._id, null)
    })
  }

  drop(collection: Collection): void {
    this.atomically(() => {
      this.#catalog.drop(collection)
      this.#oplog.append('drop', collection.db, collection.name, collection.uuid, null, null)
    })
  }

  /** Drops the collections of a database one by one, and then the database. */
  dropDatabase(db: string): void {
    const collections = this.#catalog.list(db)
    if (collections.length === 0) return
    for (const collection of collections) this.drop(collection)
    this.atomically(() => this.#oplog.append('dropDatabase', db, '', null, null, null))
  }

  rename(collection: Collection, db: string, name: string): void {
    this.atomically(() => {
      this.#catalog.rename(collection, db, name)
      this.#oplog.append(
        'rename',
        collection.db,
        collection.name,
        collection.uuid,
        null,
        encode({ db, coll: name }),
      )
    })
  }

  #log(op: OplogOperation, collection: Collection, id: unknown, body: Uint8Array | null): void {
    this.#oplog.append(
      op,
      collection.db,
      collection.name,
      collection.uuid,
      encode({ _id: id }),
      body,
    )
  }
}
