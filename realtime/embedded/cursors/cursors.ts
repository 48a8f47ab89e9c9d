import { randomInt } from 'node:crypto'
import { Long } from 'bson'
import { EncodedArray, type Plain } from '../bson/encode.ts'
import { pace, pause, type Flow } from '../pace.ts'

const CURSOR_IDLE_MS = 10 * 60 * 1000
const MAX_BATCH_BYTES = 16 * 1024 * 1024 - 64 * 1024

export interface DocumentSource {
  /** The next document; undefined at the end. `pause`: others should have a turn first. */
  next(): Uint8Array | undefined | typeof pause
  /** Announces that the data may change before the next call of `next`. */
  pause(): void
}

/** What a cursor needs from a change stream. */
export interface ChangeStreamSource extends DocumentSource {
  /** Resolves when there may be something new, the time is over, or `cancel` is called. */
  wait(ms: number): { done: Promise<void>; cancel: () => void }
  /** The token for resuming after everything that was returned so far. */
  readonly resumeToken: Plain
  /** Whether the stream was invalidated, so that nothing follows. */
  readonly ended: boolean
}

export function isStream(source: DocumentSource): source is ChangeStreamSource {
  return 'wait' in source
}

export interface OpenCursor {
  readonly id: Long
  readonly ns: string
  readonly source: DocumentSource
  /** The session that opened the cursor, in hex. The cursor is closed when the session ends. */
  readonly session: string | undefined
  /** The cursor stays open however long it is idle. */
  readonly noTimeout: boolean
  usedAt: number
  /** How long its commands may go on working in all, in milliseconds. */
  leftMs: number
  busy: boolean
  cancelWait: (() => void) | undefined
}

/** Takes the next documents: at most `size`, and no more than fit into one message. */
export async function takeBatch(
  source: DocumentSource,
  size: number,
): Promise<{ documents: EncodedArray; finished: boolean }> {
  const documents = new EncodedArray()
  while (documents.count < size && documents.length < MAX_BATCH_BYTES) {
    const document = source.next()
    if (document === pause) {
      source.pause()
      await pace.rest()
      continue
    }
    if (!document) return { documents, finished: true }
    documents.add(document)
  }
  source.pause()
  return { documents, finished: false }
}

export class Cursors {
  readonly #byId = new Map<string, OpenCursor>()

  add(spec: Pick<OpenCursor, 'ns' | 'source' | 'session' | 'noTimeout'>): OpenCursor {
    const id = new Long(randomInt(1, 2 ** 32), randomInt(1, 2 ** 30))
    const state = { usedAt: Date.now(), leftMs: pace.leftMs, busy: false, cancelWait: undefined }
    const cursor: OpenCursor = { ...spec, ...state, id }
    this.#byId.set(id.toString(), cursor)
    return cursor
  }

  find(id: Long): OpenCursor | undefined {
    return this.#byId.get(id.toString())
  }

  close(id: Long): boolean {
    const found = this.find(id)
    this.#byId.delete(id.toString())
    found?.cancelWait?.()
    return found !== undefined
  }

  closeSession(session: string): void {
    this.#closeAll((cursor) => cursor.session === session)
  }

  expire(now: number): void {
    const oldest = now - CURSOR_IDLE_MS
    this.#closeAll(({ noTimeout, busy, usedAt }) => !noTimeout && !busy && usedAt < oldest)
  }

  #closeAll(isOver: (cursor: OpenCursor) => boolean): void {
    for (const cursor of [...this.#byId.values()]) if (isOver(cursor)) this.close(cursor.id)
  }

  get size(): number {
    return this.#byId.size
  }
}

/** A flow of encoded documents as the source of a cursor. */
export function sourceOf(flow: Flow<Uint8Array>, onPause = (): void => undefined): DocumentSource {
  const iterator = flow[Symbol.iterator]()
  return {
    pause: onPause,
    next() {
      const { value, done } = iterator.next()
      return done ? undefined : value
    },
  }
}
