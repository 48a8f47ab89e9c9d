// BSON documents. A document keeps its bytes and reads a field when somebody asks for it. What an
// update doesn't touch is therefore never decoded, and is written again as it was, whatever its
// names, types and order.
import * as bson from 'bson'
import { refusal, type ServerError } from '../errors.ts'

/** The error for a deprecated type: undefined, a symbol, code, a DBPointer. */
function unsupportedType(type: number): ServerError {
  return refusal('NotImplemented', `the BSON type ${type} is not supported`)
}

export class Field {
  readonly name: string
  /** The field as it came: type, name and value. Undefined if it was made here. */
  readonly encoded: Buffer | undefined
  readonly #at: number
  #value: unknown

  private constructor(name: string, value: unknown, encoded?: Buffer, at = 0) {
    this.name = name
    this.#value = value
    this.encoded = encoded
    this.#at = at
  }

  static of(name: string, value: unknown): Field {
    return new Field(name, value)
  }

  static read(encoded: Buffer, at: number): Field {
    return new Field(encoded.toString('utf8', 1, at - 1), undefined, encoded, at)
  }

  get value(): unknown {
    const { encoded } = this
    if (encoded) this.#value ??= readValue(encoded, encoded[0]!, this.#at)
    return this.#value
  }
}

/** A document: fields in an order. It never changes. */
export class Doc {
  readonly #bytes: Buffer | undefined
  #fields: readonly Field[] | undefined

  static readonly empty = new Doc(undefined, [])

  private constructor(bytes: Buffer | undefined, fields: readonly Field[] | undefined) {
    this.#bytes = bytes
    this.#fields = fields
  }

  /** A document from bytes, which have been checked (`checkBson`). */
  static read(bytes: Uint8Array): Doc {
    return new Doc(asBuffer(bytes), undefined)
  }

  static of(fields: Iterable<readonly [string, unknown]>): Doc {
    return Doc.from(Array.from(fields, ([name, value]) => Field.of(name, value)))
  }

  /** A document of fields whose names don't look like integers: JavaScript moves those. */
  static literal(fields: Readonly<Record<string, unknown>>): Doc {
    return Doc.of(Object.entries(fields))
  }

  static from(fields: readonly Field[]): Doc {
    return new Doc(undefined, fields)
  }

  /** The document's bytes, if it has been read and not made. */
  get encoded(): Uint8Array | undefined {
    return this.#bytes
  }

