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
export function embeddedArray(name: string, documents: EncodedDocuments): Uint8Array[] {
  return [Buffer.from(`\x04${name}\0`, 'utf8'), ...framed(documents.parts)]
}

const MAX_CHUNK_BYTES = 64 * 1024

/**
 * Documents as the elements of an array. Each is copied as it comes, so that no step that follows
 * has to visit all of them, and so that nothing else keeps them in memory.
 */
export class EncodedDocuments {
  readonly #full: Uint8Array[] = []
  #chunk = Buffer.alloc(0)
  #used = 0
  /** The number of the documents. */
  length = 0
  /** The bytes of all elements. */
  bytes = 0

  add(document: Uint8Array): void {
    const name = String(this.length)
    const size = 1 + name.length + 1 + document.length
    if (this.#used + size > this.#chunk.length) this.#grow(size)
    this.#chunk[this.#used] = 3
    this.#chunk.write(name, this.#used + 1, 'latin1')
    this.#chunk[this.#used + 1 + name.length] = 0
    this.#chunk.set(document, this.#used + size - document.length)
    this.#used += size
    this.bytes += size
    this.length++
  }

  /** Begins a chunk that is as large as all before it, within bounds. */
  #grow(size: number): void {
    this.#full.push(this.#chunk.subarray(0, this.#used))
    this.#chunk = Buffer.allocUnsafe(Math.max(size, Math.min(this.bytes, MAX_CHUNK_BYTES)))
    this.#used = 0
  }

  get parts(): readonly Uint8Array[] {
    return [...this.#full, this.#chunk.subarray(0, this.#used)]
  }
}

/** Puts the length and the terminator of a document around encoded fields. */
export function framed(parts: readonly Uint8Array[]): Uint8Array[] {
  const size = Buffer.alloc(4)
  size.writeInt32LE(parts.reduce((sum, part) => sum + part.length, 5))
  return [size, ...parts, Buffer.from([0])]
}
