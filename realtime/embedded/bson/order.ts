// MongoDB's total order of BSON values as bytes: two values compare as their keys do byte by byte.
// Indexes, sorts and comparisons all use this one encoding, so an index scan and a collection scan
// can never disagree.
import type {
  Binary,
  BSONRegExp,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  ObjectId,
  Timestamp,
} from 'bson'
import { FarDate, type DbPointer, type Doc } from './doc.ts'
import { decimalKey, longKey, numberKey } from './number-key.ts'
import { typeOf, type TypeName } from './type-of.ts'

/**
 * The first byte of the key of each type. Values whose types share a byte are comparable with each
 * other.
 */
const canonicalTypes: Record<TypeName, number> = {
  minKey: 0x05,
  undefined: 0x08,
  missing: 0x0a,
  null: 0x0a,
  int: 0x10,
  long: 0x10,
  double: 0x10,
  decimal: 0x10,
  symbol: 0x20,
  string: 0x20,
  object: 0x28,
  array: 0x30,
  binData: 0x38,
  objectId: 0x40,
  bool: 0x48,
  date: 0x50,
  timestamp: 0x58,
  regex: 0x60,
  dbPointer: 0x68,
  javascript: 0x70,
  javascriptWithScope: 0x78,
  maxKey: 0xf0,
}

/** Stands in an index for an empty array, which MongoDB sorts below null. */
export const emptyArray = Symbol('empty array')

/**
 * The type bracket of a value, which is the first byte of its key. Operators such as `$gt` compare
 * only values of the same bracket.
 */
export function bracketOf(value: unknown): number {
  return value === emptyArray ? canonicalTypes.undefined : canonicalTypes[typeOf(value)]
}

/** A growing buffer into which keys are written. */
class KeyWriter {
  bytes = Buffer.allocUnsafe(256)
  length = 0

  #reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return
    const next = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + more))
    this.bytes.copy(next, 0, 0, this.length)
    this.bytes = next
  }

  byte(value: number): void {
    this.#reserve(1)
    this.bytes[this.length++] = value
  }

  raw(chunk: Uint8Array): void {
    this.#reserve(chunk.length)
    this.bytes.set(chunk, this.length)
    this.length += chunk.length
  }

  /**
   * Writes UTF-8 and a terminator that sorts below every character. A NUL in the text is escaped,
   * so that no key is the beginning of another.
   */
  text(value: string): void {
    this.#reserve(value.length * 3 + 2)
    const start = this.length
    this.length += this.bytes.write(value, start, 'utf8')
    if (value.includes('\0')) this.#escapeFrom(start)
    this.byte(0)
    this.byte(0)
  }

  #escapeFrom(start: number): void {
    const source = Buffer.from(this.bytes.subarray(start, this.length))
    this.length = start
    for (const byte of source) {
      this.byte(byte)
      if (byte === 0) this.byte(0xff)
    }
  }

  take(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.length))
  }
}

function writeValue(key: KeyWriter, value: unknown): void {
  const type = value === emptyArray ? 'undefined' : typeOf(value)
  key.byte(canonicalTypes[type])
  writePayload(key, type, value)
}

function writePayload(key: KeyWriter, type: TypeName, value: unknown): void {
  switch (type) {
    case 'int':
    case 'double':
      return key.raw(numberKey(typeof value === 'number' ? value : (value as Int32 | Double).value))
    case 'long':
      return key.raw(longKey(typeof value === 'bigint' ? value : (value as Long).toBigInt()))
    case 'decimal':
      return key.raw(decimalKey(value as Decimal128))
    case 'string':
      return key.text(value as string)
    case 'symbol':
      return key.text(String(value))
    case 'object':
      return writeObject(key, value as Doc)
    case 'array':
      return writeArray(key, value as unknown[])
    case 'binData':
      return writeBinary(key, value as Binary)
    case 'objectId':
      return key.raw((value as ObjectId).id)
    case 'bool':
      return key.byte(value === true ? 1 : 0)
    case 'date':
      return writeInt64(key, msOf(value as Date) ^ (1n << 63n))
    case 'timestamp':
      return writeInt64(key, (value as Timestamp).toBigInt())
    case 'regex':
      return writeRegex(key, value as BSONRegExp)
    case 'javascript':
      return key.text((value as Code).code)
    case 'javascriptWithScope':
      key.text((value as Code).code)
      return writeObject(key, (value as Code).scope as unknown as Doc)
    case 'dbPointer':
      key.text((value as DbPointer).ns)
      return key.raw((value as DbPointer).id)
    default:
  }
}

