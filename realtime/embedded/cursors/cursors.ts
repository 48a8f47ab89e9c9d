// Open cursors. A client fetches their documents batch by batch; a cursor that is idle for ten
// minutes is closed.
import { randomInt } from 'node:crypto'
import { Long } from 'bson'
import type { Plain } from '../bson/encode.ts'
import { pace, pause } from '../pace.ts'
import { EncodedDocuments } from './encoded-documents.ts'

const CURSOR_IDLE_MS = 10 * 60 * 1000
const MAX_BATCH_BYTES = 16 * 1024 * 1024 - 64 * 1024

/** A sequence of documents as BSON. */
export interface DocumentSource {
  /** The next document; undefined at the end. `pause`: others should have a turn first. */
  next(): Uint8Array | undefined | typeof pause
  /** Announces that the data may change before the next call of `next`. */
  pause(): void
}

/** What a cursor needs from a change stream. */
export interface ChangeStreamSource extends DocumentSource {
  /**
   * Resolves when there may be something new or when the time is over. `cancel` resolves it at
   * once.
   */
  wait(ms: number): { done: Promise<void>; cancel: () => void }
  /** The token for resuming after everything that was returned so far. */
  readonly resumeToken: Plain
  /** Whether the stream was invalidated, so that nothing follows. */
  readonly ended: boolean
}

export function isStream(source: DocumentSource): source is ChangeStreamSource {
  return 'wait' in source
}

/** How a cursor is opened. */
interface CursorSpec {
  readonly ns: string
  readonly source: DocumentSource
  /** The session that opened the cursor, in hex. The cursor is closed when the session ends. */
  readonly session: string | undefined
  /** The cursor stays open however long it is idle. */
  readonly noTimeout: boolean
}

/** An open cursor. */
export interface OpenCursor extends CursorSpec {
  readonly id: Long
  usedAt: number
  /** How long its commands may go on working in all, in milliseconds. */
  leftMs: number
  busy: boolean
  /** Ends the wait of a command, if one waits. */
  cancelWait: (() => void) | undefined
}

/** A batch of documents. `finished`: no document follows. */
export interface Batch {
  readonly documents: EncodedDocuments
  readonly finished: boolean
}

/** Takes the next documents: at most `size`, and no more than fit into one message. */
export async function takeBatch(source: DocumentSource, size: number): Promise<Batch> {
  const documents = new EncodedDocuments()
  while (documents.length < size && documents.bytes < MAX_BATCH_BYTES) {
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

  /** Opens a cursor on a source. */
  add(spec: CursorSpec): OpenCursor {
    const id = new Long(randomInt(1, 2 ** 32), randomInt(1, 2 ** 30))
    const state = { usedAt: Date.now(), leftMs: pace.leftMs, busy: false, cancelWait: undefined }
    const cursor: OpenCursor = { ...spec, ...state, id }
    this.#byId.set(id.toString(), cursor)
    return cursor
  }

  find(id: Long): OpenCursor | undefined {
    return this.#byId.get(id.toString())
  }

  /** Closes a cursor and ends the wait on it. Returns false if there is no such cursor. */
  close(id: Long): boolean {
    const found = this.find(id)
    this.#byId.delete(id.toString())
    found?.cancelWait?.()
    return found !== undefined
  }

  closeSession(session: string): void {
    this.#closeAll((cursor) => cursor.session === session)
  }

  /** Closes the cursors that have been idle for too long. */
  expire(now: number): void {
    const oldest = now - CURSOR_IDLE_MS
    this.#closeAll(({ noTimeout, busy, usedAt }) => !noTimeout && !busy && usedAt < oldest)
  }

  #closeAll(isOver: (cursor: OpenCursor) => boolean): void {
    for (const cursor of [...this.#byId.values()]) if (isOver(cursor)) this.close(cursor.id)
  }

  /** The number of open cursors. */
  get size(): number {
    return this.#byId.size
  }
}
