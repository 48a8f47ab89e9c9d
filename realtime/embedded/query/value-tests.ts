// What query operators ask of one value. Comparisons stay within MongoDB's type brackets: `$gt: 5`
// never matches a string, null matches a missing field, and NaN equals only itself.
import { BSONRegExp, MaxKey, MinKey } from 'bson'
import { toNumber } from '../bson/numbers.ts'
import { bracketOf, compareValues, keyOf } from '../bson/order.ts'
import { isDoc, typeCalled, typeOf, type TypeName } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { isNullish } from '../expression/expression.ts'
import { pace } from '../pace.ts'
import { Regex } from '../regex/regex.ts'

export type Comparison = 'eq' | 'gt' | 'gte' | 'lt' | 'lte'

/** Whether an order of two values is what a comparison asks for. */
const holds: Record<Comparison, (order: number) => boolean> = {
  eq: (order) => order === 0,
  gt: (order) => order > 0,
  gte: (order) => order >= 0,
  lt: (order) => order < 0,
  lte: (order) => order <= 0,
}

export function comparison(op: Comparison, operand: unknown): ValueTest {
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

/** Whether a value is one of those, or matches one of the regular expressions among them. */
export function membership(operands: readonly unknown[]): ValueTest {
  const isRegex = (operand: unknown): boolean => typeOf(operand) === 'regex'
  const isText = (value: unknown): boolean => typeof value === 'string'
  const identity = (value: unknown): string => keyOf(value).toString('latin1')
  const values = operands.filter((operand) => !isRegex(operand))
  const texts = new Set(values.filter(isText))
  const others = new Set(values.filter((value) => !isText(value)).map(identity))
  const nullToo = values.includes(null)
  const patterns = operands.filter(isRegex).map((operand) => matchesText(toRegex(operand)))
  return (value) => {
    if (isNullish(value)) return nullToo
    if (isText(value) ? texts.has(value) : others.size > 0 && others.has(identity(value)))
      return true
    return patterns.some((matches) => matches(value))
  }
}

/** A regular expression matches texts, and a stored regular expression that is the same. */
export function matchesText(regex: Regex): ValueTest {
  return (value) => {
    if (typeof value === 'string') return regex.test(value)
    if (!(value instanceof BSONRegExp)) return false
    const options = [...regex.options].sort().join('')
    return value.pattern === regex.source && value.options === options
  }
}

/** `$options` may come before or after `$regex`; the refusal of options in both differs. */
export function toRegex(operand: unknown, givenOptions?: unknown, areFirst = false): Regex {
  if (givenOptions !== undefined && typeof givenOptions !== 'string')
    throw refusal('BadValue', '$options has to be a string')
  if (typeof operand !== 'string' && !(operand instanceof BSONRegExp))
    throw refusal('BadValue', '$regex has to be a string')
  const [source, own] =
    typeof operand === 'string' ? [operand, ''] : [operand.pattern, operand.options]
  const isTwice = areFirst ? Boolean(givenOptions) : givenOptions !== undefined
  if (own !== '' && isTwice)
    throw locationRefusal(areFirst ? 51074 : 51075, 'options set in both $regex and $options')
  const options = givenOptions || own
  const invalid = /[^imsx]/.exec(options)
  if (invalid) throw locationRefusal(51108, `invalid flag in regex options: ${invalid[0]}`)
  if (source.includes('\0')) throw refusal('BadValue', '$regex cannot contain a null byte')
  return new Regex(source, options, () => void pace.isDue)
}

/** The types that the operand of `$type` names: an alias, a number, or an array of them. */
export function typeNames(operand: unknown): ReadonlySet<TypeName> {
  const entries: unknown[] = Array.isArray(operand) ? operand : [operand]
  if (entries.length === 0) throw refusal('FailedToParse', '$type must match at least one type')
  return new Set(entries.flatMap(namedTypes))
}

function namedTypes(entry: unknown): TypeName[] {
  if (entry === 'number') return ['int', 'long', 'double', 'decimal']
  const alias = typeof entry === 'string' ? entry : toNumber(entry)
  if (alias === undefined) throw refusal('TypeMismatch', 'type must be a number or a string')
  const type = typeCalled(alias)
  if (type) return [type]
  throw refusal('BadValue', `Unknown type name alias or numerical type code: ${alias}`)
}

export type ValueTest = (value: unknown) => boolean

/**
 * Whether a value at `path`, from its part `from` on, passes the test. The path leads through
 * objects and through the elements of arrays on the way; one that leads nowhere yields undefined
 * once. With `expands`, the elements of an array at its end are tested before the array itself.
 */
export function someValue(
  root: unknown,
  path: readonly string[],
  expands: boolean,
  test: ValueTest,
  from = 0,
): boolean {
  let value = root
  for (let at = from; at < path.length; at++) {
    const part = path[at]!
    if (Array.isArray(value)) {
      const offset = /^(?:0|[1-9]\d*)$/.test(part) ? Number(part) : -1
      return value.some((element: unknown, index) => {
        if (isDoc(element) && someValue(element, path, expands, test, at)) return true
        if (index !== offset) return false
        if (at === path.length - 1) return test(element)
        // In a scalar, the rest of the path finds nothing, not even undefined.
        const hasMore = isDoc(element) || Array.isArray(element)
        return hasMore && someValue(element, path, expands, test, at + 1)
      })
    }
    if (!isDoc(value)) return test(undefined)
    value = value.get(part)
    if (value === undefined) return test(undefined)
  }
  if (expands && path.length > 0 && Array.isArray(value) && value.some(test)) return true
  return test(value)
}
