// Update operators on a single value.
import { Double, Int32, Long, Timestamp } from 'bson'
import { isDoc, typeOf } from '../bson/codec.ts'
import { arithmetic, isNumeric, toBigInt, toNumber } from '../bson/numbers.ts'
import { compareValues } from '../bson/order.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../query/expression.ts'
import type { ChangedPaths } from './changed-paths.ts'
import { identical } from './diff.ts'
import { valueAt, writeAt, type TargetOperation, type UpdateTarget } from './targets.ts'

function assign(target: UpdateTarget, value: unknown, changes: ChangedPaths): void {
  const before = valueAt(target)
  if (before !== undefined && identical(before, value)) return
  writeAt(target, value)
  changes.set(target.path, value)
}

export function set(operand: unknown): TargetOperation {
  const value = operand ?? null
  return (target, changes) => assign(target, structuredCopy(value), changes)
}

/**
 * One operand may be written to several documents and paths. Each gets a copy of its arrays and
 * objects.
 */
function structuredCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structuredCopy)
  if (!isDoc(value) || value._bsontype !== undefined) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, structuredCopy(field)]),
  )
}

/** `$unset` removes a field and sets an array element to null. */
export const unset: TargetOperation = (target, changes) => {
  if (valueAt(target) === undefined) return
  if (Array.isArray(target.container)) return assign(target, null, changes)
  delete target.container[target.key]
  changes.remove(target.path)
}

export function increase(name: '$inc' | '$mul', path: string, operand: unknown): TargetOperation {
  const verb = name === '$inc' ? 'increment' : 'multiply'
  if (!isNumeric(operand))
    throw refusal(
      'TypeMismatch',
      `Cannot ${verb} with non-numeric argument: {${path}: ${JSON.stringify(operand)}}`,
    )
  return (target, changes) => {
    const before = valueAt(target)
    if (before !== undefined && !isNumeric(before)) {
      throw refusal(
        'TypeMismatch',
        `Cannot apply ${name} to a value of non-numeric type. The field '${path}' has non-numeric type ${typeOf(before)}`,
      )
    }
    if (before === undefined)
      return assign(target, name === '$inc' ? operand : zeroLike(operand), changes)
    const result = arithmetic(name === '$inc' ? '+' : '*', before, operand)
    if (!result) throw unrepresentable(name, before, operand)
    assign(target, result, changes)
  }
}

function unrepresentable(name: string, before: unknown, operand: unknown): Error {
  if (typeOf(before) === 'decimal' || typeOf(operand) === 'decimal')
    return refusal('NotImplemented', `${name} of decimal values is not supported`)
  return refusal(
    'BadValue',
    `Failed to apply ${name} operations to current value (${String(before)}): it would overflow`,
  )
}

function zeroLike(operand: unknown): unknown {
  const type = typeOf(operand)
  if (type === 'decimal') throw refusal('NotImplemented', '$mul of decimal values is not supported')
  if (type === 'double') return new Double(0)
  return type === 'long' ? Long.ZERO : new Int32(0)
}

export function extreme(name: '$min' | '$max', operand: unknown): TargetOperation {
  const value = operand ?? null
  return (target, changes) => {
    const before = valueAt(target)
    const order = before === undefined ? 0 : compareValues(value, before)
    if (before === undefined || (name === '$min' ? order < 0 : order > 0))
      assign(target, value, changes)
  }
}

/** `$currentDate` sets the time of the command. */
export function currentDate(operand: unknown, variables: Variables): TargetOperation {
  const type = isDoc(operand) ? operand.$type : 'date'
  if (
    typeof operand !== 'boolean' &&
    (!isDoc(operand) || (type !== 'date' && type !== 'timestamp'))
  ) {
    throw refusal(
      'BadValue',
      "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}",
    )
  }
  return (target, changes) => {
    const now = variables.NOW as Date
    assign(
      target,
      type === 'date' ? now : new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 }),
      changes,
    )
  }
}

/** `$bit`: and, or, xor on ints and longs. */
export function bit(operand: unknown): TargetOperation {
  if (!isDoc(operand) || Object.keys(operand).length === 0)
    throw refusal('BadValue', 'The $bit modifier is not compatible with this type of argument')
  const steps = Object.entries(operand).map(([name, value]) => {
    const type = typeOf(value)
    if (type !== 'int' && type !== 'long')
      throw refusal('BadValue', 'The $bit modifier field must be an Integer(32/64 bit)')
    if (!['and', 'or', 'xor'].includes(name))
      throw refusal(
        'BadValue',
        `The $bit modifier only supports 'and', 'or', and 'xor', not '${name}'`,
      )
    return { name, value: toBigInt(value), long: type === 'long' }
  })
  return (target, changes) => {
    const before = valueAt(target)
    const type = before === undefined ? 'int' : typeOf(before)
    if (type !== 'int' && type !== 'long')
      throw refusal('BadValue', `Cannot apply $bit to a value of non-integral type ${type}`)
    let bits = before === undefined ? 0n : toBigInt(before)
    for (const { name, value } of steps)
      bits = name === 'and' ? bits & value : name === 'or' ? bits | value : bits ^ value
    const long = type === 'long' || steps.some((step) => step.long)
    assign(target, long ? Long.fromBigInt(bits) : new Int32(Number(bits)), changes)
  }
}

/**
 * The whole-number operand of `$slice`, `$position` or `$pop`; undefined if it is no whole number.
 */
export function wholeNumber(value: unknown): number | undefined {
  const number = toNumber(value)
  return number !== undefined && Number.isInteger(number) ? number : undefined
}
