// Parses an update (a replacement, operators, or a pipeline) once and applies it to any number of
// documents. `_id` never changes, and no two operators change the same path.
import { ObjectId } from 'bson'
import { compileUpdateStages } from '../aggregate/stages.ts'
import { Doc } from '../bson/doc.ts'
import { encode, identical } from '../bson/encode.ts'
import { sameValue } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import type { Filter } from '../query/filter.ts'
import { Changes } from './changes.ts'
import { modified, updateOperators, type Modification } from './operators.ts'

/** `description`: what changed, unless the document was replaced as a whole. */
export interface UpdatedDocument {
  readonly doc: Doc
  readonly bytes: Uint8Array
  readonly description: Doc | undefined
}

export interface ParsedUpdate {
  apply(before: Doc): UpdatedDocument | undefined
  /** Builds the document that an upsert inserts, starting from the equalities of the filter. */
  build(filter: Filter): Doc
  /** Whether the update replaces the whole document, which `multi` doesn't allow. */
  readonly replacement: boolean
}

/** The size of the largest document that can be stored: 16 MB. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

export function parseUpdate(u: unknown, variables: Variables): ParsedUpdate {
  if (Array.isArray(u)) return pipelineUpdate(u, variables)
  if (!isDoc(u))
    throw refusal('FailedToParse', 'Update argument must be either an object or an array')
  if (!u.firstName.startsWith('$')) return replacementUpdate(u)
  return modifierUpdate(u, variables)
}

function replacementUpdate(u: Doc): ParsedUpdate {
  refuseDollars(u, 'a replacement')
  return {
    replacement: true,
    apply(before) {
      const id = before.get('_id')
      const doc = u.withIdFirst(() => id)
      const bytes = checkedBytes(doc, id, sameValue)
      if (Buffer.compare(bytes, encode(before)) === 0) return undefined
      return { doc: Doc.read(bytes), bytes, description: undefined }
    },
    build: (filter) => upserted(u, filter, sameValue),
  }
}

function modifierUpdate(u: Doc, variables: Variables): ParsedUpdate {
  const modifiers = parseModifiers(u, variables)
  return {
    replacement: false,
    apply(before) {
      const changes = new Changes()
      const after = modifiers(before, changes, false)
      if (after === before || changes.isEmpty) return undefined
      const bytes = checkedBytes(after, before.get('_id'))
      return { doc: after, bytes, description: changes.describe(after) }
    },
    build: (filter) => upserted(modifiers(seedOf(filter), new Changes(), true), filter),
  }
}

/** Applies the operators of one update. `inserting`: an upsert inserts the document. */
type Modifiers = (doc: Doc, changes: Changes, inserting: boolean) => Doc

/** Applied in the order of the paths. No two change the same path. */
function parseModifiers(u: Doc, variables: Variables): Modifiers {
  const modifications: Modification[] = []
  for (const { name, value: fields } of u.fields) {
    const parse = Object.hasOwn(updateOperators, name) ? updateOperators[name] : undefined
    if (!parse) throw refusal('FailedToParse', `Unknown modifier: ${name}`)
    if (!isDoc(fields))
      throw refusal('FailedToParse', `${name} needs fields, but we found type ${typeOf(fields)}`)
    for (const { name: path, value: operand } of fields.fields) {
      checkPath(path)
      modifications.push({ path, ...parse(path, operand, variables) })
    }
  }
  refuseConflicts(modifications)
  modifications.sort((a, b) => comparePaths(a.path, b.path))
  return (doc, changes, inserting) =>
    modifications
      .filter(({ onInsertOnly }) => inserting || !onInsertOnly)
      .reduce((result, modification) => modified(result, modification, changes), doc)
}

/** Refuses a path that equals another one, contains it, or lies within it. */
function refuseConflicts(modifications: readonly Modification[]): void {
  const [taken, onTheWay] = [new Set<string>(), new Set<string>()]
  for (const { path } of modifications) {
    const parts = path.split('.')
    const prefixes = parts.map((_, at) => parts.slice(0, at + 1).join('.'))
    if (onTheWay.has(path) || prefixes.some((prefix) => taken.has(prefix)))
      throw refusal('ConflictingUpdateOperators', `Updating '${path}' would create a conflict`)
    taken.add(path)
    for (const prefix of prefixes) onTheWay.add(prefix)
  }
}

