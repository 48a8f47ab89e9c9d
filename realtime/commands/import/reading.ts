// Where an import is read: a small one here, a large one in a thread of its own, which never stays behind.
import { once } from 'node:events'
import { totalmem } from 'node:os'
import { setImmediate as immediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Fault } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import { MAX_IN_MEMORY_BYTES, sizeOf, type ImportBody } from './body.ts'
import { readImport } from './read.ts'
import type { NormalizedItem } from './ready.ts'
import type { ReaderMessage } from './worker.ts'

/** So long may reading keep others from their turn (ms): of items that take no writing there may be hundreds of thousands. */
const TURN_MS = 10
/** Of this machine, or container. */
const MEMORY_MB = Math.min(totalmem(), process.constrainedMemory() || Infinity) / 1024 ** 2
/**
 * What the heap of a reading thread may grow to (MB): the largest item, in all the forms that it goes through. Usually it stays small. Where
 * there is little memory two of them have to fit beside the rest: an item that doesn't is refused, and doesn't end the node.
 */
const HEAP_MB = Math.min(1_536, Math.floor(MEMORY_MB * 0.35))
/** A large one would be filled before anything is collected, item after item. */
const YOUNG_MB = 8

export interface ItemReader {
  dry_run: boolean
  /** The next item; undefined: that was all. */
  next(): Promise<NormalizedItem | undefined>
  /** Has to be called, also after the last item. */
  close(): Promise<void>
}

export interface ItemReaderOptions {
  /** Ends the thread at once, whatever it is at. */
  stop?: AbortSignal
  heapMb?: number
}

/**
 * Begins to read an import. Throws `invalid` for what isn't a request to import, `too_large` when one item takes too much memory, and
 * `unavailable` when it was stopped, as does asking for the items.
 */
export async function openItemReader(
  body: ImportBody,
  { stop, heapMb = HEAP_MB }: ItemReaderOptions = {},
): Promise<ItemReader> {
  if (stop?.aborted) throw importStopped()
  if (sizeOf(body) > MAX_IN_MEMORY_BYTES) return readInThread(body, heapMb, stop)
  const { dry_run, items } = readImport(body)
  let since = performance.now()
  return {
    dry_run,
    async next() {
      if (performance.now() - since > TURN_MS) {
        await immediate()
        since = performance.now()
      }
      return items.next().value
    },
    close: () => Promise.resolve(),
  }
}

async function readInThread(
  body: ImportBody,
  maxOldGenerationSizeMb: number,
  stop?: AbortSignal,
): Promise<ItemReader> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: body,
    resourceLimits: { maxOldGenerationSizeMb, maxYoungGenerationSizeMb: YOUNG_MB },
  })
  worker.on('error', () => undefined) // told by `answer`; without a listener it would end the process
  const end = async () => void (await worker.terminate())
  // somebody who hung up would keep it busy, and send the next one
  stop?.addEventListener('abort', () => void end(), { once: true })
  const ask = async <T>(asking: () => Promise<T>): Promise<T> => {
    if (stop?.aborted) throw importStopped()
    return asking().catch((error: unknown) => {
      throw stop?.aborted ? importStopped() : error
    })
  }
  try {
    const begun = await ask(() => answer(worker, once(worker, 'message')))
    if (begun.type !== 'begun') throw new Fault('internal')
    return { dry_run: begun.dry_run, next: () => ask(() => nextOf(worker)), close: end }
  } catch (error) {
    await end()
    throw error
  }
}

export const importStopped = (): Fault =>
  new Fault('unavailable', { detail: 'The import was stopped' })

async function nextOf(worker: Worker): Promise<NormalizedItem | undefined> {
  const answered = once(worker, 'message')
  worker.postMessage('next')
  const told = await answer(worker, answered)
  return told.type === 'item' ? told.item : undefined
}

async function answer(
  worker: Worker,
  message: Promise<unknown[]>,
): Promise<Exclude<ReaderMessage, { type: 'fault' }>> {
  const ended = new AbortController()
  const gone = once(worker, 'exit', { signal: ended.signal }).then(() => {
    throw new Fault('internal')
  })
  gone.catch(() => undefined)
  try {
    const [told] = (await Promise.race([message, gone])) as [ReaderMessage]
    if (told.type === 'fault') throw new Fault(told.code, told.extra)
    return told
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY')
      throw new Fault('too_large', {
        detail: 'This is too much to read at once',
        limit_bytes: limits.importBytes,
      })
    throw error
  } finally {
    ended.abort()
  }
}
