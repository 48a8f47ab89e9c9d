// Exact arithmetic on Decimal128 by IEEE 754: 34 digits, rounding half to even, and exponents that
// aren't normalized.
import { Decimal128 } from 'bson'

/** A finite decimal is `digits` * 10^`exponent`; zero has a sign too. */
interface Finite {
  readonly negative: boolean
  readonly digits: bigint
  readonly exponent: number
}
type Parts = Finite | 'NaN' | 'Infinity' | '-Infinity'

const MAX_DIGITS = 34
const MIN_EXPONENT = -6176
const MAX_EXPONENT = 6111
const COEFFICIENT_BITS = 113n
const LIMIT = 10n ** BigInt(MAX_DIGITS)

function partsOf(value: Decimal128): Parts {
  const bytes = Buffer.from(value.bytes)
  const bits = bytes.readBigUInt64LE(0) | (bytes.readBigUInt64LE(8) << 64n)
  const negative = bits >> 127n === 1n
  const combination = Number((bits >> 122n) & 31n)
  if (combination === 31) return 'NaN'
  if (combination === 30) return negative ? '-Infinity' : 'Infinity'
  // Coefficients of the other form are larger than 34 digits, which means zero.
  const isLarge = combination >= 24
  const shift = isLarge ? 111n : COEFFICIENT_BITS
  const exponent = Number((bits >> shift) & 0x3fffn) + MIN_EXPONENT
  const digits = isLarge ? 0n : bits & ((1n << COEFFICIENT_BITS) - 1n)
  return { negative, digits: digits < LIMIT ? digits : 0n, exponent }
}

const special = (text: string): Decimal128 => Decimal128.fromString(text)

function divideHalfEven(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  const twice = (value % divisor) * 2n
  if (twice > divisor || (twice === divisor && quotient % 2n === 1n)) return quotient + 1n
  return quotient
}

const digitsIn = (value: bigint): number => (value === 0n ? 1 : value.toString().length)

/** Rounds to what a decimal can hold. */
function build(negative: boolean, given: bigint, givenExponent: number): Decimal128 {
  let [digits, exponent] = [given, givenExponent]
  const excess = Math.max(digitsIn(digits) - MAX_DIGITS, MIN_EXPONENT - exponent)
  if (excess > 0) {
    digits = excess > 6200 ? 0n : divideHalfEven(digits, 10n ** BigInt(excess))
    exponent += excess
    if (digits >= LIMIT) [digits, exponent] = [digits / 10n, exponent + 1]
  }
  if (exponent > MAX_EXPONENT) {
    const padding = exponent - MAX_EXPONENT
    if (digits !== 0n && digitsIn(digits) + padding > MAX_DIGITS)
      return special(negative ? '-Infinity' : 'Infinity')
    if (digits !== 0n) digits *= 10n ** BigInt(padding)
    exponent = MAX_EXPONENT
  }
  const bits =
    ((negative ? 1n : 0n) << 127n) | (BigInt(exponent - MIN_EXPONENT) << COEFFICIENT_BITS) | digits
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64LE(bits & 0xffffffffffffffffn, 0)
  bytes.writeBigUInt64LE(bits >> 64n, 8)
  return new Decimal128(Uint8Array.from(bytes))
}

/** A whole number as a decimal. */
export function decimalOf(value: bigint): Decimal128 {
  return build(value < 0n, value < 0n ? -value : value, 0)
}

const isNegative = (parts: Parts): boolean =>
  typeof parts === 'string' ? parts === '-Infinity' : parts.negative
const isZero = (parts: Parts): boolean => typeof parts !== 'string' && parts.digits === 0n

export function addDecimals(left: Decimal128, right: Decimal128): Decimal128 {
  const [a, b] = [partsOf(left), partsOf(right)]
  if (typeof a === 'string' || typeof b === 'string') {
    if (a === 'NaN' || b === 'NaN') return special('NaN')
    if (typeof a === 'string' && typeof b === 'string') return special(a === b ? a : 'NaN')
    return special(typeof a === 'string' ? a : (b as string))
  }
  const exponent = Math.min(a.exponent, b.exponent)
  const aligned = ({ negative, digits, exponent: own }: Finite): bigint =>
    (negative ? -digits : digits) * 10n ** BigInt(own - exponent)
  const sum = aligned(a) + aligned(b)
  return build(
    sum < 0n || (sum === 0n && a.negative && b.negative),
    sum < 0n ? -sum : sum,
    exponent,
  )
}

export function multiplyDecimals(left: Decimal128, right: Decimal128): Decimal128 {
  const [a, b] = [partsOf(left), partsOf(right)]
  const negative = isNegative(a) !== isNegative(b)
  if (typeof a === 'string' || typeof b === 'string') {
    if (a === 'NaN' || b === 'NaN' || isZero(a) || isZero(b)) return special('NaN')
    return special(negative ? '-Infinity' : 'Infinity')
  }
  return build(negative, a.digits * b.digits, a.exponent + b.exponent)
}

/** The quotient. The caller has refused a divisor of zero. */
export function divideDecimals(left: Decimal128, right: Decimal128): Decimal128 {
  const [a, b] = [partsOf(left), partsOf(right)]
  const negative = isNegative(a) !== isNegative(b)
  if (a === 'NaN' || b === 'NaN') return special('NaN')
  if (typeof a === 'string')
    return special(typeof b === 'string' ? 'NaN' : negative ? '-Infinity' : 'Infinity')
  if (typeof b === 'string') return build(negative, 0n, MIN_EXPONENT)
  const ideal = a.exponent - b.exponent
  const shift = Math.max(0, MAX_DIGITS + 2 + digitsIn(b.digits) - digitsIn(a.digits))
  const scaled = a.digits * 10n ** BigInt(shift)
  let [digits, exponent] = [scaled / b.digits, ideal - shift]
  if (scaled % b.digits !== 0n) return build(negative, digits * 10n + 1n, exponent - 1)
  while (exponent < ideal && digits % 10n === 0n) [digits, exponent] = [digits / 10n, exponent + 1]
  return build(negative, digits, exponent)
}

/** The decimal with the other sign. */
export function negated(value: Decimal128): Decimal128 {
  const parts = partsOf(value)
  if (typeof parts !== 'string') return build(!parts.negative, parts.digits, parts.exponent)
  return parts === 'NaN' ? value : special(parts === 'Infinity' ? '-Infinity' : 'Infinity')
}
