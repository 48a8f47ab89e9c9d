// Index keys of numbers. Ints, longs, doubles and decimals have one exact order: 2^53 + 1 differs
// from 2^53, and the decimal 0.1 differs from the double 0.1. A key has three parts: the largest
// double that is not above the value (8 bytes whose order is that of the doubles); the remainder as
// decimal digits, in units of the distance to the next double; and the byte 0.
import type { Decimal128 } from 'bson'

const buffer = Buffer.allocUnsafe(8)
const TERMINATOR = 0

/** The key of a double or an int, 9 bytes. NaN sorts below all numbers, and -0 equals 0. */
export function numberKey(value: number): Buffer {
  const key = Buffer.allocUnsafe(9)
  writeDouble(key, value)
  key[8] = TERMINATOR
  return key
}

function writeDouble(key: Buffer, value: number): void {
  if (Number.isNaN(value)) {
    key.fill(0, 0, 8)
    return
  }
  key.writeDoubleBE(value === 0 ? 0 : value)
  if (key[0]! & 0x80) {
    for (let at = 0; at < 8; at++) key[at] = ~key[at]! & 0xff
  } else {
    key[0]! |= 0x80
  }
}

/** The key of a 64-bit integer. */
export function longKey(value: bigint): Buffer {
  const near = Number(value)
  return BigInt(near) === value ? numberKey(near) : keyOfRational(near, value, 1n)
}

/** The key of a decimal, exact over the whole range of decimals. */
export function decimalKey(value: Decimal128): Buffer {
  const text = value.toString()
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/i.exec(text)
  if (!parts)
    return numberKey(text.includes('NaN') ? NaN : text.startsWith('-') ? -Infinity : Infinity)
  const [, sign, whole, fraction = '', exponent = '0'] = parts
  const digits = BigInt(`${sign}${whole}${fraction}`)
  const power = Number(exponent) - fraction.length
  return power >= 0
    ? keyOfRational(Number(text), digits * 10n ** BigInt(power), 1n)
    : keyOfRational(Number(text), digits, 10n ** BigInt(-power))
}

/** The numerator and the denominator of a finite double. */
function rationalOf(value: number): [bigint, bigint] {
  buffer.writeDoubleBE(value)
  const bits = buffer.readBigUInt64BE()
  const exponent = Number((bits >> 52n) & 0x7ffn)
  const fraction = bits & 0xfffffffffffffn
  const mantissa = exponent === 0 ? fraction : fraction | 0x10000000000000n
  const signed = value < 0 ? -mantissa : mantissa
  const power = (exponent === 0 ? 1 : exponent) - 1075
  return power >= 0 ? [signed << BigInt(power), 1n] : [signed, 1n << BigInt(-power)]
}

/** The next double above (`up`) or below a finite double. */
function neighbour(value: number, up: boolean): number {
  if (value === 0) return up ? Number.MIN_VALUE : -Number.MIN_VALUE
  buffer.writeDoubleBE(value)
  const bits = buffer.readBigUInt64BE()
  buffer.writeBigUInt64BE(value > 0 === up ? bits + 1n : bits - 1n)
  return buffer.readDoubleBE()
}

/** The largest double that isn't above a number, whose nearest double is known. */
function floorDouble(nearest: number, top: bigint, bottom: bigint): number {
  if (nearest === Infinity) return Number.MAX_VALUE
  if (nearest === -Infinity) return nearest
  const [n, d] = rationalOf(nearest)
  return n * bottom > top * d ? neighbour(nearest, false) : nearest
}

function keyOfRational(nearest: number, top: bigint, bottom: bigint): Buffer {
  const floor = floorDouble(nearest, top, bottom)
  if (floor === -Infinity) return overflowKey(top)
  const [n, d] = rationalOf(floor)
  let [rest, scale] = [top * d - n * bottom, bottom * d]
  if (rest === 0n) return numberKey(floor)
  const [stepTop, stepBottom] = floor === Number.MAX_VALUE ? [10n ** 6200n, 1n] : step(floor)
  ;[rest, scale] = [rest * stepBottom, scale * stepTop]
  const digits: number[] = []
  while (rest !== 0n) {
    rest *= 10n
    digits.push(Number(rest / scale) + 1)
    rest %= scale
  }
  return Buffer.concat([numberKey(floor).subarray(0, 8), Buffer.from([...digits, TERMINATOR])])
}

function step(floor: number): [bigint, bigint] {
  const [n, d] = rationalOf(floor)
  const [n2, d2] = rationalOf(neighbour(floor, true))
  return [n2 * d - n * d2, d * d2]
}

/**
 * The key of a decimal below the most negative double. It lies between the keys of -Infinity and of
 * that double, ordered by the distance from a bound below all decimals.
 */
function overflowKey(top: bigint): Buffer {
  const bound = 10n ** 6200n
  const digits = (bound + top).toString().padStart(6201, '0')
  return Buffer.concat([
    numberKey(-Infinity).subarray(0, 8),
    Buffer.from([...digits].map((digit) => Number(digit) + 1)),
    Buffer.from([TERMINATOR]),
  ])
}
