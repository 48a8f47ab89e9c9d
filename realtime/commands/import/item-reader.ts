// Reads the items of an import: a small one on the main thread, a large one in a worker thread. The
// thread ends when the reader is closed or the import is stopped, whatever the thread is doing.
import { once } from 'node:events'
import { totalmem } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { NormalizedItem } from '@lockstep/imports/reading/normalize'
import { readImport } from '@lockstep/imports/reading/read-import'
import { Fault } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import { derivedId } from '../../log/entry.ts'
import { MAX_IN_MEMORY_BYTES, sizeOf, toByteSource, type ImportBody } from './import-body.ts'
import type { ReaderMessage } from './reader-thread.ts'

/**
 * How long reading on the main thread may go on before other work gets its turn (ms). A small
 * import may have hundreds of thousands of items that fail, and these wait for no write.
 */
const MAX_TURN_MS = 10
/** The memory of this machine or container. */
const MEMORY_MB = Math.min(totalmem(), process.constrainedMemory() || Infinity) / 1024 ** 2
/**
 * How large the heap of a reader thread may become (MB). The largest item, in all the forms that it
 * goes through, fits into 1.5 GB. On a machine with little memory, the heaps of two threads have to
 * fit beside the rest of the node: an item that is too large for them is refused and doesn't end
 * the node.
 */
const HEAP_MB = Math.min(1_536, Math.floor(MEMORY_MB * 0.35))
/**
 * V8's default would let garbage of many items fill the young generation before it is collected.
 */
const YOUNG_GENERATION_MB = 8

export interface ItemReader {
  dry_run: boolean
  /** The next item, or undefined after the last one. */
  next(): Promise<NormalizedItem | undefined>
  /** Must be called, also after the last item. */
  close(): Promise<void>
}

export interface ItemReaderOptions {
  /** Ends the reading at once. */
  stop?: AbortSignal
  heapMb?: number
}

/**
 * Throws `invalid` if this isn't a request to import, `too_large` if an item takes too much memory,
 * and `unavailable` if it was stopped. `next()` throws the same faults.
 */
export async function openItemReader(
  body: ImportBody,
  { stop, heapMb = HEAP_MB }: ItemReaderOptions = {},
): Promise<ItemReader> {
  if (stop?.aborted) throw importStopped()
  if (sizeOf(body) > MAX_IN_MEMORY_BYTES) return openThread(body, heapMb, stop)
  const { dry_run, items } = readImport(toByteSource(body), derivedId)
  let turnBegan = performance.now()
  return {
    dry_run,
    async next() {
      if (performance.now() - turnBegan > MAX_TURN_MS) {
        await nextTurn()
        turnBegan = performance.now()
      }
      return items.next().value
    },
    close: () => Promise.resolve(),
  }
}

async function openThread(
  body: ImportBody,
  maxOldGenerationSizeMb: number,
  stop?: AbortSignal,
): Promise<ItemReader> {
  const worker = new Worker(new URL('./reader-thread.ts', import.meta.url), {
    workerData: body,
    resourceLimits: { maxOldGenerationSizeMb, maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  })
  // `receive` reports errors; without a listener an error would end the process
  worker.on('error', () => undefined)
  const close = async () => void (await worker.terminate())
  // without this, a client that hangs up and sends the import again would keep many threads busy
  stop?.addEventListener('abort', () => void close(), { once: true })
  const unlessStopped = async <T>(receiving: () => Promise<T>): Promise<T> => {
    if (stop?.aborted) throw importStopped()
    return receiving().catch((error: unknown) => {
      throw stop?.aborted ? importStopped() : error
    })
  }
  try {
    const begun = await unlessStopped(() => receive(worker, once(worker, 'message')))
    if (begun.type !== 'begun') throw new Fault('internal')
    return { dry_run: begun.dry_run, next: () => unlessStopped(() => nextOf(worker)), close }
  } catch (error) {
    await close()
    throw error
  }
}

export const importStopped = (): Fault =>
  new Fault('unavailable', { detail: 'The import was stopped' })

async function nextOf(worker: Worker): Promise<NormalizedItem | undefined> {
  const message = once(worker, 'message')
  worker.postMessage('next')
  const received = await receive(worker, message)
  return received.type === 'item' ? received.item : undefined
}

/** Throws the fault that the thread sends, and `too_large` if its heap overflows. */
async function receive(
  worker: Worker,
  message: Promise<unknown[]>,
): Promise<Exclude<ReaderMessage, { type: 'fault' }>> {
  const done = new AbortController()
  const exited = once(worker, 'exit', { signal: done.signal }).then(() => {
    throw new Fault('internal')
  })
  exited.catch(() => undefined)
  try {
    const [received] = (await Promise.race([message, exited])) as [ReaderMessage]
    if (received.type === 'fault') throw new Fault(received.code, received.extra)
    return received
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY')
      throw new Fault('too_large', {
        detail: 'An item is too large to be read',
        limit_bytes: limits.importBytes,
      })
    throw error
  } finally {
    done.abort()
  }
}
