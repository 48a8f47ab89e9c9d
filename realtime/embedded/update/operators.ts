// The update operators. The update description contains a changed array as a whole, except for
// elements that were appended, which it contains one by one.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { identical } from '../bson/encode.ts'
import { arithmetic, isNumeric, toNumber } from '../bson/numbers.ts'
import { compareValues, sameValue } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import { compileFilter, isOperatorDoc, parseFilter, refuseExpression } from '../query/filter.ts'
import { Appended, removed, type Modification, type TargetOperation } from './targets.ts'

type OperatorParser = (
  path: string,
  operand: unknown,
  variables: Variables,
) => Omit<Modification, 'path'>

/** The operators that the engine claims. */
export const updateOperators: Record<string, OperatorParser> = {
  $set: (_, operand) => ({ operation: set(operand) }),
  $setOnInsert: (_, operand) => ({ operation: set(operand), onInsertOnly: true }),
  $unset: () => ({ operation: unset, existing: true, lenient: true }),
  $inc: (path, operand) => ({ operation: increase('$inc', path, operand) }),
  $mul: (path, operand) => ({ operation: increase('$mul', path, operand) }),
  $min: (_, operand) => ({ operation: extreme(-1, operand) }),
  $max: (_, operand) => ({ operation: extreme(1, operand) }),
  $push: (path, operand) => ({ operation: push(path, operand) }),
  $addToSet: (path, operand) => ({ operation: addToSet(path, operand) }),
  $pull: (path, operand, variables) => ({
    operation: pull(path, operand, variables),
    existing: true,
  }),
}

/** The new value, or the old one itself if the new one is the same. */
function changed(before: unknown, after: unknown): unknown {
  return before !== undefined && identical(before, after) ? before : after
}

function set(operand: unknown): TargetOperation {
  return ({ value }) => changed(value, operand)
}

/** `$unset` removes a field and sets an array element to null. */
const unset: TargetOperation = ({ value, inArray }) => {
  if (value === undefined) return value
  return inArray ? changed(value, null) : removed
}

function increase(name: '$inc' | '$mul', path: string, operand: unknown): TargetOperation {
  const refuseType = (value: unknown): never => {
    throw refusal('TypeMismatch', `${name} at '${path}' needs numbers, not ${typeOf(value)}`)
  }
  if (!isNumeric(operand)) refuseType(operand)
  return ({ value: before }) => {
    if (before !== undefined && !isNumeric(before)) refuseType(before)
    if (before === undefined && name === '$inc') return operand
    const result = arithmetic(name === '$inc' ? '+' : '*', before ?? new Int32(0), operand)
    if (result !== undefined) return changed(before, result)
    throw refusal('BadValue', `${name} of the value ${String(before)} at '${path}' would overflow`)
  }
}

function extreme(sign: 1 | -1, operand: unknown): TargetOperation {
  return ({ value: before }) =>
    before === undefined || sign * compareValues(operand, before) > 0 ? operand : before
}

function arrayOf(name: string, path: string, value: unknown): unknown[] | undefined {
  if (value === undefined || Array.isArray(value)) return value
  throw refusal('BadValue', `${name}: the field '${path}' must be an array, not ${typeOf(value)}`)
}

/** `$push` with its clauses `$each` and `$slice`. */
function push(path: string, operand: unknown): TargetOperation {
  const clauses = isDoc(operand) && operand.has('$each') ? operand : undefined
  const other = (clauses ?? Doc.empty).without('$each').without('$slice').firstName
  if (other || (!clauses && isOperatorDoc(operand)))
    throw refusal('NotImplemented', `$push with ${other || 'no $each'} is not supported`)
  const added = clauses ? eachOf('$push', clauses) : [operand]
  const given = clauses?.has('$slice') ? (toNumber(clauses.get('$slice')) ?? NaN) : undefined
  if (given !== undefined && !Number.isInteger(given))
    throw refusal('BadValue', 'The value for $slice must be an integer value')
  const slice = given ?? Infinity
  return ({ value }) => {
    const before = arrayOf('$push', path, value)
    const array = [...(before ?? []), ...added]
    const result = slice < 0 ? array.slice(slice) : array.slice(0, slice)
    if (result.length < array.length) return result
    if (before && added.length === 0) return before
    return before && before.length > 0 ? new Appended(result, before.length) : result
  }
}

function eachOf(name: '$push' | '$addToSet', clauses: Doc): unknown[] {
  const each = clauses.get('$each')
  if (Array.isArray(each)) return each
  const code = name === '$push' ? 'BadValue' : 'TypeMismatch'
  throw refusal(code, `The argument to $each in ${name} must be an array, not ${typeOf(each)}`)
}

/** `$addToSet`, with or without `$each`. */
function addToSet(path: string, operand: unknown): TargetOperation {
  const clauses = isDoc(operand) && operand.firstName === '$each' ? operand : undefined
  const candidates = clauses ? eachOf('$addToSet', clauses) : [operand]
  if (clauses && clauses.size > 1)
    throw refusal('BadValue', 'Found unexpected fields after $each in $addToSet')
  return ({ value }) => {
    const before = arrayOf('$addToSet', path, value)
    const array = [...(before ?? [])]
    for (const candidate of candidates)
      if (!array.some((element) => sameValue(element, candidate))) array.push(candidate)
    if (!before) return array
    return array.length > before.length ? new Appended(array, before.length) : before
  }
}

/** `$pull` removes the elements that equal a value or match a condition. */
function pull(path: string, operand: unknown, variables: Variables): TargetOperation {
  const matches = conditionOf(operand, variables)
  return ({ value }) => {
    const before = arrayOf('$pull', path, value)
    const rest = before?.filter((element) => !matches(element))
    return rest?.length === before?.length ? before : rest
  }
}

/**
 * A condition with operators is asked of a document whose only field is the element, any other
 * document of elements that are documents.
 */
function conditionOf(operand: unknown, variables: Variables): (element: unknown) => boolean {
  const matcherOf = (filter: Doc) => compileFilter(refuseExpression(parseFilter(filter, variables)))
  const isLogical = isDoc(operand) && /^\$(and|or|nor|expr)$/.test(operand.firstName)
  if ((isOperatorDoc(operand) && !isLogical) || typeOf(operand) === 'regex') {
    const matches = matcherOf(Doc.of([['', operand]]))
    return (element) => matches(Doc.of([['', element]]))
  }
  if (!isDoc(operand)) return (element) => sameValue(element, operand)
  const matches = matcherOf(operand)
  return (element) => isDoc(element) && matches(element)
}
