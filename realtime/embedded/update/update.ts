// Parses an update (a replacement, operators, or a pipeline) once and applies it to any number of
// documents. `_id` never changes, and no two operators change the same path.
import { ObjectId } from 'bson'
import { compileStages } from '../aggregate/document-stages.ts'
import {
  decode,
  encode,
  firstFieldName,
  getField,
  isDoc,
  setField,
  type Doc,
} from '../bson/codec.ts'
import { locationRefusal, refusal } from '../errors.ts'
import type { Variables } from '../query/expression.ts'
import type { Filter } from '../query/filter.ts'
import { ChangedPaths } from './changed-paths.ts'
import { describeDifference, identical } from './diff.ts'
import { equalitiesOf } from './equalities.ts'
import { parseModifiers } from './modifiers.ts'

/**
 * An updated document: its value, its bytes, and a description of what changed, unless the document
 * was replaced as a whole.
 */
export interface UpdatedDocument {
  readonly doc: Doc
  readonly bytes: Uint8Array
  readonly description: Doc | undefined
}

export interface ParsedUpdate {
  /**
   * Applies the update to a document; undefined if nothing changed. `position` is what `$` stands
   * for.
   */
  apply(bytes: Uint8Array, position: number | undefined): UpdatedDocument | undefined
  /** Builds the document that an upsert inserts, starting from the equalities of the filter. */
  build(filter: Filter): UpdatedDocument
  /** Whether the update replaces the whole document, which `multi` doesn't allow. */
  readonly replacement: boolean
}

/** The size of the largest document that can be stored: 16 MB. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

/** Parses the `u` of an update statement. */
export function parseUpdate(u: unknown, arrayFilters: unknown, variables: Variables): ParsedUpdate {
  if (Array.isArray(u)) {
    // The misspelling is MongoDB's own.
    if (arrayFilters !== undefined)
      throw refusal('FailedToParse', 'arrayFilters may not be specified for pipeline-syle updates')
    return pipelineUpdate(u, variables)
  }
  if (!isDoc(u))
    throw refusal('FailedToParse', 'Update argument must be either an object or an array')
  if (!Object.keys(u)[0]?.startsWith('$')) return replacementUpdate(u)
  return modifierUpdate(u, arrayFilters, variables)
}

function replacementUpdate(u: Doc): ParsedUpdate {
  const unexpected = Object.keys(u).find((name) => name.startsWith('$'))
  if (unexpected)
    throw refusal(
      'DollarPrefixedFieldName',
      `The dollar ($) prefixed field '${unexpected}' in '${unexpected}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`,
    )
  return {
    replacement: true,
    apply(bytes) {
      const before = decode(bytes)
      const doc = withId(u, before._id)
      const after = encodeChecked(doc, before._id)
      return Buffer.compare(after, bytes) === 0
        ? undefined
        : { doc, bytes: after, description: undefined }
    },
    build(filter) {
      const id = equalitiesOf(filter).get('_id')
      const doc = withId(u, Object.hasOwn(u, '_id') ? u._id : (id ?? new ObjectId()))
      return { doc, bytes: encodeChecked(doc, id ?? doc._id), description: undefined }
    },
  }
}

function withId(u: Doc, id: unknown): Doc {
  const { _id: given, ...rest } = u
  return { _id: given === undefined ? id : given, ...rest }
}

function modifierUpdate(u: Doc, arrayFilters: unknown, variables: Variables): ParsedUpdate {
  const modifiers = parseModifiers(u, arrayFilters, variables)
  return {
    replacement: false,
    apply(bytes, position) {
      const doc = decode(bytes)
      const id = doc._id
      const changes = new ChangedPaths()
      modifiers.apply(doc, changes, { position, inserting: false })
      if (changes.updated.size === 0 && changes.removed.size === 0) return undefined
      const after = encodeChecked(doc, id)
      return Buffer.compare(after, bytes) === 0
        ? undefined
        : { doc, bytes: after, description: changes.describe() }
    },
    build(filter) {
      const seed = seedOf(filter)
      modifiers.apply(seed, new ChangedPaths(), { position: undefined, inserting: true })
      return upsertedDocument(seed, filter)
    },
  }
}