function checkPath(path: string): void {
  const parts = path.split('.')
  if (parts.includes(''))
    throw refusal('EmptyFieldName', `The update path '${path}' contains an empty field name`)
  if (path.startsWith('$'))
    throw refusal('DollarPrefixedFieldName', `The update path '${path}' begins with $`)
  if (parts.some((part) => /^\$(?:\[.*\])?$/.test(part)))
    throw refusal('NotImplemented', `the positional operator in '${path}' is not supported`)
}

/** Parts that are numbers compare as numbers, all others as text. */
function comparePaths(a: string, b: string): number {
  const [x, y] = [a.split('.'), b.split('.')]
  for (let at = 0; at < Math.min(x.length, y.length); at++) {
    if (x[at] === y[at]) continue
    const numeric = /^\d+$/.test(x[at]!) && /^\d+$/.test(y[at]!)
    return numeric ? Number(x[at]) - Number(y[at]) : x[at]! < y[at]! ? -1 : 1
  }
  return x.length - y.length
}

/** The paths that a filter pins to one value, in the order of the filter. */
function equalitiesOf(filter: Filter): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const visit = (node: Filter): void => {
    if (node.kind === 'and') return node.filters.forEach(visit)
    if (node.kind === 'or' && node.filters.length === 1) return visit(node.filters[0]!)
    if (node.kind === 'in' && node.values.length === 1 && typeOf(node.values[0]) !== 'regex')
      add(node.path, node.values[0])
    if (node.kind === 'compare' && node.op === 'eq') add(node.path, node.value)
  }
  const add = (path: string, value: unknown): void => {
    if (found.has(path)) throw notSingle(path)
    found.set(path, value)
  }
  visit(filter)
  return found
}

function notSingle(path: string): Error {
  return refusal('NotSingleValueField', `cannot infer fields to set, '${path}' is matched twice`)
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
  const present = doc.get(name) ?? Doc.empty
  if (!isDoc(present)) throw notSingle(path.join('.'))
  return doc.with(name, withPath(present, rest, value))
}

function upserted(given: Doc, filter: Filter, isSame = identical): Doc {
  const id = equalitiesOf(filter).get('_id')
  const doc = given.withIdFirst(() => id ?? new ObjectId())
  checkedBytes(doc, id ?? doc.get('_id'), isSame)
  return doc
}

function pipelineUpdate(stages: unknown[], variables: Variables): ParsedUpdate {
  const transform = compileUpdateStages(stages, variables)
  return {
    replacement: false,
    apply(before) {
      const id = before.get('_id')
      const after = transform(before).withIdFirst(() => id)
      const bytes = checkedBytes(after, id, sameValue)
      if (Buffer.compare(bytes, encode(before)) === 0) return undefined
      return { doc: after, bytes, description: Changes.between(before, after)?.describe(after) }
    },
    build: (filter) => upserted(transform(seedOf(filter)), filter),
  }
}

/** A document given as a whole may have an equal `_id` of another type: 1.0 for 1. */
function checkedBytes(doc: Doc, id: unknown, isSame = identical): Uint8Array {
  const own = doc.get('_id')
  if (own === undefined || !isSame(own, id))
    throw refusal('ImmutableField', "an update would modify the immutable field '_id'")
  checkId(own)
  const bytes = encode(doc.withIdFirst(() => id))
  if (bytes.length <= MAX_DOCUMENT_BYTES) return bytes
  throw locationRefusal(17419, `Resulting document is larger than ${MAX_DOCUMENT_BYTES}`)
}

/** Refuses values that can't be an `_id`. */
export function checkId(id: unknown): void {
  if (Array.isArray(id)) throw refusal('BadValue', "can't use an array for _id")
  if (id === undefined) throw refusal('BadValue', "can't use an undefined value for _id")
  if (typeOf(id) === 'regex') throw refusal('BadValue', "can't use a regex for _id")
  if (isDoc(id)) refuseDollars(id, '_id')
}

function refuseDollars(doc: Doc, where: string): void {
  const found = doc.fields.find(({ name }) => name.startsWith('$'))
  if (found)
    throw refusal('DollarPrefixedFieldName', `The field '${found.name}' is not allowed in ${where}`)
}
