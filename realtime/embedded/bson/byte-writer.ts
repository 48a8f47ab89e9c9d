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

  /** Changes a byte that was written. */
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
