// Update operators on a single value.
import { Int32, Timestamp } from 'bson'
import { identical } from '../bson/encode.ts'
import { arithmetic, isNumeric, toNumber } from '../bson/numbers.ts'
import { compareValues } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Variables } from '../expression/expression.ts'
import { removed, type TargetOperation } from './targets.ts'

/** The new value, or the old one itself if the new one is the same. */
function changed(before: unknown, after: unknown): unknown {
  return before !== undefined && identical(before, after) ? before : after
}

export function set(operand: unknown): TargetOperation {
  return ({ value }) => changed(value, operand)
}

/** `$unset` removes a field and sets an array element to null. */
export const unset: TargetOperation = ({ value, inArray }) => {
  if (value === undefined) return value
  return inArray ? changed(value, null) : removed
}

export function increase(name: '$inc' | '$mul', path: string, operand: unknown): TargetOperation {
  const verb = name === '$inc' ? 'increment' : 'multiply'
  if (!isNumeric(operand))
    throw refusal('TypeMismatch', `Cannot ${verb} with non-numeric argument: {${path}: …}`)
  return ({ value: before }) => {
    if (before !== undefined && !isNumeric(before)) {
      throw refusal(
        'TypeMismatch',
        `Cannot apply ${name} to a value of non-numeric type. The field '${path}' has non-numeric type ${typeOf(before)}`,
      )
    }
    if (before === undefined && name === '$inc') return operand
    const result = arithmetic(name === '$inc' ? '+' : '*', before ?? new Int32(0), operand)
    if (result !== undefined) return changed(before, result)
    throw refusal(
      'BadValue',
      `Failed to apply ${name} operations to current value (${String(before)}): it would overflow`,
    )
  }
}

export function extreme(name: '$min' | '$max', operand: unknown): TargetOperation {
  return ({ value: before }) => {
    if (before === undefined) return operand
    const order = compareValues(operand, before)
    return (name === '$min' ? order < 0 : order > 0) ? operand : before
  }
}

/** `$currentDate` sets the time of the command. */
export function currentDate(operand: unknown, variables: Variables): TargetOperation {
  const type = isDoc(operand) ? operand.get('$type') : 'date'
  const isKnown = type === 'date' || type === 'timestamp'
  if (typeof operand !== 'boolean' && (!isDoc(operand) || operand.size !== 1 || !isKnown)) {
    throw refusal(
      'BadValue',
      "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}",
    )
  }
  return () => {
    const now = variables.get('NOW') as Date
    if (type === 'date') return now
    return new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 })
  }
}

/**
 * The whole-number operand of `$slice`, `$position` or `$pop`; undefined if it is no whole number.
 */
export function wholeNumber(value: unknown): number | undefined {
  const number = toNumber(value)
  return number !== undefined && Number.isInteger(number) ? number : undefined
}
