// Index keys of numbers. Ints, longs and doubles have one exact order: 2^53 + 1 differs from 2^53.
// A key has three parts: the largest double that is not above the value (8 bytes whose order is
// that of the doubles); the remainder as decimal digits, in units of the distance to the next
// double; and the byte 0.

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
  const nearest = Number(value)
  const floor = BigInt(nearest) > value ? neighbour(nearest, -1n) : nearest
  let rest = value - BigInt(floor)
  if (rest === 0n) return numberKey(floor)
  const step = BigInt(neighbour(floor, 1n)) - BigInt(floor)
  const digits: number[] = []
  while (rest !== 0n) {
    rest *= 10n
    digits.push(Number(rest / step) + 1)
    rest %= step
  }
  return Buffer.concat([numberKey(floor).subarray(0, 8), Buffer.from([...digits, TERMINATOR])])
}

/** The next double above (1) or below (-1) a finite double, which isn't 0. */
function neighbour(value: number, direction: 1n | -1n): number {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  const bits = bytes.readBigUInt64BE()
  bytes.writeBigUInt64BE(value > 0 ? bits + direction : bits - direction)
  return bytes.readDoubleBE()
}
