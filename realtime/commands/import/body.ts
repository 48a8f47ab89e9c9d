// The body of an import as its reader gets it: a small one in memory, a large one in a file, of which any thread of the process may read.
import { readSync } from 'node:fs'

/** JSON in UTF-8. */
export type ImportBody = Uint8Array | { fd: number; size: number }

/** Up to here a body stays in memory, and is read where it is: in milliseconds. Above, it takes a file and a thread, and one of few places. */
export const MAX_IN_MEMORY_BYTES = 1_000_000

/** Who cuts one into items makes all of it at once, tens of thousands. */
const CHUNK_BYTES = 64 * 1024

export const sizeOf = (body: ImportBody): number => (body instanceof Uint8Array ? body.length : body.size)

/** The bytes from `from` up to `to`, in chunks that nobody uses for anything else. */
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
    if (read === 0) throw new Error('the file of a body has become shorter')
    yield chunk.subarray(0, read)
    at += read
  }
  return undefined
}
