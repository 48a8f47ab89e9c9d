// Parses the query language of MongoDB into a tree, which the planner reads, and compiles the tree
// into a function. Whatever it doesn't know, it refuses, so that no operator is ever ignored.
import { BSONRegExp } from 'bson'
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc, typeOf, type TypeName } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { compileExpression, isTrue, type Variables } from '../expression/expression.ts'
import {
  comparison,
  matchesText,
  membership,
  someValue,
  toRegex,
  typeNames,
  type Comparison,
  type ValueTest,
} from './value-tests.ts'

type Meaning =
  | { kind: 'compare'; op: Comparison; value: unknown }
  | { kind: 'in'; values: unknown[] }
  | { kind: 'exists' | 'other' }
  | { kind: 'type'; types: ReadonlySet<TypeName> }

/** Whether a value, normally a document, matches. */
export type Matcher = (value: unknown) => boolean

export type Filter = { readonly matches: Matcher } & (
  | { kind: 'and' | 'or' | 'nor'; filters: Filter[] }
  | { kind: 'not'; filter: Filter }
  | { kind: 'expr' }
  | (Meaning & { path: string })
)

/** The path of a condition on an array element itself. No field has this name. */
const ELEMENT = '\0'

export function parseFilter(query: Doc, variables: Variables = new Map()): Filter {
  return allOf(
    query.fields
      .filter(({ name }) => name !== '$comment')
      .map(({ name, value }) => {
        if (name.startsWith('$')) return parseTopLevel(name, value, variables)
        return isOperatorDoc(value) ? parseOperators(name, value, variables) : equal(name, value)
      }),
  )
}

export function allOf(filters: Filter[]): Filter {
  if (filters.length === 1) return filters[0]!
  return { kind: 'and', filters, matches: (value) => filters.every((one) => one.matches(value)) }
}

/** A condition on the values at a path. With `expands`, an array there is looked into. */
function condition(path: string, meaning: Meaning, test: ValueTest, expands = true): Filter {
  const parts = path === ELEMENT ? [] : path.split('.')
  return { ...meaning, path, matches: (value) => someValue(value, parts, expands, test) }
}

function parseTopLevel(name: string, operand: unknown, variables: Variables): Filter {
  if (name === '$expr') {
    const expression = compileExpression(operand, variables)
    return { kind: 'expr', matches: (value) => isTrue(expression.of(value as Doc)) }
  }
  if (name !== '$and' && name !== '$or' && name !== '$nor')
    throw bad(`unknown top level operator: ${name}`)
  if (!Array.isArray(operand) || operand.length === 0) throw bad(`${name} must be a nonempty array`)
  const filters = operand.map((entry: unknown) => {
    if (!isDoc(entry)) throw bad('$or/$and/$nor entries need to be full objects')
    return parseFilter(entry, variables)
  })
  if (name === '$and') return allOf(filters)
  const [kind, expected] = name === '$or' ? (['or', true] as const) : (['nor', false] as const)
  return { kind, filters, matches: (value) => filters.some((f) => f.matches(value)) === expected }
}

const bad = (message: string): Error => refusal('BadValue', message)

/** Whether an operand consists of operators. The fields of a DBRef have names like operators. */
export function isOperatorDoc(operand: unknown): operand is Doc {
  if (!isDoc(operand) || !operand.firstName.startsWith('$')) return false
  const isFirst = ['$ref', '$id'].includes(operand.firstName)
  return !(isFirst && operand.has('$ref') && operand.has('$id'))
}

function equal(path: string, operand: unknown): Filter {
  return typeOf(operand) === 'regex' ? matching(path, operand) : compare(path, 'eq', operand)
}

function parseOperators(path: string, given: Doc, variables: Variables): Filter {
  const names = given.fields.map(({ name }) => name)
  if (names.includes('$options') && !names.includes('$regex')) throw bad('$options needs a $regex')
  const areFirst = names.indexOf('$options') < names.indexOf('$regex')
  return allOf(
    given.fields
      .filter(({ name }) => name !== '$options')
      .map(({ name, value }) => {
        if (name === '$regex') return matching(path, value, given.get('$options'), areFirst)
        if (Object.hasOwn(operators, name)) return operators[name]!(path, value, variables)
        throw bad(`unknown operator: ${name}`)
      }),
  )
}

type OperatorParser = (path: string, operand: unknown, variables: Variables) => Filter

const comparing =
  (op: Comparison): OperatorParser =>
  (path, operand) =>
    compare(path, op, operand)

