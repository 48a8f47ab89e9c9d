// The body of an import request: small ones stay in memory, large ones go to a file that any thread
// of the process can read.
import { readSync } from 'node:fs'
import type { ByteSource } from '@lockstep/imports/reading/byte-source'

/** JSON in UTF-8: its bytes, or an open file of `size` bytes. */
export type ImportBody = Uint8Array | { fd: number; size: number }

/** A body of up to this many bytes stays in memory. A larger one needs a file. */
export const MAX_IN_MEMORY_BYTES = 1_000_000

/** Small, because all items of a chunk, maybe tens of thousands, are cut and held at once. */
const CHUNK_BYTES = 64 * 1024

export const sizeOf = (body: ImportBody): number =>
  body instanceof Uint8Array ? body.length : body.size

export function toByteSource(body: ImportBody): ByteSource {
  return {
    size: sizeOf(body),
    ...(body instanceof Uint8Array && { inMemory: body }),
    chunks: (from, to) => chunksOf(body, from, to),
  }
}

/** The bytes in [from, to), in chunks that nothing else uses. */
export function* chunksOf(
  body: ImportBody,
  from = 0,
  to = sizeOf(body),
): Generator<Uint8Array, undefined> {
  for (let at = from; at < to;) {
    if (body instanceof Uint8Array) {
      yield body.subarray(at, Math.min(at + CHUNK_BYTES, to))
      at += CHUNK_BYTES
      continue
    }
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, to - at))
    const read = readSync(body.fd, chunk, 0, chunk.length, at)
    if (read === 0) throw new Error('the file of an import body has been truncated')
    yield chunk.subarray(0, read)
    at += read
  }
  return undefined
}
