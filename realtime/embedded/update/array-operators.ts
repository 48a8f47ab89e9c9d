// Update operators on arrays. The update description contains a changed array as a whole, except
// for elements that were appended, which it contains one by one.
import { Doc } from '../bson/doc.ts'
import { compareValues, sameValue } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import { isOperatorDoc, parseFilter, refuseExpression } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import { wholeNumber } from './operators.ts'
import { Appended, type TargetOperation } from './targets.ts'

function arrayOf(name: string, path: string, value: unknown): unknown[] | undefined {
  if (value === undefined || Array.isArray(value)) return value
  throw refusal(
    'BadValue',
    `The field '${path}' must be an array but is of type ${typeOf(value)} in document (${name})`,
  )
}

const pushClauses = new Set(['$each', '$slice', '$sort', '$position'])

/** `$push` with its clauses `$each`, `$position`, `$sort` and `$slice`. */
export function push(path: string, operand: unknown): TargetOperation {
  const clauses = isDoc(operand) && operand.has('$each') ? operand : undefined
  if (!clauses && isOperatorDoc(operand))
    throw refusal('NotImplemented', `$push of ${operand.firstName} without $each is not supported`)
  const unknown = clauses?.fields.map(({ name }) => name).find((name) => !pushClauses.has(name))
  if (unknown) throw refusal('BadValue', `Unrecognized clause in $push: ${unknown}`)
  const added = clauses ? eachOf('$push', clauses) : [operand]
  const slice = clauseNumber(clauses, '$slice')
  const position = clauseNumber(clauses, '$position')
  const order = clauses?.has('$sort') ? comparatorOf(clauses.get('$sort')) : undefined
  return ({ value }) => {
    const before = arrayOf('$push', path, value)
    const count = before?.length ?? 0
    const at = position === undefined || position > count ? count : position
    const array = [...(before ?? [])]
    array.splice(at, 0, ...added)
    if (order) array.sort(order)
    const result =
      slice === undefined ? array : slice < 0 ? array.slice(slice) : array.slice(0, slice)
    if (order || result.length < array.length) return result
    if (before && added.length === 0) return before
    // MongoDB describes an addition at a position, even that of the end, by the whole array.
    const isAppended = count > 0 && (position === undefined || position > count)
    return isAppended ? new Appended(result, count) : result
  }
}

function eachOf(name: '$push' | '$addToSet', clauses: Doc): unknown[] {
  const each = clauses.get('$each')
  if (!Array.isArray(each))
    throw refusal(
      name === '$push' ? 'BadValue' : 'TypeMismatch',
      `The argument to $each in ${name} must be an array but it was of type: ${typeOf(each)}`,
    )
  return each
}

function clauseNumber(clauses: Doc | undefined, name: '$slice' | '$position'): number | undefined {
  if (!clauses?.has(name)) return undefined
  const number = wholeNumber(clauses.get(name))
  if (number === undefined)
    throw refusal('BadValue', `The value for ${name} must be an integer value`)
  return number
}

/** The order of `$sort: 1` or `-1`, which sorts whole elements. */
function comparatorOf(sort: unknown): (a: unknown, b: unknown) => number {
  if (isDoc(sort)) throw refusal('NotImplemented', '$push with $sort by fields is not supported')
  const direction = wholeNumber(sort)
  if (direction !== 1 && direction !== -1)
    throw refusal('BadValue', 'The $sort is invalid: use 1/-1 to sort the whole element')
  return (a, b) => direction * compareValues(a, b)
}

/** `$addToSet`, with or without `$each`. */
export function addToSet(path: string, operand: unknown): TargetOperation {
  const clauses = isDoc(operand) && operand.firstName === '$each' ? operand : undefined
  const candidates = clauses ? eachOf('$addToSet', clauses) : [operand]
  if (clauses && clauses.size > 1)
    throw refusal('BadValue', 'Found unexpected fields after $each in $addToSet')
  return ({ value: present }) => {
    const before = arrayOf('$addToSet', path, present)
    const array = [...(before ?? [])]
    for (const value of candidates)
      if (!array.some((element) => sameValue(element, value))) array.push(value)
    if (!before) return array
    return array.length > before.length ? new Appended(array, before.length) : before
  }
}

/** `$pull` removes the elements that equal a value or match a condition. */
export function pull(path: string, operand: unknown, variables: Variables): TargetOperation {
  const matches = conditionOf(operand, variables)
  return ({ value }) => kept(arrayOf('$pull', path, value), (element) => !matches(element))
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

/** `$pullAll` removes the elements that equal one of the values. */
export function pullAll(path: string, operand: unknown): TargetOperation {
  if (!Array.isArray(operand)) throw refusal('BadValue', '$pullAll requires an array argument')
  return ({ value }) =>
    kept(
      arrayOf('$pullAll', path, value),
      (element) => !operand.some((unwanted) => sameValue(element, unwanted)),
    )
}

function kept(
  array: unknown[] | undefined,
  wanted: (element: unknown) => boolean,
): unknown[] | undefined {
  const rest = array?.filter(wanted)
  return rest?.length === array?.length ? array : rest
}

/** `$pop` removes the last element (1) or the first one (-1). */
export function pop(path: string, operand: unknown): TargetOperation {
  const direction = wholeNumber(operand)
  if (direction !== 1 && direction !== -1)
    throw refusal('FailedToParse', `$pop expects 1 or -1, found: ${String(operand)}`)
  return ({ value }) => {
    if (value !== undefined && !Array.isArray(value))
      throw refusal(
        'TypeMismatch',
        `Path '${path}' contains an element of non-array type '${typeOf(value)}'`,
      )
    if (!value?.length) return value
    return direction === 1 ? value.slice(0, -1) : value.slice(1)
  }
}