const operators: Readonly<Record<string, OperatorParser>> = {
  $eq: comparing('eq'),
  $gt: comparing('gt'),
  $gte: comparing('gte'),
  $lt: comparing('lt'),
  $lte: comparing('lte'),
  $ne: (path, operand) => {
    if (typeOf(operand) === 'regex') throw bad("Can't have regex as arg to $ne.")
    return not(compare(path, 'eq', operand))
  },
  $in: isIn,
  $nin: (path, operand) => not(isIn(path, operand)),
  $not: parseNot,
  $exists: (path, operand) => (isTrue(operand) ? exists(path) : not(exists(path))),
  $type: (path, operand) => {
    const types = typeNames(operand)
    const test: ValueTest = (value) => value !== undefined && types.has(typeOf(value))
    return condition(path, { kind: 'type', types }, test)
  },
  $size: parseSize,
  $all: parseAll,
  $elemMatch: parseElemMatch,
}

function not(filter: Filter): Filter {
  return { kind: 'not', filter, matches: (value) => !filter.matches(value) }
}

export function exists(path: string): Filter {
  return condition(path, { kind: 'exists' }, (value) => value !== undefined, false)
}

export function compare(path: string, op: Comparison, value: unknown): Filter {
  if (typeOf(value) === 'regex' && op !== 'eq') throw bad(`Can't have RegEx as arg to $${op}`)
  return condition(path, { kind: 'compare', op, value }, comparison(op, value))
}

function matching(path: string, ...operand: Parameters<typeof toRegex>): Filter {
  return condition(path, { kind: 'other' }, matchesText(toRegex(...operand)))
}

function isIn(path: string, operand: unknown): Filter {
  if (!Array.isArray(operand)) throw bad('$in and $nin need an array')
  const values: unknown[] = operand
  if (values.some(isOperatorDoc)) throw bad('cannot nest $ under $in')
  return condition(path, { kind: 'in', values }, membership(values))
}

function parseNot(path: string, operand: unknown, variables: Variables): Filter {
  if (operand instanceof BSONRegExp) return not(matching(path, operand))
  if (!isDoc(operand) || operand.size === 0) throw bad('$not needs a regex or a document')
  const name = operand.firstName
  if (isOperatorDoc(operand)) return not(parseOperators(path, operand, variables))
  throw bad(`unknown operator: ${name}`)
}

function parseSize(path: string, operand: unknown): Filter {
  const size = toNumber(operand) ?? NaN
  if (!Number.isInteger(size) || size < 0) throw bad('$size needs a whole number from 0 on')
  const test: ValueTest = (value) => Array.isArray(value) && value.length === size
  return condition(path, { kind: 'other' }, test, false)
}

function parseAll(path: string, operand: unknown, variables: Variables): Filter {
  if (!Array.isArray(operand)) throw bad('$all needs an array')
  if (operand.length === 0) return isIn(path, [])
  const isElemMatch = (entry: unknown): boolean => isDoc(entry) && entry.firstName === '$elemMatch'
  if (isElemMatch(operand[0]) && !operand.every(isElemMatch))
    throw bad('$all/$elemMatch has to be consistent')
  const filters = operand.map((entry: unknown): Filter => {
    if (!isOperatorDoc(entry)) return equal(path, entry)
    if (!isElemMatch(operand[0])) throw bad('no $ expressions in $all')
    return parseElemMatch(path, entry.get('$elemMatch'), variables)
  })
  return allOf(filters)
}

function parseElemMatch(path: string, operand: unknown, variables: Variables): Filter {
  if (!isDoc(operand)) throw bad('$elemMatch needs an Object')
  const first = operand.firstName
  const isOfObjects = !first.startsWith('$') || ['$and', '$or', '$nor', '$where'].includes(first)
  const filter = isOfObjects
    ? parseFilter(operand, variables)
    : parseOperators(ELEMENT, operand, variables)
  if (hasExpression(filter)) throw bad('$expr can only be applied to the top-level document')
  const isMatch: ValueTest = (element) => {
    if (!isOfObjects || isDoc(element)) return filter.matches(element)
    return Array.isArray(element) && filter.matches(withIndexes(element))
  }
  const test: ValueTest = (value) => Array.isArray(value) && value.some(isMatch)
  return condition(path, { kind: 'other' }, test, false)
}

function withIndexes(array: readonly unknown[]): Doc {
  return Doc.of(array.map((value, index) => [String(index), value] as const))
}

/** Whether a filter contains an `$expr`, which some places don't allow. */
function hasExpression(filter: Filter): boolean {
  if (filter.kind === 'not') return hasExpression(filter.filter)
  return 'filters' in filter ? filter.filters.some(hasExpression) : filter.kind === 'expr'
}

export function refuseExpression(filter: Filter): Filter {
  if (!hasExpression(filter)) return filter
  throw refusal('QueryFeatureNotAllowed', '$expr is not allowed in this context')
}