/** The milliseconds of a date since 1970. */
export function msOf(date: Date): bigint {
  return date instanceof FarDate ? date.ms : BigInt(date.getTime())
}

function writeInt64(key: KeyWriter, value: bigint): void {
  const chunk = Buffer.allocUnsafe(8)
  chunk.writeBigUInt64BE(BigInt.asUintN(64, value))
  key.raw(chunk)
}

function writeObject(key: KeyWriter, value: Doc): void {
  for (const field of value.fields) {
    const type = typeOf(field.value)
    key.byte(canonicalTypes[type])
    key.text(field.name)
    writePayload(key, type, field.value)
  }
  key.byte(0)
}

function writeArray(key: KeyWriter, values: unknown[]): void {
  for (const value of values) writeValue(key, value === undefined ? null : value)
  key.byte(0)
}

function writeBinary(key: KeyWriter, value: Binary): void {
  const bytes = value.value()
  const head = Buffer.allocUnsafe(5)
  head.writeUInt32BE(bytes.length)
  head[4] = value.sub_type
  key.raw(head)
  key.raw(bytes)
}

function writeRegex(key: KeyWriter, value: BSONRegExp): void {
  key.text(value.pattern)
  key.text(value.options)
}

const scratch = new KeyWriter()

/**
 * The key of one value. `Buffer.compare` of two keys gives MongoDB's order of the two values. No
 * key is the beginning of another.
 */
export function keyOf(value: unknown): Buffer {
  scratch.length = 0
  writeValue(scratch, value)
  return scratch.take()
}

/**
 * The key of several values one after another. The bytes of a value are inverted if `descending`
 * holds at its index, which reverses its order.
 */
export function compoundKey(values: readonly unknown[], descending: readonly boolean[]): Buffer {
  scratch.length = 0
  for (let at = 0; at < values.length; at++) {
    const start = scratch.length
    writeValue(scratch, values[at])
    if (descending[at]) invert(scratch.bytes, start, scratch.length)
  }
  return scratch.take()
}

function invert(bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at++) bytes[at] = ~bytes[at]! & 0xff
}

/** A key with inverted bytes, which turns an ascending component into a descending one. */
export function inverted(key: Buffer): Buffer {
  const copy = Buffer.from(key)
  invert(copy, 0, copy.length)
  return copy
}

/** MongoDB's order of two values: negative, 0 or positive. A missing value equals null. */
export function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  const bracket = bracketOf(a) - bracketOf(b)
  return bracket !== 0 ? bracket : Buffer.compare(keyOf(a), keyOf(b))
}

/**
 * The UTF-8 order of two different strings. It is the UTF-16 order, except that surrogates sort
 * above all other code units.
 */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at)
    const y = b.charCodeAt(at)
    if (x === y) continue
    const xHigh = x >= 0xd800 && x <= 0xdfff
    const yHigh = y >= 0xd800 && y <= 0xdfff
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1
  }
  return a.length - b.length
}

/** Whether two values are equal to a query: 1 equals 1.0, but {a, b} differs from {b, a}. */
export function sameValue(a: unknown, b: unknown): boolean {
  return compareValues(a, b) === 0
}

/** The smallest byte string above all that start with `prefix`; undefined if there is none. */
export function afterPrefix(prefix: Buffer): Buffer | undefined {
  for (let at = prefix.length - 1; at >= 0; at--) {
    if (prefix[at] === 0xff) continue
    const next = Buffer.from(prefix.subarray(0, at + 1))
    next[at]!++
    return next
  }
  return undefined
}
