// A collection whose documents are sealed when they are written and opened when they are read. This
// is the only way to them: an operation that isn't listed here fails, so none can write unsealed
// content or compare what is sealed.
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import type { AnyBulkWriteOperation, Binary, Collection, Document, Filter } from 'mongodb'
import { userIdOf } from '../shard-key.ts'
import type { DataKeys } from './data-keys.ts'
import {
  digestOf,
  digestText,
  elsewhere,
  fromPlain,
  isSealed,
  kindOf,
  open,
  seal,
  sealTogether,
  togetherFromPlain,
  togetherToPlain,
  toPlain,
  type Plain,
  type SealedPlace,
} from './envelope.ts'
import type { SealedFields } from './sealed-fields.ts'

/** Operations that neither write content nor read it. */
const HARMLESS: ReadonlySet<string | symbol> = new Set([
  ...['collectionName', 'deleteMany', 'deleteOne', 'countDocuments'],
])

/** Fields of a document that are sealed together have at most this many bytes. */
const MAX_TOGETHER = 4_096

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
  readonly #fields: readonly string[]

  constructor(keys: DataKeys, spec: SealedFields) {
    this.#keys = keys
    this.#spec = spec
    this.#fields = Object.keys(spec.fields)
  }

  /** The whole document, sealed. What is sealed already, and what is empty, stays. */
  seal(document: Document, id: string): Document {
    const { outline, compared = [] } = this.#spec
    const unsealed = this.#unsealedOf(document)
    if (unsealed.length === 0) return document
    const about = unsealed.includes('data') ? outline?.(document) : undefined
    const sealed: Document = { ...document, ...about }
    const seals = this.#sealsOf(id)
    const content = unsealed.filter((field) => !compared.includes(field))
    for (const field of unsealed)
      if (compared.includes(field)) sealed[field] = seals.digest(field, String(document[field]))
    const together = content.length > 1 ? plainTogether(document, content) : undefined
    for (const [n, field] of content.entries())
      if (!together) sealed[field] = seals.value(field, toPlain(document[field]))
      else sealed[field] = n > 0 ? elsewhere : seals.together(field, together)
    return sealed
  }

  /** What an update sets. It would be lost beside fields that are sealed together. */
  sealUpdated($set: Document, id: string): Document {
    const { collection } = this.#spec
    const unsealed = this.#unsealedOf($set)
    if (unsealed.length === 0) return $set
    if (this.#fields.length > 1) throw new Error(`${collection} are sealed as a whole only`)
    return this.seal($set, id)
  }

  /** What a document that is read has in the place of a field that is only compared. */
  digest(id: string, field: string, text: string): string {
    return digestText(this.#sealsOf(id).digest(field, text))
  }

  #unsealedOf(document: Document): string[] {
    return this.#fields.filter((field) => hasContent(document[field]))
  }

  /** Seals fields of one document. */
  #sealsOf(id: string) {
    const { collection } = this.#spec
    const { opened } = this.#keys
    const known = this.#keys.findOrMake(ownerOf(id))
    // A node that missed the end of the account may still write. Nobody can open it.
    const key = known ?? createSecretKey(randomBytes(32))
    const placeOf = (field: string): SealedPlace => ({ collection, id, field })
    const kept = (field: string, sealed: Binary, plain: Plain): Binary => {
      if (known) opened.keep(placeOf(field), sealed, plain)
      return sealed
    }
    return {
      value: (field: string, plain: Plain) => kept(field, seal(key, placeOf(field), plain), plain),
      together: (field: string, plain: Uint8Array) =>
        kept(field, sealTogether(key, placeOf(field), plain), plain),
      digest: (field: string, text: string) => digestOf(key, placeOf(field), text),
    }
  }

  /** Opens what isn't the content of another field. */
  #openAt(key: KeyObject, place: SealedPlace, sealed: Binary): Plain {
    const { opened } = this.#keys
    const known = opened.find(place, sealed)
    if (known !== undefined) return known
    const plain = open(key, place, sealed)
    opened.keep(place, sealed, plain)
    return plain
  }

  /**
   * The document, which the driver has just made, with its fields opened. If the user's key was
   * destroyed, they are as if they were empty, and an entry is as if it were stripped. Throws
   * `KeyMissing`.
   */
  open(document: Document): Document {
    const { collection, outline } = this.#spec
    if (outline) delete document.outline
    const sealed = this.#fields.filter((field) => isSealed(document[field]))
    if (sealed.length === 0) return document
    // Assertion: every document has a text as its id, and `project` leaves it out nowhere.
    const id = document._id as string
    const found = this.#keys.find(ownerOf(id))
    if (found.is === 'missing') throw new KeyMissing()
    if (found.is === 'destroyed') return Object.assign(document, this.#withoutContent(sealed))
    let together: Document = {}
    for (const field of sealed) {
      // Assertion: `sealed` has the names of those that are.
      const value = document[field] as Binary
      const kind = kindOf(value)
      if (kind === 'digest') document[field] = digestText(value)
      else if (kind === 'elsewhere') document[field] = elsewhereIn(together, field)
      else {
        const plain = this.#openAt(found.key, { collection, id, field }, value)
        if (kind === 'together') together = togetherFromPlain(plain)
        document[field] = kind === 'together' ? together[field] : fromPlain(plain)
      }
    }
    return document
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

/**
 * Short fields, which are sealed together because setting up a cipher takes longer than the cipher
 * itself. Undefined: they are long, and whoever needs one of them should not have to open all.
 */
function plainTogether(document: Document, fields: readonly string[]): Uint8Array | undefined {
  const values = fields.map((field) => [field, document[field] as unknown] as const)
  const length = ({ length }: string) => length
  const texts = values.reduce(
    (sum, [, value]) => sum + (typeof value === 'string' ? length(value) : 0),
    0,
  )
  const { content_bytes = 0 } = document
  if (texts + Number(content_bytes) > MAX_TOGETHER) return undefined
  const plain = togetherToPlain(Object.fromEntries(values))
  return plain.length > MAX_TOGETHER ? undefined : plain
}

/** A field that is read without the one that contains it can't be opened. */
function elsewhereIn(together: Document, field: string): unknown {
  if (!Object.hasOwn(together, field))
    throw new Error(`${field} is sealed in a field that is missing`)
  return together[field]
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
  const updated = <D>($set: D, id: unknown): D =>
    sealer.sealUpdated($set as Document, id as string) as D
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
      const $set = update.$set && updated(update.$set, idOf(filter))
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
      const $set = update.$set && updated(update.$set, idOf(filter))
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
