// Arithmetic on BSON numbers by the rules of MongoDB's update operators: the wider type wins, an
// int that overflows becomes a long, and a long that overflows is refused.
import { Double, Int32, Long, type Decimal128 } from 'bson'
import { refusal } from '../errors.ts'
import { addDecimals, decimalOf, multiplyDecimals } from './decimal.ts'
import { typeOf } from './type-of.ts'

const INT32_LIMIT = 2n ** 31n
const INT64_LIMIT = 2n ** 63n

/**
 * A numeric BSON value as a JavaScript number; undefined if the value is no number. A long beyond
 * 2^53 is rounded.
 */
export function toNumber(value: unknown): number | undefined {
  switch (typeOf(value)) {
    case 'int':
    case 'double':
      return typeof value === 'number' ? value : (value as Int32 | Double).value
    case 'long':
      return typeof value === 'bigint' ? Number(value) : (value as Long).toNumber()
    case 'decimal':
      return Number(String(value))
    default:
      return undefined
  }
}

/** Whether the value is an int, long, double or decimal. */
export function isNumeric(value: unknown): boolean {
  const type = typeOf(value)
  return type === 'int' || type === 'long' || type === 'double' || type === 'decimal'
}

/** An int if the value fits and `long` is false, otherwise a long; undefined if it is too large. */
export function wholeOf(value: bigint, long: boolean): Int32 | Long | undefined {
  if (!long && value >= -INT32_LIMIT && value < INT32_LIMIT) return new Int32(Number(value))
  return value >= -INT64_LIMIT && value < INT64_LIMIT ? Long.fromBigInt(value) : undefined
}

/**
 * A number as a decimal. Not for doubles, because MongoDB's rounding of doubles isn't implemented.
 */
export function toDecimal(value: unknown): Decimal128 {
  const type = typeOf(value)
  if (type === 'decimal') return value as Decimal128
  if (type === 'double')
    throw refusal('NotImplemented', 'arithmetic of a decimal and a double is not supported')
  return decimalOf(toBigInt(value))
}

/**
 * Adds or multiplies two numbers with the result type that MongoDB's update operators give.
 * Undefined if a long overflows.
 */
export function arithmetic(operator: '+' | '*', a: unknown, b: unknown): unknown {
  const types = [typeOf(a), typeOf(b)]
  if (types.includes('decimal')) {
    const combine = operator === '+' ? addDecimals : multiplyDecimals
    return combine(toDecimal(a), toDecimal(b))
  }
  if (types.includes('double')) {
    const [x, y] = [toNumber(a)!, toNumber(b)!]
    return new Double(operator === '+' ? x + y : x * y)
  }
  const [x, y] = [toBigInt(a), toBigInt(b)]
  return wholeOf(operator === '+' ? x + y : x * y, types.includes('long'))
}

/** An int or a long as a bigint. */
export function toBigInt(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  return typeOf(value) === 'long' ? (value as Long).toBigInt() : BigInt(toNumber(value)!)
}
