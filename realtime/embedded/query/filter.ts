// Parses MongoDB's query language into a tree, which the matcher compiles and the planner reads.
// Whatever it doesn't know it refuses, so that no operator is ever ignored.
import { BSONRegExp } from 'bson'
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc, typeOf, type TypeName } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { compileExpression } from '../expression/compile.ts'
import { isTrue, type Expression, type Variables } from '../expression/expression.ts'
import type { Regex } from '../regex/regex.ts'
import { toRegex, typeNames } from './operands.ts'

export type Comparison = 'eq' | 'gt' | 'gte' | 'lt' | 'lte'

/** The path of a condition on an array element itself. No field has this name. */
export const ELEMENT = '\0'

/** A parsed filter. */
export type Filter =
  | { kind: 'and' | 'or' | 'nor'; filters: Filter[] }
  | { kind: 'not'; filter: Filter }
  | { kind: 'compare'; path: string; op: Comparison; value: unknown }
  | { kind: 'in'; path: string; values: unknown[]; patterns: Regex[] }
  | { kind: 'exists'; path: string }
  | { kind: 'type'; path: string; types: ReadonlySet<TypeName> }
  | { kind: 'regex'; path: string; pattern: Regex }
  | { kind: 'size'; path: string; size: number }
  | { kind: 'elemMatch'; path: string; filter: Filter; objects: boolean }
  | { kind: 'expr'; expression: Expression }
  | { kind: 'never' }

/** Parses a filter document. `variables` are the values of `$$name` in `$expr`. */
export function parseFilter(query: Doc, variables: Variables = new Map()): Filter {
  const filters: Filter[] = []
  for (const { name, value: operand } of query.fields) {
    const parsed = name.startsWith('$')
      ? parseTopLevel(name, operand, variables)
      : parseField(name, operand, variables)
    if (parsed) filters.push(parsed)
  }
  return filters.length === 1 ? filters[0]! : { kind: 'and', filters }
}

function parseTopLevel(name: string, operand: unknown, variables: Variables): Filter | undefined {
  switch (name) {
    case '$and':
    case '$or':
    case '$nor':
      return parseLogical(name, operand, variables)
    case '$expr':
      return { kind: 'expr', expression: compileExpression(operand, variables) }
    case '$comment':
      return undefined
    default:
      throw refusal('BadValue', `unknown top level operator: ${name}`)
  }
}

function parseLogical(
  name: '$and' | '$or' | '$nor',
  operand: unknown,
  variables: Variables,
): Filter {
  if (!Array.isArray(operand)) throw refusal('BadValue', `${name} must be an array`)
  if (operand.length === 0) throw refusal('BadValue', '$and/$or/$nor must be a nonempty array')
  const filters = operand.map((entry) => {
    if (!isDoc(entry)) throw refusal('BadValue', '$or/$and/$nor entries need to be full objects')
    return parseFilter(entry, variables)
  })
  return { kind: name.slice(1) as 'and' | 'or' | 'nor', filters }
}

/**
 * Whether an operand consists of operators (`{$gt: 1}`) instead of being a value to compare with.
 */
export function isOperatorDoc(operand: unknown): operand is Doc {
  return isDoc(operand) && operand.firstName.startsWith('$') && !isReference(operand)
}

/** Whether a document is a DBRef, whose fields have the names of operators. */
function isReference(doc: Doc): boolean {
  return ['$ref', '$id'].includes(doc.firstName) && doc.has('$ref') && doc.has('$id')
}

function parseField(path: string, operand: unknown, variables: Variables): Filter {
  if (typeOf(operand) === 'regex') return { kind: 'regex', path, pattern: toRegex(operand) }
  if (!isOperatorDoc(operand)) return parseComparison(path, 'eq', operand)
  return parseOperators(path, operand, variables)
}

/** Parses the operators `{$op: operand, …}` of one path. */
function parseOperators(path: string, given: Doc, variables: Variables): Filter {
  const filters: Filter[] = []
  for (const { name, value: operand } of given.fields) {
    if (name === '$options') {
      if (!given.has('$regex')) throw refusal('BadValue', '$options needs a $regex')
    } else if (name === '$regex') {
      filters.push({ kind: 'regex', path, pattern: regexOf(given) })
    } else if (Object.hasOwn(operators, name)) {
      filters.push(operators[name]!(path, operand, variables))
    } else {
      throw refusal('BadValue', `unknown operator: ${name}`)
    }
  }
  return filters.length === 1 ? filters[0]! : { kind: 'and', filters }
}

/** The regular expression of `{$regex, $options}`, in either order. */
function regexOf(given: Doc): Regex {
  const first = given.fields.find(({ name }) => name === '$options' || name === '$regex')
  return toRegex(given.get('$regex'), given.get('$options'), first?.name === '$options')
}

type OperatorParser = (path: string, operand: unknown, variables: Variables) => Filter

const comparing =
  (op: Comparison): OperatorParser =>
  (path, operand) =>
    parseComparison(path, op, operand)

