// How the unified test format compares an actual value with an expected one.
import { BSON, type Document } from 'mongodb'

const bsonTypes: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string',
  int: (value) => Number.isInteger(value),
  long: (value) => Number.isInteger(value) || value instanceof BSON.Long,
  double: (value) => typeof value === 'number',
  number: (value) => typeof value === 'number' || value instanceof BSON.Long,
  object: (value) => isObject(value),
  array: (value) => Array.isArray(value),
  objectId: (value) => value instanceof BSON.ObjectId,
  bool: (value) => typeof value === 'boolean',
  date: (value) => value instanceof Date,
  timestamp: (value) => value instanceof BSON.Timestamp,
  null: (value) => value === null,
}

export function isObject(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Why the value differs from what is expected; undefined if it doesn't. */
export function difference(
  actual: unknown,
  expected: unknown,
  entities: ReadonlyMap<string, unknown>,
  path = '',
): string | undefined {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length)
      return `${path}: ${show(actual)} instead of ${show(expected)}`
    return firstOf(
      expected.map((item, at) => difference(actual[at], item, entities, `${path}.${at}`)),
    )
  }
  if (!isObject(expected) || expected._bsontype || expected instanceof Date) {
    const same = show(plain(actual)) === show(plain(expected))
    return same ? undefined : `${path}: ${show(actual)} instead of ${show(expected)}`
  }
  const [operator] = Object.keys(expected)
  if (operator?.startsWith('$$')) return special(operator, actual, expected, entities, path)
  if (!isObject(actual)) return `${path}: ${show(actual)} instead of ${show(expected)}`
  const missing = Object.entries(expected).map(([name, value]) => {
    const isAbsent = isObject(value) && value.$$exists === false
    if (isAbsent) return actual[name] === undefined ? undefined : `${path}.${name} exists`
    return difference(actual[name], value, entities, `${path}.${name}`)
  })
  return firstOf(missing)
}

const firstOf = (found: readonly (string | undefined)[]): string | undefined =>
  found.find((one) => one !== undefined)

function special(
  operator: string,
  actual: unknown,
  expected: Document,
  entities: ReadonlyMap<string, unknown>,
  path: string,
): string | undefined {
  const operand: unknown = expected[operator]
  switch (operator) {
    case '$$exists':
      return (actual !== undefined) === operand
        ? undefined
        : `${path}: exists is not ${String(operand)}`
    case '$$type': {
      const types = (Array.isArray(operand) ? operand : [operand]) as string[]
      return types.some((type) => bsonTypes[type]?.(actual)) ? undefined : `${path}: wrong type`
    }
    case '$$unsetOrMatches':
      return actual === undefined ? undefined : difference(actual, operand, entities, path)
    case '$$matchesEntity':
      return difference(actual, entities.get(operand as string), entities, path)
    case '$$lte':
      return Number(actual) <= Number(operand) ? undefined : `${path}: ${show(actual)} is too large`
    default:
      throw new Error(`the runner doesn't know ${operator}`)
  }
}

/** Numbers are compared by value, whatever their type. */
function plain(value: unknown): unknown {
  if (value instanceof BSON.Long || value instanceof BSON.Int32 || value instanceof BSON.Double)
    return Number(value)
  return value ?? null
}

const show = (value: unknown): string => BSON.EJSON.stringify(value as Document, { relaxed: true })
