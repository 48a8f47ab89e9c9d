// The documents of a batch, on their way from a source to a reply.

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
