// Cursors that clients may come back to. Each is answered a batch at a time; an idle one goes after ten minutes.
import { randomInt } from 'node:crypto'
import { Long } from 'bson'

const CURSOR_IDLE_MS = 10 * 60 * 1000
const MAX_BATCH_BYTES = 16 * 1024 * 1024 - 64 * 1024

/** Documents of an answer, one after the other, as BSON. */
export interface DocumentSource {
  /** The next document; undefined at the end. */
  next(): Uint8Array | undefined
  /** Other work may change the data before `next` is called again. */
  pause(): void
}

/** One open cursor. A change stream has `stream`, whose batches may have to be waited for. */
export interface OpenCursor {
  readonly id: Long
  readonly ns: string
  readonly source: DocumentSource
  readonly stream: ChangeStreamSource | undefined
  /** The session that opened it, in hex; it ends with the session. */
  readonly session: string | undefined
  usedAt: number
  readonly noTimeout: boolean
  busy: boolean
}

/** The part of a change stream that a cursor needs. */
export interface ChangeStreamSource extends DocumentSource {
  /** Resolves once there may be something new, or when the time is up; `cancel` makes it resolve at once. */
  wait(ms: number): { done: Promise<void>; cancel: () => void }
  /** The token to resume after everything returned so far. */
  readonly resumeToken: Record<string, unknown>
  /** Nothing will follow: the stream was invalidated. */
  readonly ended: boolean
}

/** A batch and whether more may follow. */
export interface Batch {
  readonly documents: Uint8Array[]
  readonly finished: boolean
}

/** Takes the next documents: at most `size`, and never more than fits one message. */
export function takeBatch(source: DocumentSource, size: number): Batch {
  const documents: Uint8Array[] = []
  let bytes = 0
  while (documents.length < size && bytes < MAX_BATCH_BYTES) {
    const document = source.next()
    if (!document) return { documents, finished: true }
    documents.push(document)
    bytes += document.length + 12
  }
  source.pause()
  return { documents, finished: false }
}

/** All open cursors by id. */
export class Cursors {
  readonly #open = new Map<string, OpenCursor>()
  readonly #waits = new Map<string, () => void>()

  /** Keeps a source for later batches. */
  add(
    ns: string,
    source: DocumentSource,
    session: string | undefined,
    timeless: boolean,
    stream?: ChangeStreamSource,
  ): OpenCursor {
    const id = new Long(randomInt(1, 2 ** 32), randomInt(1, 2 ** 30))
    const cursor: OpenCursor = {
      id,
      ns,
      source,
      stream,
      session,
      usedAt: Date.now(),
      noTimeout: timeless,
      busy: false,
    }
    this.#open.set(id.toString(), cursor)
    return cursor
  }

  /** The cursor with this id. */
  find(id: Long): OpenCursor | undefined {
    return this.#open.get(id.toString())
  }

  /** Remembers how to interrupt the wait of a cursor. */
  waitStarted(cursor: OpenCursor, cancel: () => void): void {
    this.#waits.set(cursor.id.toString(), cancel)
  }

  /** The wait of a cursor is over. */
  waitEnded(cursor: OpenCursor): void {
    this.#waits.delete(cursor.id.toString())
  }

  /** Closes a cursor; false when there is none. What waits on it ends. */
  close(id: Long): boolean {
    const name = id.toString()
    const found = this.#open.delete(name)
    this.#waits.get(name)?.()
    return found
  }

  /** Closes the cursors of a session. */
  closeSession(session: string): void {
    for (const cursor of [...this.#open.values()])
      if (cursor.session === session) this.close(cursor.id)
  }

  /** Closes cursors that nobody used for ten minutes. */
  expire(now: number): void {
    for (const cursor of [...this.#open.values()]) {
      if (!cursor.noTimeout && !cursor.busy && cursor.usedAt < now - CURSOR_IDLE_MS)
        this.close(cursor.id)
    }
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size
  }
}
