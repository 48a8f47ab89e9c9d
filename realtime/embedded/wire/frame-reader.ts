// Cuts a stream of bytes into frames, which begin with their own length.

/** Collects chunks of bytes and returns complete frames. */
export class FrameReader {
  #chunks: Buffer[] = []
  #length = 0
  readonly #limit: number

  /** `limit` is the size of the largest frame, in bytes. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Adds a chunk and returns the frames that are complete now. Throws if a length is impossible.
   */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const frames: Buffer[] = []
    for (;;) {
      if (this.#length < 16) return frames
      const first = this.#chunks[0]!.length >= 4 ? this.#chunks[0]! : this.#joined()
      const size = first.readInt32LE(0)
      if (size < 16 || size > this.#limit) throw new Error(`impossible frame length ${size}`)
      if (this.#length < size) return frames
      const all = this.#joined()
      frames.push(all.subarray(0, size))
      this.#chunks = size < all.length ? [all.subarray(size)] : []
      this.#length -= size
    }
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }
}
