// A collection whose documents are sealed when they are written and opened when they are read. This
// is the only way to them: an operation that isn't listed here fails, so none can write unsealed
// content or compare what is sealed.
import { createSecretKey, randomBytes } from 'node:crypto'
import type { AnyBulkWriteOperation, Collection, Document, Filter } from 'mongodb'
import { userIdOf } from '../shard-key.ts'
import type { DataKeys } from './data-keys.ts'
import { isSealed, open, seal } from './envelope.ts'
import type { SealedFields } from './sealed-fields.ts'

/** Operations that neither write content nor read it. */
const HARMLESS: ReadonlySet<string | symbol> = new Set([
  ...['collectionName', 'deleteMany', 'deleteOne', 'countDocuments'],
])

/** The key of a user is neither in the folder nor known to be destroyed. */
export class KeyMissing extends Error {
  constructor() {
    super('the key of a user is missing in KEYS_DIR: restore it from a copy of the folder')
  }
}

/** Seals and opens the documents of one collection. */
export class Sealer {
  readonly #keys: DataKeys
  readonly #spec: SealedFields

  constructor(keys: DataKeys, spec: SealedFields) {
    this.#keys = keys
    this.#spec = spec
  }

  /** The document with its fields sealed. What is sealed already, and what is empty, stays. */
  seal(document: Document, id: string): Document {
    const { collection, fields, outline } = this.#spec
    const unsealed = Object.keys(fields).filter((field) => hasContent(document[field]))
    if (unsealed.length === 0) return document
    // A node that missed the end of the account may still write. A random key makes that
    // unreadable.
    const key = this.#keys.findOrMake(ownerOf(id)) ?? createSecretKey(randomBytes(32))
    const sealed = unsealed.map((field) => [
      field,
      seal(key, { collection, id, field }, document[field]),
    ])
    const about = 'data' in document && hasContent(document.data) ? outline?.(document) : undefined
    return { ...document, ...about, ...Object.fromEntries(sealed) }
  }

  /**
   * The document with its fields opened. If the user's key was destroyed, they are as if they were
   * empty, and an entry is as if it were stripped. Throws `KeyMissing`.
   */
  open(document: Document): Document {
    const { collection, fields } = this.#spec
    const sealed = Object.keys(fields).filter((field) => isSealed(document[field]))
    const { outline: _outline, ...opened } = document
    if (sealed.length === 0) return opened
    // Assertion: every document has a text as its id, and `project` leaves it out nowhere.
    const id = document._id as string
    const found = this.#keys.find(ownerOf(id))
    if (found.is === 'missing') throw new KeyMissing()
    if (found.is === 'destroyed') return { ...opened, ...this.#withoutContent(sealed) }
    for (const field of sealed) {
      const value: unknown = document[field]
      if (isSealed(value)) opened[field] = open(found.key, { collection, id, field }, value)
    }
    return opened
  }

  #withoutContent(sealed: readonly string[]): Document {
    const { collection, fields } = this.#spec
    const empty = Object.fromEntries(sealed.map((field) => [field, fields[field]]))
    return collection === 'changes' ? { ...empty, stripped: true } : empty
  }

  /**
   * Throws if an update of many documents would write content, which is sealed for one document
   * each.
   */
  checkUpdate(update: Document): void {
    const written = Object.keys((update.$set as Document | undefined) ?? {})
    if (Array.isArray(update) || written.some((field) => Object.hasOwn(this.#spec.fields, field)))
      throw new Error(`an update of many ${this.#spec.collection} isn't sealed`)
  }

  /** Throws if the filter compares what is sealed. */
  checkFilter(filter: Document = {}): void {
    for (const [field, condition] of Object.entries(filter)) {
      if (field.startsWith('$') && Array.isArray(condition))
        for (const part of condition) this.checkFilter(part as Document)
      if (!Object.hasOwn(this.#spec.fields, field.split('.')[0]!)) continue
      const operators = names(condition)
      if (field.includes('.') || operators.some((name) => name !== '$exists'))
        throw new Error(`${this.#spec.collection}.${field} is sealed and can't be compared`)
    }
  }
}

const names = (condition: unknown): string[] =>
  typeof condition === 'object' && condition !== null ? Object.keys(condition) : ['$eq']

/** Returns the id of the user who owns a document. */
const ownerOf = (id: string): string => (id.includes(':') ? userIdOf(id) : id)

function hasContent(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || isSealed(value)) return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

export function sealCollection<T extends Document>(
  collection: Collection<T>,
  sealer: Sealer,
): Collection<T> {
  // Assertions: a sealed document has the fields of the document, and the driver takes any values.
  const sealed = <D>(document: D, id: unknown): D =>
    sealer.seal(document as Document, id as string) as D
  const opened = <D>(document: D): D => sealer.open(document as Document) as D
  const idOf = (filter: Filter<T>): unknown => (filter as Document)._id
  const sealOperation = (operation: AnyBulkWriteOperation<T>): AnyBulkWriteOperation<T> => {
    if ('replaceOne' in operation) {
      const { filter, replacement } = operation.replaceOne
      return {
        replaceOne: { ...operation.replaceOne, replacement: sealed(replacement, idOf(filter)) },
      }
    }
    if ('updateOne' in operation && !Array.isArray(operation.updateOne.update)) {
      const { filter, update } = operation.updateOne
      const $set = update.$set && sealed(update.$set, idOf(filter))
      return { updateOne: { ...operation.updateOne, update: { ...update, ...($set && { $set }) } } }
    }
    throw new Error(`${Object.keys(operation)[0]} isn't sealed`)
  }
  const operations: Partial<Collection<T>> = {
    insertOne: (document, ...rest) => collection.insertOne(sealed(document, document._id), ...rest),
    insertMany: (documents, ...rest) =>
      collection.insertMany(
        documents.map((document) => sealed(document, document._id)),
        ...rest,
      ),
    bulkWrite: (list, ...rest) => collection.bulkWrite(list.map(sealOperation), ...rest),
    updateOne: (filter, update, ...rest) => {
      if (Array.isArray(update)) throw new Error('an update by a pipeline isn’t sealed')
      const $set = update.$set && sealed(update.$set, idOf(filter))
      return collection.updateOne(filter, { ...update, ...($set && { $set }) }, ...rest)
    },
    updateMany: (filter, update, ...rest) => {
      sealer.checkFilter(filter)
      sealer.checkUpdate(update)
      return collection.updateMany(filter, update, ...rest)
    },
    find: (filter: Filter<T> = {}, ...rest: object[]) => {
      sealer.checkFilter(filter)
      return collection.find(filter, ...rest).map(opened)
    },
    findOne: async (filter: Filter<T> = {}, ...rest: object[]) => {
      sealer.checkFilter(filter)
      const found = await collection.findOne(filter, ...rest)
      return found && opened(found)
    },
  } as Partial<Collection<T>>
  return new Proxy(collection, {
    get(target, name) {
      if (Object.hasOwn(operations, name)) return Reflect.get(operations, name) as unknown
      if (!HARMLESS.has(name)) throw new Error(`${String(name)} isn't sealed`)
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
}
