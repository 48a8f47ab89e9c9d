// Operators on numbers. Ints, longs, doubles and decimals are kept apart.
import type { Decimal128 } from 'bson'
import { Double, Long } from 'bson'
import { divideDecimals, multiplyDecimals, negated, addDecimals } from '../bson/decimal.ts'
import { dateOf } from '../bson/doc.ts'
import { isNumeric, toBigInt, toDecimal, toNumber, wholeOf } from '../bson/numbers.ts'
import { compareValues, msOf } from '../bson/order.ts'
import { Sum } from '../bson/sum.ts'
import { typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { isNullish, typeName, type OperatorCompiler } from './expression.ts'
import { any, exactly, one } from './operands.ts'

function add(values: readonly unknown[]): unknown {
  const sum = new Sum()
  let date: Date | undefined
  for (const value of values) {
    if (isNullish(value)) return null
    if (value instanceof Date) {
      if (date) throw locationRefusal(16612, 'only one date allowed in an $add expression')
      date = value
    } else if (isNumeric(value)) {
      sum.add(value)
    } else {
      throw refusal(
        'TypeMismatch',
        `$add only supports numeric or date types, not ${typeName(value)}`,
      )
    }
  }
  if (!date) return sum.total
  return laterBy(
    date,
    msIn(sum.total, (value) => Math.sign(value) * Math.round(Math.abs(value))),
  )
}

function laterBy(date: Date, ms: bigint): Date {
  const result = msOf(date) + ms
  if (result !== BigInt.asIntN(64, result)) throw refusal('Overflow', 'date overflow')
  return dateOf(result)
}

/** A number of milliseconds; how a fraction is rounded depends on the operator. */
function msIn(value: unknown, whole: (value: number) => number): bigint {
  if (typeOf(value) === 'decimal')
    throw refusal('NotImplemented', 'a date and a decimal in one sum are not supported')
  if (typeOf(value) !== 'double') return toBigInt(value)
  const number = whole(toNumber(value)!)
  if (!(Math.abs(number) < 2 ** 63)) throw refusal('Overflow', 'date overflow in $add')
  return BigInt(number)
}

function subtract([a, b]: readonly unknown[]): unknown {
  if (isNullish(a) || isNullish(b)) return null
  if (a instanceof Date && b instanceof Date)
    return Long.fromBigInt(BigInt.asIntN(64, msOf(a) - msOf(b)))
  if (a instanceof Date && isNumeric(b)) return laterBy(a, -msIn(b, Math.trunc))
  if (!isNumeric(a) || !isNumeric(b))
    throw refusal('TypeMismatch', `can't $subtract ${typeName(b)} from ${typeName(a)}`)
  const types = [typeOf(a), typeOf(b)]
  if (types.includes('decimal')) return addDecimals(toDecimal(a), negated(toDecimal(b)))
  if (types.includes('double')) return new Double(toNumber(a)! - toNumber(b)!)
  const difference = wholeOf(toBigInt(a) - toBigInt(b), types.includes('long'))
  return difference ?? new Double(toNumber(a)! - toNumber(b)!)
}

function multiply(values: readonly unknown[]): unknown {
  let whole = 1n
  let double = 1
  let decimal: Decimal128 | undefined
  const types = new Set<string>()
  for (const value of values) {
    if (isNullish(value)) return null
    if (!isNumeric(value))
      throw refusal('TypeMismatch', `$multiply only supports numeric types, not ${typeName(value)}`)
    types.add(typeOf(value))
    if (typeOf(value) === 'decimal')
      decimal = decimal ? multiplyDecimals(decimal, toDecimal(value)) : toDecimal(value)
    else if (typeOf(value) !== 'double') whole *= toBigInt(value)
    double *= toNumber(value)!
  }
  if (decimal)
    return types.has('double')
      ? toDecimal(new Double(0))
      : multiplyDecimals(decimal, toDecimal(Long.fromBigInt(whole)))
  if (types.has('double')) return new Double(double)
  return wholeOf(whole, types.has('long')) ?? new Double(double)
}

function divide([a, b]: readonly unknown[]): unknown {
  if (isNumeric(a) && isNumeric(b)) {
    if (toNumber(b) === 0) throw refusal('BadValue', "can't $divide by zero")
    if (typeOf(a) === 'decimal' || typeOf(b) === 'decimal')
      return divideDecimals(toDecimal(a), toDecimal(b))
    return new Double(toNumber(a)! / toNumber(b)!)
  }
  if (isNullish(a) || isNullish(b)) return null
  throw refusal(
    'TypeMismatch',
    `$divide only supports numeric types, not ${typeName(a)} and ${typeName(b)}`,
  )
}

function modulo([a, b]: readonly unknown[]): unknown {
  if (isNumeric(a) && isNumeric(b)) {
    if (toNumber(b) === 0) throw locationRefusal(16610, "can't $mod by zero")
    const types = [typeOf(a), typeOf(b)]
    if (types.includes('decimal'))
      throw refusal('NotImplemented', '$mod of decimals is not supported')
    if (types.includes('double')) return new Double(toNumber(a)! % toNumber(b)!)
    return wholeOf(toBigInt(a) % toBigInt(b), types.includes('long'))
  }
  if (isNullish(a) || isNullish(b)) return null
  throw locationRefusal(
    16611,
    `$mod only supports numeric types, not ${typeName(a)} and ${typeName(b)}`,
  )
}

/** An operator on one number, given how it treats doubles and whole numbers. */
function onNumber(
  double: (value: number) => number,
  whole: (value: bigint, long: boolean) => unknown,
): OperatorCompiler {
  return one((value, name) => {
    if (!isNumeric(value))
      throw locationRefusal(28765, `${name} only supports numeric types, not ${typeName(value)}`)
    const type = typeOf(value)
    if (type === 'double') return new Double(double(toNumber(value)!))
    if (type === 'decimal') throw refusal('NotImplemented', `${name} of decimals is not supported`)
    return whole(toBigInt(value), type === 'long')
  })
}

function absolute(value: bigint, long: boolean): unknown {
  const result = wholeOf(value < 0n ? -value : value, long)
  if (result) return result
  throw locationRefusal(28680, "can't take $abs of long long min")
}

/** The numbers that an accumulator used as an expression sees: one array counts as its elements. */
function spread(values: readonly unknown[]): readonly unknown[] {
  return values.length === 1 && Array.isArray(values[0]) ? (values[0] as unknown[]) : values
}

function extreme(sign: 1 | -1) {
  return (values: readonly unknown[]): unknown =>
    spread(values)
      .filter((value) => !isNullish(value))
      .reduce(
        (best, value) =>
          best === undefined || sign * compareValues(value, best) < 0 ? value : best,
        undefined,
      ) ?? null
}

function summed(values: readonly unknown[]): Sum {
  const sum = new Sum()
  for (const value of spread(values)) sum.add(value)
  return sum
}

export const arithmeticOperators: Record<string, OperatorCompiler> = {
  $add: any(add),
  $subtract: exactly(2, subtract),
  $multiply: any(multiply),
  $divide: exactly(2, divide),
  $mod: exactly(2, modulo),
  $abs: onNumber(Math.abs, absolute),
  $ceil: onNumber(Math.ceil, wholeOf),
  $floor: onNumber(Math.floor, wholeOf),
  $sum: any((values) => summed(values).total),
  $avg: any((values) => summed(values).average),
  $min: any(extreme(1)),
  $max: any(extreme(-1)),
}
