// Turns values into bytes. A document that was read is copied as it came, and so is a field.
import { serialize, type Binary, type Long, type ObjectId } from 'bson'
import { Doc } from './doc.ts'
import { typeOf } from './type-of.ts'

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(1024)
  #length = 0

  get length(): number {
    return this.#length
  }

  #grow(more: number): number {
    const at = this.#length
    this.#length += more
    if (this.#length > this.#bytes.length) {
      const next = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + 1024))
      this.#bytes.copy(next, 0, 0, at)
      this.#bytes = next
    }
    return at
  }

  int32(value: number): void {
    const at = this.#grow(4)
    this.#bytes.writeInt32LE(value, at)
  }

  int64(value: bigint): void {
    const at = this.#grow(8)
    this.#bytes.writeBigInt64LE(BigInt.asIntN(64, value), at)
  }

  double(value: number): void {
    const at = this.#grow(8)
    this.#bytes.writeDoubleLE(value, at)
  }

  /** A number whose order is that of its bytes. */
  ordered(value: bigint): void {
    const at = this.#grow(8)
    this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), at)
  }

  setByte(at: number, value: number): void {
    this.#bytes[at] = value
  }

  setInt32(at: number, value: number): void {
    this.#bytes.writeInt32LE(value, at)
  }

  byte(value: number): void {
    const at = this.#grow(1)
    this.#bytes[at] = value
  }

  raw(chunk: Uint8Array): void {
    const at = this.#grow(chunk.length)
    this.#bytes.set(chunk, at)
  }

  utf8(text: string): void {
    const at = this.#grow(text.length * 3)
    this.#length = at + this.#bytes.write(text, at, 'utf8')
  }

  /** The bytes from `at` on, which may be changed. */
  from(at: number): Buffer {
    return this.#bytes.subarray(at, this.#length)
  }

  /** What was written since `clear`: a copy, unless it fills most of its memory. */
  take(): Buffer {
    const written = this.from(0)
    if (written.length < this.#bytes.length * 0.9) return Buffer.from(written)
    this.#bytes = Buffer.allocUnsafe(1024)
    return written
  }

  clear(): void {
    this.#length = 0
    if (this.#bytes.length > 1024 * 1024) this.#bytes = Buffer.allocUnsafe(1024)
  }
}

/** A document that the server makes, such as a reply. Its names never look like integers. */
export type Plain = Readonly<Record<string, unknown>>

const out = new ByteWriter()
const noBytes = Buffer.alloc(0)

/**
 * Documents as an array. Each is copied as it comes, so that no later step has to visit all of
 * them, and so that nothing else keeps them in memory.
 */
export class EncodedArray extends ByteWriter {
  count = 0

  add(document: Uint8Array): void {
    this.byte(0x03)
    this.utf8(String(this.count++))
    this.byte(0)
    this.raw(document)
  }
}

/** Encodes a document. A plain number becomes an int if it is one, otherwise a double. */
export function encode(doc: Doc | Plain): Uint8Array {
  return doc instanceof Doc && doc.encoded ? doc.encoded : encodeAfter(noBytes, doc)
}

export function encodeAfter(head: Uint8Array, doc: Doc | Plain): Buffer {
  out.clear()
  out.raw(head)
  writeDocument(doc)
  return out.take()
}

/** The bytes of a value: its type and what follows its name. Equal values have equal bytes. */
export function valueBytes(value: unknown): Buffer {
  out.clear()
  writeField('', value)
  return out.take()
}

/** Whether two values are the same to the last byte, including their number types. */
export function identical(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a === 'string' || typeof b === 'string') return false
  return Buffer.compare(valueBytes(a), valueBytes(b)) === 0
}

function writeDocument(doc: Doc | Plain): void {
  if (doc instanceof Doc && doc.encoded) return out.raw(doc.encoded)
  writeFramed(() => {
    if (doc instanceof Doc) {
      for (const field of doc.fields) {
        if (field.encoded) out.raw(field.encoded)
        else writeField(field.name, field.value)
      }
    } else {
      for (const name of Object.keys(doc)) if (doc[name] !== undefined) writeField(name, doc[name])
    }
    out.byte(0)
  })
}

/** Writes something with its size before it; `counted` bytes of the size don't count. */
function writeFramed(write: () => void, counted = 0): void {
  const start = out.length
  out.int32(0)
  write()
  out.setInt32(start, out.length - start - counted)
}

function writeField(name: string, value: unknown): void {
  const start = out.length
  out.byte(0)
  out.utf8(name)
  out.byte(0)
  const type = writeValue(value)
  out.setByte(start, type)
}

/** Writes a value and returns the number of its type. */
function writeValue(value: unknown): number {
  switch (typeOf(value)) {
    case 'string':
      writeFramed(() => (out.utf8(value as string), out.byte(0)), 4)
      return 0x02
    case 'int':
      out.int32(Number(value))
      return 0x10
    case 'double':
      out.double(Number(value))
      return 0x01
    case 'long':
      out.int64(typeof value === 'bigint' ? value : (value as Long).toBigInt())
      return 0x12
    case 'object':
      if (value instanceof EncodedArray) return writeElements(value)
      writeDocument(value as Doc)
      return 0x03
    case 'array':
      writeFramed(() => {
        for (const [at, item] of (value as unknown[]).entries()) writeField(String(at), item)
        out.byte(0)
      })
      return 0x04
    case 'bool':
      out.byte(value === true ? 1 : 0)
      return 0x08
    case 'date':
      out.int64(BigInt((value as Date).getTime()))
      return 0x09
    case 'null':
    case 'missing':
      return 0x0a
    case 'objectId':
      out.raw((value as ObjectId).id)
      return 0x07
    case 'timestamp':
      out.int64((value as Long).toBigInt())
      return 0x11
    default:
      return writeRareValue(value)
  }
}

function writeElements(array: EncodedArray): number {
  writeFramed(() => (out.raw(array.from(0)), out.byte(0)))
  return 0x04
}

function writeRareValue(value: unknown): number {
  if (typeOf(value) === 'binData') {
    const bytes = (value as Binary).value()
    out.int32(bytes.length)
    out.byte((value as Binary).sub_type)
    out.raw(bytes)
    return 0x05
  }
  const bytes = serialize({ '': value })
  out.raw(bytes.subarray(6, -1))
  return bytes[4]!
}
