// Update operators on arrays. The update description contains a changed array as a whole, except
// for elements that `$push` has appended, which it contains one by one.
import { isDoc, typeOf, type Doc } from '../bson/codec.ts'
import { compareValues, sameValue } from '../bson/order.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../query/expression.ts'
import { isOperatorDoc, parseFilter, parseOperators } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import { parseSort, sortKeyOf } from '../query/sort.ts'
import type { ChangedPaths } from './changed-paths.ts'
import { wholeNumber } from './operators.ts'
import { valueAt, writeAt, type TargetOperation, type UpdateTarget } from './targets.ts'

function arrayAt(name: string, path: string, target: UpdateTarget): unknown[] | undefined {
  const value = valueAt(target)
  if (value === undefined) return undefined
  if (Array.isArray(value)) return value
  throw refusal(
    'BadValue',
    `The field '${path}' must be an array but is of type ${typeOf(value)} in document (${name})`,
  )
}

function assign(target: UpdateTarget, value: unknown[], changes: ChangedPaths): void {
  writeAt(target, value)
  changes.set(target.path, value)
}

const pushClauses = new Set(['$each', '$slice', '$sort', '$position'])

/** `$push` with its clauses `$each`, `$position`, `$sort` and `$slice`. */
export function push(path: string, operand: unknown): TargetOperation {
  const clauses = isDoc(operand) && '$each' in operand ? operand : undefined
  if (!clauses && isOperatorDoc(operand) && !operand.$ref)
    throw refusal(
      'DollarPrefixedFieldName',
      `The dollar ($) prefixed field '${Object.keys(operand)[0]}' in '${path}' is not valid for storage.`,
    )
  const unknown = Object.keys(clauses ?? {}).find((name) => !pushClauses.has(name))
  if (unknown) throw refusal('BadValue', `Unrecognized clause in $push: ${unknown}`)
  const added = eachOf('$push', clauses ?? { $each: [operand ?? null] })
  const slice = clauseNumber(clauses, '$slice')
  const position = clauseNumber(clauses, '$position')
  const order = clauses?.$sort === undefined ? undefined : comparatorOf(clauses.$sort)
  return (target, changes) => {
    const before = arrayAt('$push', path, target)
    const array = [...(before ?? [])]
    const at =
      position === undefined
        ? array.length
        : position < 0
          ? Math.max(0, array.length + position)
          : Math.min(position, array.length)
    array.splice(at, 0, ...added)
    if (order) array.sort(order)
    const result =
      slice === undefined ? array : slice < 0 ? array.slice(slice) : array.slice(0, slice)
    if (before && added.length === 0 && sameValue(before, result)) return
    const appended =
      before && before.length > 0 && at === before.length && !order && slice === undefined
    if (!appended) return assign(target, result, changes)
    writeAt(target, result)
    added.forEach((value, offset) => changes.set(`${target.path}.${at + offset}`, value))
  }
}

function eachOf(name: string, clauses: Doc): unknown[] {
  if (!Array.isArray(clauses.$each))
    throw refusal(
      'BadValue',
      `The argument to $each in ${name} must be an array but it was of type: ${typeOf(clauses.$each)}`,
    )
  return clauses.$each
}

function clauseNumber(clauses: Doc | undefined, name: '$slice' | '$position'): number | undefined {
  if (clauses?.[name] === undefined) return undefined
  const number = wholeNumber(clauses[name])
  if (number === undefined)
    throw refusal('BadValue', `The value for ${name} must be an integer value`)
  return number
}

function comparatorOf(sort: unknown): (a: unknown, b: unknown) => number {
  const direction = wholeNumber(sort)
  if (direction === 1 || direction === -1) return (a, b) => direction * compareValues(a, b)
  const pattern = isDoc(sort) ? parseSort(sort) : undefined
  if (!pattern)
    throw refusal(
      'BadValue',
      'The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields',
    )
  const keyOf = (value: unknown): Buffer => sortKeyOf(isDoc(value) ? value : {}, pattern)
  return (a, b) => Buffer.compare(keyOf(a), keyOf(b))
}

/** `$addToSet`, with or without `$each`. */
export function addToSet(path: string, operand: unknown): TargetOperation {
  const candidates =
    isDoc(operand) && '$each' in operand ? eachOf('$addToSet', operand) : [operand ?? null]
  return (target, changes) => {
    const before = arrayAt('$addToSet', path, target)
    const array = [...(before ?? [])]
    for (const value of candidates)
      if (!array.some((element) => sameValue(element, value))) array.push(value)
    if (!before || array.length > before.length) assign(target, array, changes)
  }
}

/** `$pull` removes the elements that equal a value or match a condition. */
export function pull(path: string, operand: unknown, variables: Variables): TargetOperation {
  const matches = conditionOf(operand, variables)
  return (target, changes) =>
    keep(target, changes, arrayAt('$pull', path, target), (element) => !matches(element))
}

function conditionOf(operand: unknown, variables: Variables): (element: unknown) => boolean {
  if (isOperatorDoc(operand)) {
    const logical = /^\$(and|or|nor|expr)$/.test(Object.keys(operand)[0]!)
    return compileFilter(
      logical ? parseFilter(operand, variables) : parseOperators('', operand, variables),
    )
  }
  if (typeOf(operand) === 'regex')
    return compileFilter(parseOperators('', { $regex: operand }, variables))
  if (!isDoc(operand)) return (element) => sameValue(element, operand)
  const matches = compileFilter(parseFilter(operand, variables))
  return (element) => isDoc(element) && matches(element)
}

/** `$pullAll` removes the elements that equal one of the values. */
export function pullAll(path: string, operand: unknown): TargetOperation {
  if (!Array.isArray(operand)) throw refusal('BadValue', '$pullAll requires an array argument')
  return (target, changes) => {
    keep(
      target,
      changes,
      arrayAt('$pullAll', path, target),
      (element) => !operand.some((value) => sameValue(element, value)),
    )
  }
}

function keep(
  target: UpdateTarget,
  changes: ChangedPaths,
  array: unknown[] | undefined,
  wanted: (element: unknown) => boolean,
): void {
  const kept = array?.filter(wanted)
  if (kept && kept.length < array!.length) assign(target, kept, changes)
}

/** `$pop` removes the last element (1) or the first one (-1). */
export function pop(path: string, operand: unknown): TargetOperation {
  const direction = wholeNumber(operand)
  if (direction !== 1 && direction !== -1)
    throw refusal('FailedToParse', `$pop expects 1 or -1, found: ${String(operand)}`)
  return (target, changes) => {
    const value = valueAt(target)
    if (value !== undefined && !Array.isArray(value))
      throw refusal(
        'TypeMismatch',
        `Path '${path}' contains an element of non-array type '${typeOf(value)}'`,
      )
    if (value?.length)
      assign(target, direction === 1 ? value.slice(0, -1) : value.slice(1), changes)
  }
}
