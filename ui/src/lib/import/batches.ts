// Cuts what is imported into requests that each take a moment: so its progress is known, it can be stopped between two of them, and a file of any
// size passes through a page.
import { Fault } from '@lockstep/protocol/errors'
import type { ExportFile } from '@lockstep/protocol/import-files'
import { ExportCutter, joinFragments, type Fragment } from '@lockstep/protocol/import-items'
import type { ImportSource } from '@lockstep/protocol/owner'

/** Bytes and items in one request. A larger item is one by itself. */
const BATCH_BYTES = 900_000
const BATCH_ITEMS = 100

export interface RequestBatch {
  /** The `data` of a request; undefined: one item that nobody could read at once. */
  data: unknown
  /** The place of the first item in its list, from 0. */
  first: number
  /** How far into all parts it reaches, or little further. */
  bytes: number
}

/** Throws `invalid`, with the name of the part, for what isn't JSON. */
export async function* requestBatches(
  source: ImportSource,
  parts: readonly ExportFile[],
): AsyncGenerator<RequestBatch, undefined> {
  let bytes = 0
  for (const part of parts) {
    const gathered = new Gathered()
    const cutter = new ExportCutter(source)
    try {
      for await (const chunk of chunksOf(part.stream())) {
        bytes += chunk.length
        const pieces = cutter.push(chunk)
        let left = pieces.reduce((sum, { text }) => sum + text.length, 0)
        for (const piece of pieces) {
          yield* toBatches(gathered.add(piece), bytes - left)
          left -= piece.text.length
        }
      }
      for (const piece of cutter.end()) yield* toBatches(gathered.add(piece), bytes)
      yield* toBatches(gathered.flush(), bytes)
    } catch (error) {
      const reason = error instanceof Fault ? 'is not JSON, or is cut off' : 'could not be read'
      throw new Fault('invalid', { detail: `${part.name} ${reason}` }, error)
    }
  }
  return undefined
}

/** Pieces that may be in one request. */
class Gathered {
  #pieces: Fragment[] = []
  #bytes = 0

  /** The pieces that have to go before this one. */
  add(piece: Fragment): Fragment[] {
    const size = this.#bytes + piece.text.length
    const fits = size <= BATCH_BYTES && this.#pieces.length < BATCH_ITEMS
    const [last] = this.#pieces
    const goesAlong =
      last === undefined ||
      (fits &&
        piece.open !== '' &&
        piece.open === last.open &&
        !last.isTooLarge &&
        !piece.isTooLarge)
    const before = goesAlong ? [] : this.flush()
    this.#pieces.push(piece)
    this.#bytes += piece.text.length
    return before
  }

  flush(): Fragment[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#bytes = 0
    return pieces
  }
}

async function* toBatches(
  pieces: readonly Fragment[],
  bytes: number,
): AsyncGenerator<RequestBatch, undefined> {
  const [piece] = pieces
  if (!piece) return undefined
  yield { data: piece.isTooLarge ? undefined : await parsed(pieces), first: piece.index, bytes }
  return undefined
}

async function parsed(pieces: readonly Fragment[]): Promise<unknown> {
  const text = await new Blob(joinFragments(pieces)).text()
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new Fault('invalid', {}, error)
  }
}

/** Not all browsers can iterate over a stream. */
async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, undefined> {
  const reader = stream.getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
    return undefined
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
