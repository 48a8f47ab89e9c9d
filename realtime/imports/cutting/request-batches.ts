// Splits an import into requests that each take a moment. So the page can show progress, can stop
// between two requests, and can import files of any size.
import { Fault } from '@lockstep/protocol/errors'
import type { ImportSource } from '@lockstep/protocol/import'
import { ExportCutter } from './export-cutter.ts'
import type { ExportFile } from './export-file.ts'
import { joinFragments, type Fragment } from './fragment.ts'
import { UnreadableFile } from './unreadable-file.ts'

/** The most bytes and items in one request. A larger item has a request to itself. */
const BATCH_BYTES = 900_000
const BATCH_ITEMS = 100

export interface RequestBatch {
  /** The `data` of a request. Undefined: a single item that is too large to import. */
  data: unknown
  /** The index of the first item in its list, from 0. */
  first: number
  /** How many bytes of all files have been read up to the end of this batch, or slightly more. */
  bytes: number
}

/** Throws an `UnreadableFile` for what isn't JSON. */
export async function* requestBatches(
  source: ImportSource,
  files: readonly ExportFile[],
): AsyncGenerator<RequestBatch, undefined> {
  let bytes = 0
  for (const file of files) {
    const pending = new PendingBatch()
    const cutter = new ExportCutter(source)
    try {
      for await (const chunk of chunksOf(file.stream())) {
        bytes += chunk.length
        const fragments = cutter.push(chunk)
        let left = fragments.reduce((sum, { text }) => sum + text.length, 0)
        for (const fragment of fragments) {
          yield* toBatches(pending.add(fragment), bytes - left)
          left -= fragment.text.length
        }
      }
      for (const fragment of cutter.end()) yield* toBatches(pending.add(fragment), bytes)
      yield* toBatches(pending.flush(), bytes)
    } catch (error) {
      throw new UnreadableFile(error instanceof Fault ? 'not_json' : 'unreadable', file.name, error)
    }
  }
  return undefined
}

/** Collects fragments that fit into one request. */
class PendingBatch {
  #fragments: Fragment[] = []
  #bytes = 0

  /** Returns the earlier fragments if they have to be sent before this one, otherwise nothing. */
  add(fragment: Fragment): Fragment[] {
    const earlier = this.#canTake(fragment) ? [] : this.flush()
    this.#fragments.push(fragment)
    this.#bytes += fragment.text.length
    return earlier
  }

  flush(): Fragment[] {
    const fragments = this.#fragments
    this.#fragments = []
    this.#bytes = 0
    return fragments
  }

  #canTake(fragment: Fragment): boolean {
    const [first] = this.#fragments
    if (first === undefined) return true
    const fits =
      this.#bytes + fragment.text.length <= BATCH_BYTES && this.#fragments.length < BATCH_ITEMS
    const canBeJoined = fragment.open !== '' && fragment.open === first.open
    return fits && canBeJoined && !first.isTooLarge && !fragment.isTooLarge
  }
}

async function* toBatches(
  fragments: readonly Fragment[],
  bytes: number,
): AsyncGenerator<RequestBatch, undefined> {
  const [first] = fragments
  if (!first) return undefined
  const data = first.isTooLarge ? undefined : await parse(fragments)
  yield { data, first: first.index, bytes }
  return undefined
}

async function parse(fragments: readonly Fragment[]): Promise<unknown> {
  const text = await new Blob(joinFragments(fragments)).text()
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
