// All changes of data go through this file. A document, its index keys and its oplog entry change
// together or not at all.
import { ObjectId } from 'bson'
import { checkBson } from '../bson/check.ts'
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { stamped, withIdFirst } from '../bson/stamp.ts'
import { refusal } from '../errors.ts'
import type { Oplog, OplogOperation } from '../oplog/oplog.ts'
import { checkId, MAX_DOCUMENT_BYTES, type UpdatedDocument } from '../update/update.ts'
import type { Catalog, Collection } from './catalog.ts'
import type { Documents } from './documents.ts'

/** How deeply a stored document may be nested. */
const MAX_STORED_DEPTH = 180

/** Changes documents and collections, and records the changes in the oplog. */
export class DocumentWriter {
  readonly #catalog: Catalog
  readonly #documents: Documents
  readonly #oplog: Oplog

  constructor(catalog: Catalog, documents: Documents, oplog: Oplog) {
    this.#catalog = catalog
    this.#documents = documents
    this.#oplog = oplog
  }

  /** Runs `work` completely or not at all, including its oplog entries. */
  atomically<T>(work: () => T): T {
    return this.#oplog.atomically(work)
  }

  /**
   * Inserts a document. One without `_id` gets one, and `_id` becomes the first field. An empty
   * timestamp in it becomes the present time.
   */
  insert(collection: Collection, given: Doc): void {
    const doc = stamped(withIdFirst(given, () => new ObjectId()))
    const bytes = encode(doc)
    if (bytes.length > MAX_DOCUMENT_BYTES) {
      throw refusal(
        'BSONObjectTooLarge',
        `object to insert too large. size in bytes: ${bytes.length}, max size: ${MAX_DOCUMENT_BYTES}`,
      )
    }
    const id = doc.get('_id')
    checkId(id)
    checkDepth(bytes)
    this.atomically(() => {
      this.#documents.insert(collection, doc, bytes)
      this.#log('i', collection, id, bytes)
    })
  }

  /** Stores an updated document. `before` is the document as it was. */
  update(collection: Collection, row: number, before: Doc, updated: UpdatedDocument): void {
    checkDepth(updated.bytes)
    const id = updated.doc.get('_id')
    this.atomically(() => {
      this.#documents.replace(collection, row, before, updated.doc, updated.bytes)
      if (updated.description) this.#log('u', collection, id, encode(updated.description))
      else this.#log('r', collection, id, updated.bytes)
    })
  }

  delete(collection: Collection, row: number, bytes: Uint8Array): void {
    const doc = Doc.read(bytes)
    this.atomically(() => {
      this.#documents.delete(collection, row, doc)
      this.#log('d', collection, doc.get('_id'), null)
    })
  }

  drop(collection: Collection): void {
    this.atomically(() => {
      this.#catalog.drop(collection)
      this.#oplog.append('drop', collection.db, collection.name, collection.uuid)
    })
  }

  /** Drops the collections of a database one by one, and then the database. */
  dropDatabase(db: string): void {
    const collections = this.#catalog.list(db)
    if (collections.length === 0) return
    for (const collection of collections) this.drop(collection)
    this.atomically(() => this.#oplog.append('dropDatabase', db))
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

function checkDepth(bytes: Uint8Array): void {
  if (checkBson(bytes) > MAX_STORED_DEPTH)
    throw refusal('Overflow', `Document exceeds maximum nesting depth of ${MAX_STORED_DEPTH}`)
}
