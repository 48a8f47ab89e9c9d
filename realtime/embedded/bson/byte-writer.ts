/** Bytes that grow as they are written. */
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
      const next = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length))
      this.#bytes.copy(next, 0, 0, at)
      this.#bytes = next
    }
    return at
  }

  /** The next bytes, which the caller fills. */
  next(size: number): Buffer {
    return this.from(this.#grow(size))
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

  /** A copy of what was written since `clear`. */
  take(): Buffer {
    return Buffer.from(this.from(0))
  }

  /** Begins anew. */
  clear(): void {
    this.#length = 0
    if (this.#bytes.length > 1024 * 1024) this.#bytes = Buffer.allocUnsafe(1024)
  }
}