const operators: Readonly<Record<string, OperatorParser>> = {
  $eq: comparing('eq'),
  $gt: comparing('gt'),
  $gte: comparing('gte'),
  $lt: comparing('lt'),
  $lte: comparing('lte'),
  $ne: (path, operand) => {
    if (typeOf(operand) === 'regex') throw refusal('BadValue', "Can't have regex as arg to $ne.")
    return not(parseComparison(path, 'eq', operand))
  },
  $in: (path, operand) => parseIn(path, '$in', operand),
  $nin: (path, operand) => not(parseIn(path, '$nin', operand)),
  $not: parseNot,
  $exists: (path, operand) =>
    isTrue(operand) ? { kind: 'exists', path } : not({ kind: 'exists', path }),
  $type: (path, operand) => ({ kind: 'type', path, types: typeNames(operand) }),
  $size: parseSize,
  $all: parseAll,
  $elemMatch: parseElemMatch,
}

function not(filter: Filter): Filter {
  return { kind: 'not', filter }
}

function parseComparison(path: string, op: Comparison, operand: unknown): Filter {
  if (typeOf(operand) === 'regex' && op !== 'eq')
    throw refusal('BadValue', `Can't have RegEx as arg to predicate over field '${path}'.`)
  return { kind: 'compare', path, op, value: operand }
}

function parseIn(path: string, name: string, operand: unknown): Filter {
  if (!Array.isArray(operand)) throw refusal('BadValue', `${name} needs an array`)
  const values: unknown[] = operand
  if (values.some((value) => isOperatorDoc(value)))
    throw refusal('BadValue', `cannot nest $ under ${name}`)
  return {
    kind: 'in',
    path,
    values: values.filter((value) => typeOf(value) !== 'regex'),
    patterns: values.filter((value) => typeOf(value) === 'regex').map((value) => toRegex(value)),
  }
}

function parseNot(path: string, operand: unknown, variables: Variables): Filter {
  if (operand instanceof BSONRegExp) return not({ kind: 'regex', path, pattern: toRegex(operand) })
  if (!isDoc(operand)) throw refusal('BadValue', '$not needs a regex or a document')
  if (operand.size === 0) throw refusal('BadValue', '$not cannot be empty')
  const { firstName } = operand
  if (!isOperatorDoc(operand)) throw refusal('BadValue', `unknown operator: ${firstName}`)
  return not(parseOperators(path, operand, variables))
}

function parseSize(path: string, operand: unknown): Filter {
  const size = toNumber(operand)
  if (size === undefined || !Number.isInteger(size))
    throw refusal('BadValue', 'Failed to parse $size. Expected an integer')
  if (size < 0) throw refusal('BadValue', 'Failed to parse $size. Expected a non-negative number')
  return { kind: 'size', path, size }
}

function parseAll(path: string, operand: unknown, variables: Variables): Filter {
  if (!Array.isArray(operand)) throw refusal('BadValue', '$all needs an array')
  if (operand.length === 0) return { kind: 'never' }
  const isElemMatch = (entry: unknown): boolean => isDoc(entry) && entry.firstName === '$elemMatch'
  if (isElemMatch(operand[0]) && !operand.every(isElemMatch))
    throw refusal('BadValue', '$all/$elemMatch has to be consistent')
  const filters = operand.map((entry: unknown): Filter => {
    if (typeOf(entry) === 'regex') return { kind: 'regex', path, pattern: toRegex(entry) }
    if (!isOperatorDoc(entry)) return parseComparison(path, 'eq', entry)
    if (!isElemMatch(operand[0])) throw refusal('BadValue', 'no $ expressions in $all')
    return parseElemMatch(path, entry.get('$elemMatch'), variables)
  })
  return filters.length === 1 ? filters[0]! : { kind: 'and', filters }
}

const logicalOperators = new Set(['$and', '$or', '$nor', '$where'])

function parseElemMatch(path: string, operand: unknown, variables: Variables): Filter {
  if (!isDoc(operand)) throw refusal('BadValue', '$elemMatch needs an Object')
  const first = operand.firstName
  const objects = !first.startsWith('$') || logicalOperators.has(first)
  const filter = objects
    ? parseFilter(operand, variables)
    : parseOperators(ELEMENT, operand, variables)
  if (hasExpression(filter))
    throw refusal('BadValue', '$expr can only be applied to the top-level document')
  return { kind: 'elemMatch', path, filter, objects }
}

/** Whether a filter contains an `$expr`, which some places don't allow. */
function hasExpression(filter: Filter): boolean {
  switch (filter.kind) {
    case 'and':
    case 'or':
    case 'nor':
      return filter.filters.some(hasExpression)
    case 'not':
    case 'elemMatch':
      return hasExpression(filter.filter)
    default:
      return filter.kind === 'expr'
  }
}

/** Refuses `$expr` where MongoDB doesn't allow it. */
export function refuseExpression(filter: Filter): Filter {
  if (hasExpression(filter))
    throw refusal('QueryFeatureNotAllowed', '$expr is not allowed in this context')
  return filter
}