/** The document that an upsert starts from: the equalities of the filter, with `_id` first. */
function seedOf(filter: Filter): Doc {
  const seed: Doc = {}
  const equalities = equalitiesOf(filter)
  if (equalities.has('_id')) seed._id = equalities.get('_id')
  for (const [path, value] of equalities) setAtPath(seed, path.split('.'), value)
  return seed
}

function setAtPath(doc: Doc, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path as [string, ...string[]]
  if (rest.length === 0) return setField(doc, name, value)
  const present = getField(doc, name)
  if (present !== undefined && !isDoc(present)) {
    throw refusal(
      'ConflictingUpdateOperators',
      `cannot infer query fields to set, path '${path.join('.')}' is matched twice`,
    )
  }
  const inner = (present as Doc | undefined) ?? {}
  setField(doc, name, inner)
  setAtPath(inner, rest, value)
}

function upsertedDocument(doc: Doc, filter: Filter): UpdatedDocument {
  const { _id: id = new ObjectId(), ...rest } = doc
  const whole = { _id: id, ...rest }
  return {
    doc: whole,
    bytes: encodeChecked(whole, equalitiesOf(filter).get('_id') ?? id),
    description: undefined,
  }
}

const pipelineStages = new Set([
  '$addFields',
  '$set',
  '$project',
  '$unset',
  '$replaceRoot',
  '$replaceWith',
])

function pipelineUpdate(stages: readonly unknown[], variables: Variables): ParsedUpdate {
  for (const stage of stages) {
    const [name] = isDoc(stage) ? Object.keys(stage) : []
    if (name !== undefined && !pipelineStages.has(name)) {
      throw refusal('InvalidOptions', `${name} is not allowed to be used within an update`)
    }
  }
  const transform = compileStages(stages, variables)
  return {
    replacement: false,
    apply(bytes) {
      const before = decode(bytes)
      const doc = withId(transform(decode(bytes)), before._id)
      const after = encodeChecked(doc, before._id)
      if (Buffer.compare(after, bytes) === 0) return undefined
      return { doc, bytes: after, description: describeDifference(before, doc) }
    },
    build(filter) {
      return upsertedDocument(transform(seedOf(filter)), filter)
    },
  }
}

function encodeChecked(doc: Doc, id: unknown): Uint8Array {
  if (!Object.hasOwn(doc, '_id') || !identical(doc._id, id)) {
    throw refusal(
      'ImmutableField',
      "Performing an update on the path '_id' would modify the immutable field '_id'",
    )
  }
  checkId(doc._id)
  const bytes = encode(doc)
  if (firstFieldName(bytes) !== '_id') return encode(withId(doc, id))
  if (bytes.length > MAX_DOCUMENT_BYTES) {
    throw locationRefusal(
      17419,
      `Resulting document after update is larger than ${MAX_DOCUMENT_BYTES}`,
    )
  }
  return bytes
}

/** Refuses values that can't be an `_id`. */
export function checkId(id: unknown): void {
  if (Array.isArray(id)) throw refusal('BadValue', "can't use an array for _id")
  if (id === undefined) throw refusal('BadValue', "can't use an undefined value for _id")
  if (
    id !== null &&
    typeof id === 'object' &&
    (id as { _bsontype?: string })._bsontype === 'BSONRegExp'
  ) {
    throw refusal('BadValue', "can't use a regex for _id")
  }
  if (isDoc(id)) {
    const unexpected = Object.keys(id).find((name) => name.startsWith('$'))
    if (unexpected)
      throw refusal(
        'DollarPrefixedFieldName',
        `The dollar ($) prefixed field '${unexpected}' in '_id.${unexpected}' is not valid for storage.`,
      )
  }
}
