// Puts BSON documents together from parts that are BSON already, so that what only passes through is never decoded.
import { encode, type Doc } from './codec.ts'

/** The fields of a document without its frame, to be put into another one. */
export function fieldsIn(doc: Doc): Uint8Array {
  const bytes = encode(doc)
  return bytes.subarray(4, bytes.length - 1)
}

/** A field that holds a document given as bytes. */
export function embeddedDocument(name: string, parts: readonly Uint8Array[]): Uint8Array[] {
  return [Buffer.from(`\x03${name}\0`, 'utf8'), ...parts]
}

/** A field that holds an array of documents given as bytes. */
export function embeddedArray(name: string, documents: readonly Uint8Array[]): Uint8Array[] {
  const elements = documents.flatMap((bytes, at) => embeddedDocument(String(at), [bytes]))
  return [Buffer.from(`\x04${name}\0`, 'utf8'), ...framed(elements)]
}

/** Frames fields into a document. */
export function framed(parts: readonly Uint8Array[]): Uint8Array[] {
  const size = Buffer.alloc(4)
  size.writeInt32LE(parts.reduce((sum, part) => sum + part.length, 5))
  return [size, ...parts, Buffer.from([0])]
}
