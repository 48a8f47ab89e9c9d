// Index definitions. An index never promises more than the engine keeps: unknown options and
// special types of indexes are refused with MongoDB's codes.
import { isDoc, typeOf, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
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
  const key = given.key
  if (!isDoc(key))
    throw refusal(
      'FailedToParse',
      "The 'key' field is a required property of an index specification",
    )
  const fields = Object.keys(key)
  if (fields.length === 0)
    throw refusal('CannotCreateIndex', 'Index keys cannot be an empty object')
  if (fields.length > 32)
    throw refusal('CannotCreateIndex', 'Index key pattern has too many fields')
  for (const option of Object.keys(given)) {
    if (!knownOptions.has(option)) {
      throw refusal(
        'InvalidIndexSpecificationOption',
        `The field '${option}' is not valid for an index specification.`,
      )
    }
  }
  const descending = fields.map((field) => directionOf(field, key[field]) < 0)
  const name =
    given.name === undefined
      ? fields.map((field) => `${field}_${String(toNumber(key[field]))}`).join('_')
      : given.name
  if (typeof name !== 'string' || name === '' || name === '*')
    throw refusal('CannotCreateIndex', 'An index needs a name')
  checkOptions(given, fields)
  const source: Doc = { v: 2, key, name }
  for (const option of [
    'unique',
    'sparse',
    'partialFilterExpression',
    'expireAfterSeconds',
  ] as const) {
    if (given[option] !== undefined) source[option] = given[option]
  }
  const partial = given.partialFilterExpression
  return {
    source,
    name,
    keyPattern: key,
    fields,
    paths: fields.map((field) => field.split('.')),
    descending,
    unique: given.unique === true || isIdKey(fields),
    sparse: given.sparse === true,
    partial: isDoc(partial) ? parseFilter(partial) : undefined,
    expireAfterSeconds:
      given.expireAfterSeconds === undefined ? undefined : toNumber(given.expireAfterSeconds),
  }
}

function isIdKey(fields: readonly string[]): boolean {
  return fields.length === 1 && fields[0] === '_id'
}

function directionOf(field: string, direction: unknown): number {
  if (field === '' || field.startsWith('.') || field.endsWith('.') || field.includes('..')) {
    throw refusal('CannotCreateIndex', 'Index keys cannot contain an empty field.')
  }
  if (field.startsWith('$') || field.includes('$**')) {
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
  if (given.hidden === true) throw refusal('NotImplemented', 'hidden indexes are not supported')
  if (isDoc(given.collation) && given.collation.locale !== 'simple')
    throw refusal('NotImplemented', 'collation is not supported')
  for (const option of ['unique', 'sparse'] as const) {
    if (given[option] !== undefined && typeof given[option] !== 'boolean') {
      throw refusal(
        'TypeMismatch',
        `The field '${option}' has value that is not convertible to bool`,
      )
    }
  }
  if (given.partialFilterExpression !== undefined) {
    if (!isDoc(given.partialFilterExpression)) {
      throw refusal('TypeMismatch', "The field 'partialFilterExpression' must be an object")
    }
    if (given.sparse === true)
      throw refusal(
        'CannotCreateIndex',
        'cannot mix "partialFilterExpression" and "sparse" options',
      )
  }
  if (isIdKey(fields)) checkIdIndex(given)
  if (given.expireAfterSeconds === undefined) return
  const seconds = toNumber(given.expireAfterSeconds)
  if (seconds === undefined)
    throw refusal(
      'CannotCreateIndex',
      `TTL index 'expireAfterSeconds' option must be numeric, but received a type of '${typeOf(given.expireAfterSeconds)}'`,
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
    if (given[option] !== undefined && given[option] !== false) {
      throw refusal(
        'InvalidIndexSpecificationOption',
        `The field '${option}' is not valid for an _id index specification.`,
      )
    }
  }
}