  get fields(): readonly Field[] {
    return (this.#fields ??= readFields(this.#bytes!))
  }

  get size(): number {
    return this.fields.length
  }

  get firstName(): string {
    return this.fields[0]?.name ?? ''
  }

  get(name: string): unknown {
    if (!this.#fields) return findValue(this.#bytes!, name)
    for (const field of this.#fields) if (field.name === name) return field.value
    return undefined
  }

  has(name: string): boolean {
    return this.fields.some((field) => field.name === name)
  }

  /** The document with a field replaced where it is, or added at the end. */
  with(name: string, value: unknown): Doc {
    const fields = [...this.fields]
    const at = fields.findIndex((field) => field.name === name)
    fields[at < 0 ? fields.length : at] = Field.of(name, value)
    return new Doc(undefined, fields)
  }

  /** The document with `_id` as its first field. `makeId` is asked if it has none. */
  withIdFirst(makeId: () => unknown): Doc {
    if (this.firstName === '_id') return this
    const own = this.fields.find(({ name }) => name === '_id')
    const others = this.fields.filter((field) => field !== own)
    return new Doc(undefined, [own ?? Field.of('_id', makeId()), ...others])
  }

  without(name: string): Doc {
    return Doc.from(this.fields.filter((field) => field.name !== name))
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function readFields(bytes: Buffer): Field[] {
  const fields: Field[] = []
  const end = bytes.length - 1
  for (let start = 4; start < end;) {
    let at = start + 1
    while (bytes[at] !== 0) at++
    at++
    const next = at + sizeOfValue(bytes, bytes[start]!, at)
    fields.push(Field.read(bytes.subarray(start, next), at - start))
    start = next
  }
  return fields
}

const encodedNames = new Map<string, Uint8Array>()
const MAX_ENCODED_NAMES = 10_000

function encodedName(name: string): Uint8Array {
  let bytes = encodedNames.get(name)
  if (!bytes) {
    if (encodedNames.size >= MAX_ENCODED_NAMES) encodedNames.clear()
    encodedNames.set(name, (bytes = Buffer.from(`${name}\0`, 'utf8')))
  }
  return bytes
}

/** Finds a field without making objects for the others. */
function findValue(bytes: Buffer, name: string): unknown {
  const wanted = encodedName(name)
  const end = bytes.length - 1
  for (let start = 4; start < end;) {
    let at = start + 1
    let same = 0
    while (same < wanted.length && bytes[at] === wanted[same]) {
      at++
      same++
    }
    if (same === wanted.length) return readValue(bytes, bytes[start]!, at)
    while (bytes[at] !== 0) at++
    at++
    start = at + sizeOfValue(bytes, bytes[start]!, at)
  }
  return undefined
}

/** The types whose values have always the same size, by this size. */
const fixedSizes: [number, number[]][] = [
  [0, [0x06, 0x0a, 0x7f, 0xff]],
  [1, [0x08]],
  [4, [0x10]],
  [8, [0x01, 0x09, 0x11, 0x12]],
  [12, [0x07]],
  [16, [0x13]],
]
/** The types whose values begin with a length, by the size of what the length doesn't count. */
const sizesBesideLength: [number, number[]][] = [
  [0, [0x03, 0x04, 0x0f]],
  [4, [0x02, 0x0d, 0x0e]],
  [5, [0x05]],
  [16, [0x0c]],
]
const sizesByType = (sizes: [number, number[]][]): Int8Array => {
  const byType = new Int8Array(256).fill(-1)
  for (const [size, types] of sizes) for (const type of types) byType[type] = size
  return byType
}
const fixedSize = sizesByType(fixedSizes)
const sizeBesideLength = sizesByType(sizesBesideLength)

/** Whether a value of this type begins with its length. */
const hasLength = (type: number): boolean => sizeBesideLength[type]! >= 0

/** The number of bytes of a value. Throws if no BSON type has this number. */
function sizeOfValue(bytes: Buffer, type: number, at: number): number {
  if (fixedSize[type]! >= 0) return fixedSize[type]!
  if (hasLength(type)) return sizeBesideLength[type]! + bytes.readInt32LE(at)
  if (type !== 0x0b) throw new Error(`unknown BSON type ${type}`)
  return bytes.indexOf(0, bytes.indexOf(0, at) + 1) + 1 - at
}

function readText(bytes: Buffer, at: number): string {
  return bytes.toString('utf8', at + 4, at + 3 + bytes.readInt32LE(at))
}

function readArray(bytes: Buffer, at: number): unknown[] {
  const values: unknown[] = []
  const end = at + bytes.readInt32LE(at) - 1
  for (let start = at + 4; start < end;) {
    let value = start + 1
    while (bytes[value] !== 0) value++
    value++
    values.push(readValue(bytes, bytes[start]!, value))
    start = value + sizeOfValue(bytes, bytes[start]!, value)
  }
  return values
}

function readValue(bytes: Buffer, type: number, at: number): unknown {
  switch (type) {
    case 0x01:
      return new bson.Double(bytes.readDoubleLE(at))
    case 0x02:
      return readText(bytes, at)
    case 0x03:
      return Doc.read(bytes.subarray(at, at + bytes.readInt32LE(at)))
    case 0x04:
      return readArray(bytes, at)
    case 0x05:
      return new bson.Binary(bytes.subarray(at + 5, at + 5 + bytes.readInt32LE(at)), bytes[at + 4])
    case 0x07:
      return new bson.ObjectId(bytes.subarray(at, at + 12))
    case 0x08:
      return bytes[at] !== 0
    case 0x09:
      return new Date(Number(bytes.readBigInt64LE(at)))
    case 0x0a:
      return null
    case 0x10:
      return new bson.Int32(bytes.readInt32LE(at))
    case 0x11:
      return new bson.Timestamp({ t: bytes.readUInt32LE(at + 4), i: bytes.readUInt32LE(at) })
    case 0x12:
      return new bson.Long(bytes.readInt32LE(at), bytes.readInt32LE(at + 4))
    case 0x13:
      return new bson.Decimal128(Uint8Array.from(bytes.subarray(at, at + 16)))
    case 0x0b: {
      const middle = bytes.indexOf(0, at)
      const [pattern, options] = bytes
        .toString('utf8', at, bytes.indexOf(0, middle + 1))
        .split('\0')
      return new bson.BSONRegExp(pattern!, options)
    }
    case 0xff:
      return new bson.MinKey()
    case 0x7f:
      return new bson.MaxKey()
    default:
      throw unsupportedType(type)
  }
}

/** How deeply a command may be nested. A stored document has a smaller limit. */
const MAX_DEPTH = 200
/** The milliseconds of JavaScript's last date. */
const LAST_DATE = 8_640_000_000_000_000n
const deprecatedTypes = new Set([0x06, 0x0c, 0x0d, 0x0e, 0x0f])

/**
 * Checks bytes from outside once, so that all other code reads them without checks. Throws unless
 * they are one whole document, and refuses nesting and values that the engine doesn't support.
 * Returns the depth of the document.
 */
export function checkBson(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return checkDocument(buffer, 0, bytes.length, 1)
}

const malformed = (): Error => new Error('not a BSON document')

function checkDocument(bytes: Buffer, from: number, limit: number, depth: number): number {
  if (depth > MAX_DEPTH)
    throw refusal('Overflow', `BSONObj exceeded maximum nested object depth: ${MAX_DEPTH}`)
  if (limit - from < 5) throw malformed()
  const end = from + bytes.readInt32LE(from) - 1
  if (end !== limit - 1 || bytes[end] !== 0) throw malformed()
  let deepest = depth
  for (let start = from + 4; start < end;) {
    const type = bytes[start]!
    const at = bytes.indexOf(0, start + 1) + 1
    if (at === 0 || at > end) throw malformed()
    const size = checkedSize(bytes, type, at, end)
    if (type === 0x03 || type === 0x04)
      deepest = Math.max(deepest, checkDocument(bytes, at, at + size, depth + 1))
    start = at + size
  }
  return deepest
}

function checkedSize(bytes: Buffer, type: number, at: number, end: number): number {
  if (deprecatedTypes.has(type)) throw unsupportedType(type)
  let size: number
  try {
    if (hasLength(type) && (at + 4 > end || bytes.readInt32LE(at) < 0)) throw malformed()
    if (type === 0x0b && bytes.indexOf(0, bytes.indexOf(0, at) + 1) < at) throw malformed()
    size = sizeOfValue(bytes, type, at)
  } catch {
    throw malformed()
  }
  if (size < 0 || at + size > end) throw malformed()
  // A text has its length before it and a NUL after it.
  if (type === 0x02 && (size < 5 || bytes[at + size - 1] !== 0)) throw malformed()
  if (type === 0x08 && bytes[at]! > 1) throw malformed()
  if (type === 0x09) checkDate(bytes.readBigInt64LE(at))
  // MongoDB puts the present time in the place of some.
  if (type === 0x11 && bytes.readBigInt64LE(at) === 0n)
    throw refusal('NotImplemented', 'an empty timestamp is not supported')
  return size
}

function checkDate(ms: bigint): void {
  if (ms > LAST_DATE || ms < -LAST_DATE)
    throw refusal('NotImplemented', "a date beyond JavaScript's is not supported")
}
