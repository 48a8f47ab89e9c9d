// Arithmetic on BSON numbers by the rules of MongoDB's update operators: the wider type wins, an
// int that overflows becomes a long, and a long that overflows is refused.
import { Double, Int32, Long } from 'bson'
import { typeOf } from './codec.ts'

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

/**
 * Adds or multiplies two numbers with the result type that MongoDB gives. Undefined if a long
 * overflows or if an operand is a decimal.
 */
export function arithmetic(
  operator: '+' | '*',
  a: unknown,
  b: unknown,
): Int32 | Long | Double | undefined {
  const types = [typeOf(a), typeOf(b)]
  if (types.includes('decimal')) return undefined
  if (types.includes('double')) {
    const [x, y] = [toNumber(a)!, toNumber(b)!]
    return new Double(operator === '+' ? x + y : x * y)
  }
  const [x, y] = [toBigInt(a), toBigInt(b)]
  const result = operator === '+' ? x + y : x * y
  const fitsInt = result >= -INT32_LIMIT && result < INT32_LIMIT
  if (fitsInt && !types.includes('long')) return new Int32(Number(result))
  return result >= -INT64_LIMIT && result < INT64_LIMIT ? Long.fromBigInt(result) : undefined
}

/** An int or a long as a bigint. */
export function toBigInt(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  return typeOf(value) === 'long' ? (value as Long).toBigInt() : BigInt(toNumber(value)!)
}
