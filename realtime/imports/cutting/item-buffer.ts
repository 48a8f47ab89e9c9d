import { limits } from '@lockstep/protocol/limits'

/**
 * The most JSON values that one item may have. Even the smallest value takes twenty times its size
 * in memory, and a heap that overflows within JSON.parse ends the whole process.
 */
const MAX_VALUES = 2_500_000

/** Collects the bytes of one item. It drops them once the item exceeds a limit. */
export class ItemBuffer {
  #chunks: Uint8Array[] = []
  #length = 0
  #values = 0

  add(chunk: Uint8Array): void {
    this.#length += chunk.length
    if (this.isTooLarge) this.#chunks = []
    else if (chunk.length > 0) this.#chunks.push(chunk)
  }

  countValue(): void {
    this.#values++
  }

  get isTooLarge(): boolean {
    return this.#length > limits.importItemBytes || this.#values > MAX_VALUES
  }

  /** Empty if the item is too large. */
  get bytes(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!
    const bytes = new Uint8Array(this.isTooLarge ? 0 : this.#length)
    let at = 0
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    return bytes
  }

  /** Whether it has only white space so far. */
  get isBlank(): boolean {
    const isBlank = (chunk: Uint8Array) =>
      chunk.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))
    return !this.isTooLarge && this.#chunks.every(isBlank)
  }
}
