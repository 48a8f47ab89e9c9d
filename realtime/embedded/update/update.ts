// Parses an update (a replacement, operators, or a pipeline) once and applies it to any number of
// documents. `_id` never changes, and no two operators change the same path.
import { ObjectId } from 'bson'
import { compileStages } from '../aggregate/document-stages.ts'
import { DeprecatedValue, Doc } from '../bson/doc.ts'
import { encode, identical } from '../bson/encode.ts'
import { sameValue } from '../bson/order.ts'
import { stamped, withIdFirst } from '../bson/stamp.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import type { Filter } from '../query/filter.ts'
import { ChangedPaths } from './changed-paths.ts'
import { describeDifference } from './diff.ts'
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
  apply(before: Doc, position: number | undefined): UpdatedDocument | undefined
  /** Builds the document that an upsert inserts, starting from the equalities of the filter. */
  build(filter: Filter): UpdatedDocument
  /** Whether the update replaces the whole document, which `multi` doesn't allow. */
  readonly replacement: boolean
}

/** The size of the largest document that can be stored: 16 MB. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

/** Parses the `u` of an update statement. */
export function parseUpdate(u: unknown, arrayFilters: unknown, variables: Variables): ParsedUpdate {
  if (arrayFilters !== undefined) throw refusal('NotImplemented', 'arrayFilters are not supported')
  if (Array.isArray(u)) return pipelineUpdate(u, variables)
  if (!isDoc(u))
    throw refusal('FailedToParse', 'Update argument must be either an object or an array')
  if (!u.firstName.startsWith('$')) return replacementUpdate(u)
  return modifierUpdate(u, variables)
}

function replacementUpdate(u: Doc): ParsedUpdate {
  const unexpected = u.fields.find(({ name }) => name.startsWith('$'))?.name
  if (unexpected)
    throw refusal(
      'DollarPrefixedFieldName',
      `The dollar ($) prefixed field '${unexpected}' in '${unexpected}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`,
    )
  return {
    replacement: true,
    apply(before) {
      const id = before.get('_id')
      const bytes = checkedBytes(stamped(withIdFirst(u, () => id)), id, sameValue)
      if (Buffer.compare(bytes, encode(before)) === 0) return undefined
      return { doc: Doc.read(bytes), bytes, description: undefined }
    },
    build(filter) {
      const given = equalitiesOf(filter).get('_id')
      const doc = withIdFirst(u, () => given ?? new ObjectId())
      const bytes = checkedBytes(doc, given ?? doc.get('_id'), sameValue)
      return { doc, bytes, description: undefined }
    },
  }
}

function modifierUpdate(u: Doc, variables: Variables): ParsedUpdate {
  const modifiers = parseModifiers(u, variables)
  return {
    replacement: false,
    apply(before, position) {
      const changes = new ChangedPaths()
      const after = modifiers.apply(before, changes, { position, inserting: false })
      if (after === before || changes.isEmpty) return undefined
      const bytes = checkedBytes(after, before.get('_id'))
      return { doc: after, bytes, description: changes.describe(after) }
    },
    build(filter) {
      const context = { position: undefined, inserting: true }
      return upsertedDocument(modifiers.apply(seedOf(filter), new ChangedPaths(), context), filter)
    },
  }
}

/** The document that an upsert starts from: the equalities of the filter, with `_id` first. */
function seedOf(filter: Filter): Doc {
  const equalities = equalitiesOf(filter)
  let seed = equalities.has('_id') ? Doc.of([['_id', equalities.get('_id')]]) : Doc.empty
  for (const [path, value] of equalities) seed = withPath(seed, path.split('.'), value)
  return seed
}

function withPath(doc: Doc, path: readonly string[], value: unknown): Doc {
  const [name, ...rest] = path as [string, ...string[]]
  if (rest.length === 0) return doc.with(name, value)
  const present = doc.get(name)
  if (present !== undefined && !isDoc(present)) {
    throw refusal(
      'NotSingleValueField',
      `cannot infer query fields to set, path '${path.join('.')}' is matched twice`,
    )
  }
  return doc.with(name, withPath(present ?? Doc.empty, rest, value))
}

function upsertedDocument(given: Doc, filter: Filter): UpdatedDocument {
  const doc = withIdFirst(given, () => new ObjectId())
  const bytes = checkedBytes(doc, equalitiesOf(filter).get('_id') ?? doc.get('_id'))
  return { doc, bytes, description: undefined }
}

function pipelineUpdate(stages: readonly unknown[], variables: Variables): ParsedUpdate {
  const transform = compileStages(stages, variables)
  return {
    replacement: false,
    apply(before) {
      const id = before.get('_id')
      const after = withIdFirst(transform(before), () => id)
      const bytes = checkedBytes(after, id, sameValue)
      if (Buffer.compare(bytes, encode(before)) === 0) return undefined
      return { doc: after, bytes, description: describeDifference(before, after) }
    },
    build(filter) {
      return upsertedDocument(transform(seedOf(filter)), filter)
    },
  }
}

/**
 * The bytes of a document that keeps its `_id`. A document that is given as a whole may have an
 * equal one of another type, such as 1.0 for 1.
 */
function checkedBytes(doc: Doc, id: unknown, isSame = identical): Uint8Array {
  const own = doc.get('_id')
  if (own === undefined || !isSame(own, id)) {
    throw refusal(
      'ImmutableField',
      "Performing an update on the path '_id' would modify the immutable field '_id'",
    )
  }
  checkId(own)
  const bytes = encode(withIdFirst(doc, () => id))
  if (bytes.length <= MAX_DOCUMENT_BYTES) return bytes
  throw locationRefusal(
    17419,
    `Resulting document after update is larger than ${MAX_DOCUMENT_BYTES}`,
  )
}

/** Refuses values that can't be an `_id`. */
export function checkId(id: unknown): void {
  if (Array.isArray(id)) throw refusal('BadValue', "can't use an array for _id")
  if (id === undefined || id === DeprecatedValue.undefined)
    throw refusal('BadValue', "can't use an undefined value for _id")
  if (typeOf(id) === 'regex') throw refusal('BadValue', "can't use a regex for _id")
  const unexpected = isDoc(id) && id.fields.find(({ name }) => name.startsWith('$'))?.name
  if (unexpected)
    throw refusal(
      'DollarPrefixedFieldName',
      `The dollar ($) prefixed field '${unexpected}' in '_id.${unexpected}' is not valid for storage.`,
    )
}
