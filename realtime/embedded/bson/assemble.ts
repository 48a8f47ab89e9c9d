// Builds BSON documents from parts that are BSON already, so that documents that only pass through
// the server are never decoded.
import { encode, type Plain } from './encode.ts'

/** The encoded fields of a document without the length and the terminator around them. */
export function fieldsIn(doc: Plain): Uint8Array {
  const bytes = encode(doc)
  return bytes.subarray(4, bytes.length - 1)
}

/** A field whose value is an encoded document. */
export function embeddedDocument(name: string, parts: readonly Uint8Array[]): Uint8Array[] {
  return [Buffer.from(`\x03${name}\0`, 'utf8'), ...parts]
}

/** A field whose value is an array of encoded documents. */
export function embeddedArray(name: string, documents: readonly Uint8Array[]): Uint8Array[] {
  const elements = documents.flatMap((bytes, at) => embeddedDocument(String(at), [bytes]))
  return [Buffer.from(`\x04${name}\0`, 'utf8'), ...framed(elements)]
}

/** Puts the length and the terminator of a document around encoded fields. */
export function framed(parts: readonly Uint8Array[]): Uint8Array[] {
  const size = Buffer.alloc(4)
  size.writeInt32LE(parts.reduce((sum, part) => sum + part.length, 5))
  return [size, ...parts, Buffer.from([0])]
}
