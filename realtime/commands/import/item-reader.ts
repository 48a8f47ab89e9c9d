// Reads the items of an import in a worker thread. The invariant: whatever an import holds, reading
// it takes a bounded share of the processor and a bounded heap, and nothing of the main thread but
// the copy of one piece at a time. The thread ends when the import is stopped, whatever it is
// doing.
import { once } from 'node:events'
import { totalmem } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { NormalizedItem } from '@lockstep/imports/reading/normalize'
import { Fault } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import type { Message } from '@lockstep/protocol/message'
import { sizeOf, type ImportBody } from './import-body.ts'
import type { ReaderAnswer, ReaderRequest } from './reader-thread.ts'

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
/** A thread waits this long for the next import, whose start it saves (ms). */
const IDLE_MS = 10_000
/** A thread that has read more than this may hold a large heap, so it ends (bytes). */
const MAX_REUSED_BYTES = 4_000_000
/** How often the use of the processor is looked at (ms). */
const CHECK_MS = 100

/**
 * What reading may take of the processor (ms). An honest import takes a tenth of it: its cost is
 * proportional to its bytes.
 */
export interface CpuBudget {
  /** The next item, or the check of the whole before the first one, by the import's size. */
  perItem: (bytes: number) => number
  perImport: (bytes: number) => number
}
const cpuBudget: CpuBudget = {
  perItem: (bytes) => 4_000 + bytes / 4_000,
  perImport: (bytes) => 8_000 + bytes / 2_000,
}

/** The slices of a conversation that are fetched one after the other. */
export interface FetchedSlices extends AsyncIterable<Message[]> {
  readonly length: number
}
type Conversation = Extract<NormalizedItem, { kind: 'conversation' }>
/** An item as it is read: the slices of a conversation are there or are still to be fetched. */
export type ReadItem =
  | Exclude<NormalizedItem, Conversation>
  | (Omit<Conversation, 'slices'> & { slices: Conversation['slices'] | FetchedSlices })

export interface ItemReader {
  dry_run: boolean
  /**
   * The next item, or undefined after the last one. The slices of the item before can't be fetched
   * any more.
   */
  next(): Promise<ReadItem | undefined>
  /** Must be called, also after the last item. */
  close(): Promise<void>
}

export interface ItemReaderOptions {
  /** Ends the reading at once. */
  stop?: AbortSignal
  heapMb?: number
  budget?: CpuBudget
}

/**
 * Throws `invalid` if this isn't a request to import or takes too much of the processor,
 * `too_large` if an item takes too much memory, and `unavailable` if it was stopped. `next()`
 * throws the same faults.
 */
export type OpenItemReader = (body: ImportBody, options?: ItemReaderOptions) => Promise<ItemReader>

/** Small imports, which follow each other, share a thread. */
export function createItemReaders(): OpenItemReader {
  let idle: { worker: Worker; timer: NodeJS.Timeout } | undefined

  function take(): Worker | undefined {
    const { worker, timer } = idle ?? {}
    clearTimeout(timer)
    idle = undefined
    return worker
  }

  function keep(worker: Worker): void {
    void take()?.terminate()
    const timer = setTimeout(() => void take()?.terminate(), IDLE_MS).unref()
    idle = { worker, timer }
  }

  function start(heapMb: number): Worker {
    const worker = startWorker(heapMb)
    worker.once('exit', () => {
      if (idle?.worker === worker) take()
    })
    return worker
  }

  return async (body, { stop, heapMb = HEAP_MB, budget = cpuBudget } = {}) => {
    if (stop?.aborted) throw importStopped()
    const size = sizeOf(body)
    const worker = (heapMb === HEAP_MB ? take() : undefined) ?? start(heapMb)
    const meter = await startMeter(worker)
    let isOver = false
    let isClosed = false
    const close = async () => {
      if (isClosed) return
      isClosed = true
      if (isOver && size <= MAX_REUSED_BYTES && heapMb === HEAP_MB) keep(worker)
      else await worker.terminate()
    }
    // without this, a client that hangs up and sends the import again would keep many threads busy
    stop?.addEventListener('abort', () => void close(), { once: true })

    async function ask(request: ReaderRequest): Promise<ReaderAnswer> {
      if (stop?.aborted) throw importStopped()
      try {
        return await meter.within(budget, size, () => answerOf(worker, request))
      } catch (error) {
        throw stop?.aborted ? importStopped() : error
      }
    }
    async function* fetched(count: number): AsyncGenerator<Message[]> {
      for (let index = 0; index < count; index++) {
        const answer = await ask({ type: 'slice', index })
        if (answer.type === 'slice') yield answer.messages
      }
    }
    try {
      const begun = await ask({ type: 'read', body: toSend(body) })
      if (begun.type !== 'begun') throw new Fault('internal')
      return {
        dry_run: begun.dry_run,
        close,
        async next() {
          const answer = await ask({ type: 'next' })
          isOver = answer.type === 'end'
          if (answer.type !== 'item') return undefined
          const { item } = answer
          if (item.kind !== 'conversation') return item
          const { sliceCount, ...head } = item
          const slices = { length: sliceCount, [Symbol.asyncIterator]: () => fetched(sliceCount) }
          return { ...head, slices }
        },
      }
    } catch (error) {
      await close()
      throw error
    }
  }
}

