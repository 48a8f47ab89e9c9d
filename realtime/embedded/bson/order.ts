// MongoDB's total order of BSON values as bytes: two values compare as their keys do byte by byte.
// Indexes, sorts and comparisons all use this one encoding, so an index scan and a collection scan
// can never disagree.
import type { Binary, BSONRegExp, Double, Int32, Long, ObjectId, Timestamp } from 'bson'
import { refusal } from '../errors.ts'
import type { Doc } from './doc.ts'
import { ByteWriter } from './encode.ts'
import { bsonTypes, typeOf, type TypeName } from './type-of.ts'

/** Stands in an index for an empty array, which MongoDB sorts below null. */
export const emptyArray = Symbol('empty array')

/** The first byte of a value's key. Operators such as `$gt` compare only values that share it. */
export function bracketOf(value: unknown): number {
  return bsonTypes[typeOf(value)][1]
}

const key = new ByteWriter()
const escapedNul = Buffer.from([0x00, 0xff])

/** Writes UTF-8 and an end below every character; NUL is escaped, so no key begins another. */
function writeText(text: string): void {
  for (const [at, part] of text.split('\0').entries()) {
    if (at > 0) key.raw(escapedNul)
    key.utf8(part)
  }
  key.byte(0)
  key.byte(0)
}

function writeValue(value: unknown): void {
  const type = typeOf(value)
  key.byte(bsonTypes[type][1])
  writePayload(type, value)
}

function writePayload(type: TypeName, value: unknown): void {
  switch (type) {
    case 'int':
    case 'double':
      return key.raw(numberKey(typeof value === 'number' ? value : (value as Int32 | Double).value))
    case 'long':
      return key.raw(longKey(typeof value === 'bigint' ? value : (value as Long).toBigInt()))
    case 'decimal':
      throw refusal('NotImplemented', 'the order of decimals is not supported')
    case 'string':
      return writeText(value as string)
    case 'object':
      return writeObject(value as Doc)
    case 'array':
      for (const item of value as unknown[]) writeValue(item === undefined ? null : item)
      return key.byte(0)
    case 'binData':
      return writeBinary(value as Binary)
    case 'objectId':
      return key.raw((value as ObjectId).id)
    case 'bool':
      return key.byte(value === true ? 1 : 0)
    case 'date':
      return key.ordered(BigInt((value as Date).getTime()) ^ (1n << 63n))
    case 'timestamp':
      return key.ordered((value as Timestamp).toBigInt())
    case 'regex':
      writeText((value as BSONRegExp).pattern)
      return writeText((value as BSONRegExp).options)
    default:
  }
}

function writeObject(value: Doc): void {
  for (const field of value.fields) {
    const type = typeOf(field.value)
    key.byte(bsonTypes[type][1])
    writeText(field.name)
    writePayload(type, field.value)
  }
  key.byte(0)
}

function writeBinary(value: Binary): void {
  const bytes = value.value()
  const head = Buffer.alloc(5, value.sub_type)
  head.writeUInt32BE(bytes.length)
  key.raw(head)
  key.raw(bytes)
}

/** The key of one value: `Buffer.compare` of two gives MongoDB's order. No key begins another. */
export function keyOf(value: unknown): Buffer {
  key.clear()
  writeValue(value)
  return key.take()
}

/** The key of several values. The bytes of those that are `descending` are inverted. */
export function compoundKey(values: readonly unknown[], descending: readonly boolean[]): Buffer {
  key.clear()
  for (const [at, value] of values.entries()) {
    const start = key.length
    writeValue(value)
    if (descending[at]) invert(key.from(start))
  }
  return key.take()
}

function invert(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at++) bytes[at] = ~bytes[at]! & 0xff
}

/** A key with inverted bytes, which turns an ascending component into a descending one. */
export function inverted(given: Buffer): Buffer {
  const copy = Buffer.from(given)
  invert(copy)
  return copy
}

/** MongoDB's order of two values: negative, 0 or positive. A missing value equals null. */
export function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0
  if (typeof a === 'string' && typeof b === 'string')
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  const bracket = bracketOf(a) - bracketOf(b)
  return bracket !== 0 ? bracket : Buffer.compare(keyOf(a), keyOf(b))
}

/** Whether two values are equal to a query: 1 equals 1.0, but {a, b} differs from {b, a}. */
export function sameValue(a: unknown, b: unknown): boolean {
  return compareValues(a, b) === 0
}

/** The smallest bytes above all that start with `prefix`. No key begins with the byte 0xff. */
export function afterPrefix(prefix: Buffer): Buffer {
  const at = prefix.findLastIndex((byte) => byte !== 0xff)
  const next = Buffer.from(prefix.subarray(0, at + 1))
  next[at]!++
  return next
}

const TERMINATOR = 0

/**
 * The key of a double or an int, 9 bytes. NaN sorts below all numbers, and -0 equals 0. Ints, longs
 * and doubles have one exact order: 2^53 + 1 differs from 2^53. So the key of any number is the
 * largest double that is not above it, in 8 bytes whose order is that of the doubles; the rest as
 * decimal digits, in units of the distance to the next double; and the byte 0.
 */
function numberKey(value: number): Buffer {
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
function longKey(value: bigint): Buffer {
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
