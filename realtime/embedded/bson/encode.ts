// Turns values into bytes. A document that was read is copied as it came, and so is a field.
import {
  type Binary,
  type BSONRegExp,
  type BSONSymbol,
  type Code,
  type Decimal128,
  type Double,
  type Int32,
  Long,
  type ObjectId,
} from 'bson'
import { Doc, FarDate, type DbPointer } from './doc.ts'
import { typeOf } from './type-of.ts'

/** A document that the server makes, such as a reply. Its names never look like integers. */
export type Plain = Readonly<Record<string, unknown>>

class BsonWriter {
  #bytes = Buffer.allocUnsafe(1024)
  #length = 0

  #reserve(more: number): number {
    const at = this.#length
    this.#length += more
    if (this.#length > this.#bytes.length) {
      const next = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length))
      this.#bytes.copy(next, 0, 0, at)
      this.#bytes = next
    }
    return at
  }

  reset(): void {
    this.#length = 0
    if (this.#bytes.length > 1024 * 1024) this.#bytes = Buffer.allocUnsafe(1024)
  }

  take(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }

  document(value: Doc | Plain): void {
    if (value instanceof Doc && value.encoded) return this.#raw(value.encoded)
    const start = this.#reserve(4)
    if (value instanceof Doc) {
      for (const field of value.fields) {
        if (field.encoded) this.#raw(field.encoded)
        else this.field(field.name, field.value)
      }
    } else {
      for (const name of Object.keys(value))
        if (value[name] !== undefined) this.field(name, value[name])
    }
    this.#close(start)
  }

  #close(start: number): void {
    this.#byte(0)
    this.#bytes.writeInt32LE(this.#length - start, start)
  }

  #array(values: readonly unknown[]): void {
    const start = this.#reserve(4)
    for (let at = 0; at < values.length; at++) this.field(String(at), values[at] ?? null)
    this.#close(start)
  }

  field(name: string, value: unknown): void {
    const at = this.#reserve(1)
    this.#cstring(name)
    const code = this.#value(value)
    this.#bytes[at] = code
  }

  #cstring(text: string): void {
    const at = this.#reserve(text.length * 3 + 1)
    this.#length = at + this.#bytes.write(text, at, 'utf8')
    this.#byte(0)
  }

  #text(text: string): void {
    const at = this.#reserve(4)
    this.#cstring(text)
    this.#bytes.writeInt32LE(this.#length - at - 4, at)
  }

  // `reserve` may replace the buffer, so it must run before the buffer is read.
  #byte(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  #raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  #int32(value: number): void {
    const at = this.#reserve(4)
    this.#bytes.writeInt32LE(value, at)
  }

  #int64(value: bigint): void {
    const at = this.#reserve(8)
    this.#bytes.writeBigInt64LE(BigInt.asIntN(64, value), at)
  }

  #double(value: number): void {
    const at = this.#reserve(8)
    this.#bytes.writeDoubleLE(value, at)
  }

  /** Writes a value and returns the number of its type. */
  #value(value: unknown): number {
    switch (typeOf(value)) {
      case 'string':
        this.#text(value as string)
        return 0x02
      case 'int':
        this.#int32(typeof value === 'number' ? value : (value as Int32).value)
        return 0x10
      case 'double':
        this.#double(typeof value === 'number' ? value : (value as Double).value)
        return 0x01
      case 'long':
        this.#int64(typeof value === 'bigint' ? value : (value as Long).toBigInt())
        return 0x12
      case 'decimal':
        this.#raw((value as Decimal128).bytes)
        return 0x13
      case 'object':
        this.document(value as Doc)
        return 0x03
      case 'array':
        this.#array(value as unknown[])
        return 0x04
      case 'bool':
        this.#byte(value === true ? 1 : 0)
        return 0x08
      case 'date':
        this.#int64(value instanceof FarDate ? value.ms : BigInt((value as Date).getTime()))
        return 0x09
      case 'null':
        return 0x0a
      case 'objectId':
        this.#raw((value as ObjectId).id)
        return 0x07
      case 'timestamp':
        this.#int64(Long.fromValue(value as Long).toBigInt())
        return 0x11
      default:
        return this.#rareValue(value)
    }
  }

  #rareValue(value: unknown): number {
    switch (typeOf(value)) {
      case 'binData':
        return this.#binary(value as Binary | Uint8Array)
      case 'regex':
        this.#cstring((value as BSONRegExp).pattern)
        this.#cstring((value as BSONRegExp).options)
        return 0x0b
      case 'symbol':
        this.#text((value as BSONSymbol).value)
        return 0x0e
      case 'javascript':
        this.#text((value as Code).code)
        return 0x0d
      case 'javascriptWithScope': {
        const at = this.#reserve(4)
        this.#text((value as Code).code)
        this.document((value as Code).scope as unknown as Doc)
        this.#bytes.writeInt32LE(this.#length - at, at)
        return 0x0f
      }
      case 'dbPointer':
        this.#text((value as DbPointer).ns)
        this.#raw((value as DbPointer).id)
        return 0x0c
      case 'minKey':
        return 0xff
      case 'maxKey':
        return 0x7f
      default:
        return 0x06
    }
  }

  #binary(value: Binary | Uint8Array): number {
    const bytes = value instanceof Uint8Array ? value : value.value()
    this.#int32(bytes.length)
    this.#byte(value instanceof Uint8Array ? 0 : value.sub_type)
    this.#raw(bytes)
    return 0x05
  }
}

const writer = new BsonWriter()

/** Encodes a document. A plain number becomes an int if it is one, otherwise a double. */
export function encode(doc: Doc | Plain): Uint8Array {
  if (doc instanceof Doc && doc.encoded) return doc.encoded
  writer.reset()
  writer.document(doc)
  return writer.take()
}

/** The bytes of a value: its type and what follows its name. Equal values have equal bytes. */
export function valueBytes(value: unknown): Buffer {
  writer.reset()
  writer.field('', value ?? null)
  return writer.take()
}

/** Whether two values are the same to the last byte, including their number types. */
export function identical(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a === 'string' || typeof b === 'string') return false
  return Buffer.compare(valueBytes(a), valueBytes(b)) === 0
}