/** A part of a larger buffer would be copied with all of it. */
const toSend = (body: ImportBody): ImportBody =>
  body instanceof Uint8Array ? new Uint8Array(body) : body

function startWorker(maxOldGenerationSizeMb: number): Worker {
  const worker = new Worker(new URL('./reader-thread.ts', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb, maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  })
  worker.unref()
  // `answerOf` reports errors; without a listener an error would end the process
  worker.on('error', () => undefined)
  return worker
}

export const importStopped = (): Fault =>
  new Fault('unavailable', { detail: 'The import was stopped' })

/** Watches what a thread takes of the processor, and ends a thread that takes too much. */
async function startMeter(worker: Worker) {
  const usedMs = async (): Promise<number> => {
    const { user, system } = await worker.cpuUsage()
    return (user + system) / 1_000
  }
  // a thread that is starting can't be measured yet, and has used nothing
  const before = await usedMs().catch(() => 0)
  let used = before
  let measuredAt = performance.now()
  const measure = async () => {
    used = await usedMs().catch(() => used)
    measuredAt = performance.now()
  }
  return {
    async within<T>(budget: CpuBudget, bytes: number, work: () => Promise<T>): Promise<T> {
      if (performance.now() - measuredAt > CHECK_MS) await measure()
      const ofImport = before + budget.perImport(bytes)
      // each of many small items may be done before anybody looks
      if (used > ofImport) throw takesTooLong()
      const most = Math.min(used + budget.perItem(bytes), ofImport)
      let isTooMuch = false
      const check = async () => {
        await measure()
        if (used <= most) return
        isTooMuch = true
        await worker.terminate()
      }
      const timer = setInterval(() => void check(), CHECK_MS)
      try {
        return await work()
      } catch (error) {
        throw isTooMuch ? takesTooLong() : error
      } finally {
        clearInterval(timer)
      }
    },
  }
}

const takesTooLong = (): Fault =>
  new Fault('invalid', {
    detail:
      'This import takes too long to be read. What was before has been imported: split the file ' +
      'into smaller ones and import them one after the other',
  })

/** Throws the fault that the thread sends, and `too_large` if its heap overflows. */
async function answerOf(
  worker: Worker,
  request: ReaderRequest,
): Promise<Exclude<ReaderAnswer, { type: 'fault' }>> {
  const done = new AbortController()
  const answered = once(worker, 'message', { signal: done.signal })
  const exited = once(worker, 'exit', { signal: done.signal }).then(() => {
    throw new Fault('internal')
  })
  exited.catch(() => undefined)
  try {
    worker.postMessage(request)
    const [answer] = (await Promise.race([answered, exited])) as [ReaderAnswer]
    if (answer.type === 'fault') throw new Fault(answer.code, answer.extra)
    return answer
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
