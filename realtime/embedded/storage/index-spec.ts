// Index definitions. An index never promises more than the engine keeps: unknown options and
// special types of indexes are refused with MongoDB's codes.
import { Doc, type Field } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { parseFilter, type Filter } from '../query/filter.ts'

/**
 * A parsed index definition. `source` is the definition that is stored and that `listIndexes`
 * shows.
 */
export interface IndexSpec {
  readonly source: Doc
  readonly name: string
  readonly keyPattern: Doc
  readonly fields: readonly string[]
  readonly paths: readonly (readonly string[])[]
  readonly descending: readonly boolean[]
  readonly unique: boolean
  readonly sparse: boolean
  readonly partial: Filter | undefined
  /** How long a document lives after the date in the index's only field, in seconds. */
  readonly expireAfterSeconds: number | undefined
}

const knownOptions = new Set([
  'v',
  'key',
  'name',
  'ns',
  'unique',
  'sparse',
  'partialFilterExpression',
  'expireAfterSeconds',
  'background',
  'hidden',
  'collation',
])

/** Parses a definition that `createIndexes` was given. Refuses what the engine can't do. */
export function parseIndexSpec(given: Doc): IndexSpec {
  const key = given.get('key')
  if (!isDoc(key))
    throw refusal(
      'FailedToParse',
      "The 'key' field is a required property of an index specification",
    )
  const fields = key.fields.map(({ name }) => name)
  if (fields.length === 0)
    throw refusal('CannotCreateIndex', 'Index keys cannot be an empty object')
  if (fields.length > 32)
    throw refusal('CannotCreateIndex', 'Index key pattern has too many fields')
  for (const { name: option } of given.fields) {
    if (!knownOptions.has(option)) {
      throw refusal(
        'InvalidIndexSpecificationOption',
        `The field '${option}' is not valid for an index specification.`,
      )
    }
  }
  const descending = fields.map((field) => directionOf(field, key.get(field)) < 0)
  const name =
    given.get('name') ??
    fields.map((field) => `${field}_${String(toNumber(key.get(field)))}`).join('_')
  if (typeof name !== 'string' || name === '' || name === '*')
    throw refusal('CannotCreateIndex', 'An index needs a name')
  checkOptions(given, fields)
  const partial = given.get('partialFilterExpression')
  const seconds = given.get('expireAfterSeconds')
  return {
    source: Doc.of([['v', 2], ['key', key], ['name', name], ...optionsOf(given)]),
    name,
    keyPattern: key,
    fields,
    paths: fields.map((field) => field.split('.')),
    descending,
    unique: given.get('unique') === true || isIdKey(fields),
    sparse: given.get('sparse') === true,
    partial: isDoc(partial) ? parsePartialFilter(partial) : undefined,
    expireAfterSeconds: seconds === undefined ? undefined : toNumber(seconds),
  }
}

/** The options that are stored, in the order of `listIndexes`. */
function optionsOf(given: Doc): [string, unknown][] {
  return ['unique', 'sparse', 'partialFilterExpression', 'expireAfterSeconds']
    .map((option): [string, unknown] => [option, given.get(option)])
    .filter(([, value]) => value !== undefined)
}

/** The filters that MongoDB 5.0 allows in a partial index. */
function parsePartialFilter(given: Doc): Filter {
  const filter = parseFilter(given)
  checkPartial(filter, given, true)
  return filter
}

function checkPartial(filter: Filter, given: Doc, top: boolean): void {
  if (filter.kind === 'and' && top) {
    for (const part of filter.filters) checkPartial(part, given, part.kind === 'and')
    return
  }
  if (filter.kind === 'compare' || filter.kind === 'exists' || filter.kind === 'type') return
  throw refusal(
    'CannotCreateIndex',
    `unsupported expression in partial index: ${filter.kind} of ${given.fields.map((field: Field) => field.name).join(', ')}`,
  )
}

function isIdKey(fields: readonly string[]): boolean {
  return fields.length === 1 && fields[0] === '_id'
}

/** Whether a name with a `$` belongs to a DBRef, whose fields can be indexed. */
const isReferencePart = (part: string): boolean => ['$ref', '$id', '$db'].includes(part)

function directionOf(field: string, direction: unknown): number {
  if (field === '' || field.startsWith('.') || field.endsWith('.') || field.includes('..')) {
    throw refusal('CannotCreateIndex', 'Index keys cannot contain an empty field.')
  }
  const parts = field.split('.')
  if (parts.some((part, at) => part.startsWith('$') && !(at > 0 && isReferencePart(part)))) {
    throw refusal(
      'CannotCreateIndex',
      `Index key contains an illegal field name: field name starts with '$': ${field}`,
    )
  }
  if (typeof direction === 'string')
    throw refusal('CannotCreateIndex', `Unknown index plugin '${direction}'`)
  const number = toNumber(direction)
  if (number === undefined || !(number > 0 || number < 0)) {
    throw refusal(
      'CannotCreateIndex',
      'Values in an index key pattern must be positive or negative numbers',
    )
  }
  return number
}

function checkOptions(given: Doc, fields: readonly string[]): void {
  if (given.get('hidden') === true)
    throw refusal('NotImplemented', 'hidden indexes are not supported')
  const collation = given.get('collation')
  if (isDoc(collation) && collation.get('locale') !== 'simple')
    throw refusal('NotImplemented', 'collation is not supported')
  for (const option of ['unique', 'sparse'] as const) {
    if (given.has(option) && typeof given.get(option) !== 'boolean') {
      throw refusal(
        'TypeMismatch',
        `The field '${option}' has value that is not convertible to bool`,
      )
    }
  }
  if (given.has('partialFilterExpression')) {
    if (!isDoc(given.get('partialFilterExpression'))) {
      throw refusal('TypeMismatch', "The field 'partialFilterExpression' must be an object")
    }
    if (given.get('sparse') === true)
      throw refusal(
        'CannotCreateIndex',
        'cannot mix "partialFilterExpression" and "sparse" options',
      )
  }
  if (isIdKey(fields)) checkIdIndex(given)
  const expiry = given.get('expireAfterSeconds')
  if (expiry === undefined) return
  const seconds = toNumber(expiry)
  if (seconds === undefined)
    throw refusal(
      'CannotCreateIndex',
      `TTL index 'expireAfterSeconds' option must be numeric, but received a type of '${typeOf(expiry)}'`,
    )
  if (!(seconds >= 0 && seconds <= 2147483647)) {
    throw refusal(
      'CannotCreateIndex',
      "TTL index 'expireAfterSeconds' option must be within an acceptable range, try a different value than " +
        String(seconds),
    )
  }
  if (fields.length > 1)
    throw refusal(
      'CannotCreateIndex',
      'TTL indexes are single-field indexes, compound indexes do not support TTL',
    )
}

function checkIdIndex(given: Doc): void {
  for (const option of [
    'sparse',
    'partialFilterExpression',
    'expireAfterSeconds',
    'unique',
  ] as const) {
    if (given.has(option) && given.get(option) !== false) {
      throw refusal(
        'InvalidIndexSpecificationOption',
        `The field '${option}' is not valid for an _id index specification.`,
      )
    }
  }
}
