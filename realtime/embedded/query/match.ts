// Compiles a parsed filter into a function. Comparisons stay within MongoDB's type brackets: `$gt:
// 5` never matches a string, null matches a missing field, and NaN equals only itself.
import { MaxKey, MinKey, type BSONRegExp } from 'bson'
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { bracketOf, compareValues, keyOf } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { isNullish, isTrue } from '../expression/expression.ts'
import type { Regex } from '../regex/regex.ts'
import { ELEMENT, type Comparison, type Filter } from './filter.ts'
import { someValue, type ValueTest } from './path.ts'

/** Whether a value, normally a document, matches. */
export type Matcher = (value: unknown) => boolean

export function compileFilter(filter: Filter): Matcher {
  switch (filter.kind) {
    case 'and':
      return all(filter.filters.map(compileFilter))
    case 'or':
      return some(filter.filters.map(compileFilter))
    case 'nor': {
      const any = some(filter.filters.map(compileFilter))
      return (value) => !any(value)
    }
    case 'not': {
      const inner = compileFilter(filter.filter)
      return (value) => !inner(value)
    }
    case 'expr':
      return (value) => isTrue(filter.expression.of(value as Doc))
    case 'never':
      return () => false
    default:
      return compileLeaf(filter)
  }
}

function all(matchers: Matcher[]): Matcher {
  if (matchers.length === 1) return matchers[0]!
  return (value) => matchers.every((matches) => matches(value))
}

function some(matchers: Matcher[]): Matcher {
  return (value) => matchers.some((matches) => matches(value))
}

type Leaf = Exclude<Filter, { kind: 'and' | 'or' | 'nor' | 'not' | 'expr' | 'never' }>

function compileLeaf(filter: Leaf): Matcher {
  const path = filter.path === ELEMENT ? [] : filter.path.split('.')
  const [test, expandLeaf] = testOf(filter)
  return (value) => someValue(value, path, expandLeaf, test)
}

/** The test of a leaf, and whether it looks into an array at the end of the path. */
function testOf(filter: Leaf): [test: ValueTest, expandLeaf: boolean] {
  switch (filter.kind) {
    case 'compare':
      return [comparison(filter.op, filter.value), true]
    case 'in':
      return [membership(filter.values, filter.patterns), true]
    case 'exists':
      return [(value) => value !== undefined, false]
    case 'type':
      return [(value) => value !== undefined && filter.types.has(typeOf(value)), true]
    case 'regex':
      return [matchesText(filter.pattern), true]
    case 'size':
      return [(value) => Array.isArray(value) && value.length === filter.size, false]
    case 'elemMatch':
      return [elemMatch(compileFilter(filter.filter), filter.objects), false]
  }
}

function elemMatch(matches: Matcher, objects: boolean): ValueTest {
  return (value) =>
    Array.isArray(value) &&
    value.some((element: unknown) => {
      if (!objects || isDoc(element)) return matches(element)
      return Array.isArray(element) && matches(withIndexes(element))
    })
}

/** An array as the object of its elements, whose names are the indexes. */
function withIndexes(array: readonly unknown[]): Doc {
  return Doc.of(array.map((value, index) => [String(index), value] as const))
}

/** A regular expression matches texts, and a stored regular expression that is the same. */
function matchesText(regex: Regex): ValueTest {
  return (value) => {
    if (typeof value === 'string') return regex.test(value)
    if (typeOf(value) !== 'regex') return false
    const { pattern, options } = value as BSONRegExp
    return pattern === regex.source && options === [...regex.options].sort().join('')
  }
}

/** The test of a comparison operator with its operand. */
function comparison(op: Comparison, operand: unknown): ValueTest {
  if (operand === null)
    return op === 'gt' || op === 'lt' ? () => false : (value) => isNullish(value)
  if (op !== 'eq' && (operand instanceof MinKey || operand instanceof MaxKey))
    return extreme(op, operand)
  const bracket = bracketOf(operand)
  const isRight = holds[op]
  const isText = typeof operand === 'string'
  const isNumber = bracket === bracketOf(1)
  const isOperandNaN = Number.isNaN(toNumber(operand))
  return (value) => {
    if (value === operand) return isRight(0)
    if (isText && typeof value === 'string') return isRight(compareValues(value, operand))
    if (value === undefined || bracketOf(value) !== bracket) return false
    // NaN has no order: it equals itself.
    if (isNumber && (isOperandNaN || Number.isNaN(toNumber(value))))
      return isOperandNaN && Number.isNaN(toNumber(value)) && isRight(0)
    return isRight(compareValues(value, operand))
  }
}

/** As operands, MinKey is below and MaxKey above values of every other type. */
function extreme(op: Comparison, operand: MinKey | MaxKey): ValueTest {
  const isBeyond = operand instanceof MaxKey ? op === 'lt' || op === 'lte' : op.startsWith('gt')
  return (value) => (bracketOf(value) === bracketOf(operand) ? holds[op](0) : isBeyond)
}

/** Whether an order of two values is what a comparison asks for. */
const holds: Record<Comparison, (order: number) => boolean> = {
  eq: (order) => order === 0,
  gt: (order) => order > 0,
  gte: (order) => order >= 0,
  lt: (order) => order < 0,
  lte: (order) => order <= 0,
}

function membership(values: readonly unknown[], patterns: readonly Regex[]): ValueTest {
  const texts = new Set(values.filter((value) => typeof value === 'string'))
  const others = new Set(
    values.filter((value) => typeof value !== 'string').map((value) => identity(value)),
  )
  const nullToo = values.includes(null)
  const expressions = patterns.map((pattern) => matchesText(pattern))
  return (value) => {
    if (isNullish(value)) return nullToo
    if (
      typeof value === 'string' ? texts.has(value) : others.size > 0 && others.has(identity(value))
    )
      return true
    return expressions.some((matches) => matches(value))
  }
}

function identity(value: unknown): string {
  return keyOf(value).toString('latin1')
}
