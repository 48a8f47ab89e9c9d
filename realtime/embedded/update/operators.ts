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
import { isOperatorDoc, parseFilter, refuseExpression } from '../query/filter.ts'
import type { Changes } from './changes.ts'

type Operation = Omit<Modification, 'path'>
type OperatorParser = (path: string, operand: unknown, variables: Variables) => Operation

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
  const matcherOf = (filter: Doc) => refuseExpression(parseFilter(filter, variables)).matches
  const isLogical = isDoc(operand) && /^\$(and|or|nor|expr)$/.test(operand.firstName)
  if ((isOperatorDoc(operand) && !isLogical) || typeOf(operand) === 'regex') {
    const matches = matcherOf(Doc.of([['', operand]]))
    return (element) => matches(Doc.of([['', element]]))
  }
  if (!isDoc(operand)) return (element) => sameValue(element, operand)
  const matches = matcherOf(operand)
  return (element) => isDoc(element) && matches(element)
}

type Container = Doc | readonly unknown[]

/** The value that an operator works on: a field of an object or an element of an array. */
export interface UpdateTarget {
  readonly value: unknown
  readonly inArray: boolean
}

const removed = Symbol('removed')

/** Returns the new value, the old one if nothing changes, `removed`, or an `Appended`. */
export type TargetOperation = (target: UpdateTarget) => unknown

/** What an operator returns if it adds elements at the end of an array, `from` on. */
class Appended {
  readonly array: readonly unknown[]
  readonly from: number

  constructor(array: readonly unknown[], from: number) {
    this.array = array
    this.from = from
  }
}

export interface Modification {
  readonly path: string
  readonly operation: TargetOperation
  /** Whether a path that is missing stays missing. */
  readonly existing?: boolean
  /** Whether a path that can't be created is simply missing. */
  readonly lenient?: boolean
  readonly onInsertOnly?: boolean
}

const MAX_PADDING = 1_500_000

/** Modifies one document, and records what changes. */
export function modified(given: Doc, modification: Modification, changes: Changes): Doc {
  const { path, operation, existing, lenient } = modification
  const parts = path.split('.')
  /** `isNew`: the container is made for this update, which has been recorded. */
  const descend = (container: Container, at: number, isNew: boolean): Container => {
    const key = parts[at]!
    const inArray = !(container instanceof Doc)
    if (inArray) {
      const isIndex = /^(0|[1-9]\d*)$/.test(key)
      if (!isIndex && !lenient) throw notViable(key, parts[at - 1]!, container)
      if (!isIndex || (existing && Number(key) >= container.length)) return container
    }
    const value = inArray ? container[Number(key)] : container.get(key)
    const isTarget = at === parts.length - 1
    const next = isTarget ? changed(value, inArray, isNew) : below(value, at, isNew)
    if (next === removed) return (container as Doc).without(key)
    return next === value ? container : withKey(container, key, next)
  }
  const changed = (value: unknown, inArray: boolean, isNew: boolean): unknown => {
    const next = operation({ value, inArray })
    if (next instanceof Appended) {
      for (let at = next.from; at < next.array.length; at++)
        changes.record([...parts, String(at)], 'insert')
      return next.array
    }
    if (next === removed) changes.record(parts, 'remove')
    else if (next !== value && !isNew)
      changes.record(parts, value === undefined ? 'insert' : 'update')
    return next
  }
  const below = (value: unknown, at: number, isNew: boolean): unknown => {
    if (isDoc(value) || Array.isArray(value)) return descend(value, at + 1, isNew)
    if (value !== undefined && !lenient) throw notViable(parts[at + 1]!, parts[at]!, value)
    if (value !== undefined || existing) return value
    const made = descend(Doc.empty, at + 1, true) as Doc
    if (made.size === 0) return undefined
    if (!isNew) changes.record(parts.slice(0, at + 1), 'insert')
    return made
  }
  return descend(given, 0, false) as Doc
}

/** An array is filled with null up to the index. */
function withKey(container: Container, key: string, value: unknown): Container {
  if (container instanceof Doc) return container.with(key, value)
  const index = Number(key)
  if (index - container.length > MAX_PADDING)
    throw refusal('BadValue', `can't backfill more than ${MAX_PADDING} elements`)
  const array = [...container]
  while (array.length < index) array.push(null)
  array[index] = value
  return array
}

function notViable(field: string, parent: string, value: unknown): Error {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return refusal('PathNotViable', `Cannot create field '${field}' in element {${parent}: ${shown}}`)
}
