// Turns values into bytes. A document that was read is copied as it came, and so is a field.
import { serialize, type Binary, type Long, type ObjectId } from 'bson'
import { ByteWriter } from './byte-writer.ts'
import { Doc } from './doc.ts'
import { typeOf } from './type-of.ts'

/** A document that the server makes, such as a reply. Its names never look like integers. */
export type Plain = Readonly<Record<string, unknown>>

const out = new ByteWriter()

/** Encodes a document. A plain number becomes an int if it is one, otherwise a double. */
export function encode(doc: Doc | Plain): Uint8Array {
  if (doc instanceof Doc && doc.encoded) return doc.encoded
  out.clear()
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

/** The encoded fields of a document without the length and the terminator around them. */
export function fieldsIn(doc: Plain): Uint8Array {
  const bytes = encode(doc)
  return bytes.subarray(4, bytes.length - 1)
}

/** A field whose value is an encoded document. */
export function embeddedDocument(name: string, parts: readonly Uint8Array[]): Uint8Array[] {
  return [Buffer.from(`\x03${name}\0`, 'utf8'), ...parts]
}

/** A field whose value is an array of encoded elements. */
export function embeddedArray(name: string, elements: readonly Uint8Array[]): Uint8Array[] {
  return [Buffer.from(`\x04${name}\0`, 'utf8'), ...framed(elements)]
}

/** Puts the length and the terminator of a document around encoded fields. */
export function framed(parts: readonly Uint8Array[]): Uint8Array[] {
  const size = Buffer.alloc(4)
  size.writeInt32LE(parts.reduce((sum, part) => sum + part.length, 5))
  return [size, ...parts, Buffer.from([0])]
}
