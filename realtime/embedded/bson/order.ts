// MongoDB's total order of BSON values as bytes: two values compare as their keys do byte by byte.
// Indexes, sorts and comparisons all use this one encoding, so an index scan and a collection scan
// can never disagree.
import type { Binary, BSONRegExp, Double, Int32, Long, ObjectId, Timestamp } from 'bson'
import { ByteWriter } from './byte-writer.ts'
import { refusal } from '../errors.ts'
import type { Doc } from './doc.ts'
import { longKey, numberKey } from './number-key.ts'
import { bsonTypes, typeOf, type TypeName } from './type-of.ts'

/** Stands in an index for an empty array, which MongoDB sorts below null. */
export const emptyArray = Symbol('empty array')

/**
 * The type bracket of a value, which is the first byte of its key. Operators such as `$gt` compare
 * only values of the same bracket.
 */
export function bracketOf(value: unknown): number {
  return bsonTypes[typeOf(value)][1]
}

const key = new ByteWriter()
const escapedNul = Buffer.from([0x00, 0xff])

/**
 * Writes UTF-8 and a terminator that sorts below every character. A NUL in the text is escaped, so
 * that no key is the beginning of another.
 */
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
      return writeArray(value as unknown[])
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

function writeArray(values: unknown[]): void {
  for (const value of values) writeValue(value === undefined ? null : value)
  key.byte(0)
}

function writeBinary(value: Binary): void {
  const bytes = value.value()
  const head = Buffer.alloc(5, value.sub_type)
  head.writeUInt32BE(bytes.length)
  key.raw(head)
  key.raw(bytes)
}

/**
 * The key of one value. `Buffer.compare` of two keys gives MongoDB's order of the two values. No
 * key is the beginning of another.
 */
export function keyOf(value: unknown): Buffer {
  key.clear()
  writeValue(value)
  return key.take()
}

/**
 * The key of several values one after another. The bytes of a value are inverted if `descending`
 * holds at its index, which reverses its order.
 */
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
