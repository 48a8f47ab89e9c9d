// One open change stream: a position in the oplog, which namespaces it sees, and the pipeline behind it. It shows only
// durable entries, each once, and its token always stands behind everything it has returned or skipped.
import { encode, type Doc } from '../bson/codec.ts'
import type { ChangeStreamSource } from '../cursors/cursors.ts'
import { refusal } from '../errors.ts'
import type { ClusterTime } from './clock.ts'
import { decodeEvent, eventOf, invalidateEvent } from './events.ts'
import type { OplogEntry, Oplog } from './oplog.ts'
import { tokenOf, type ResumeToken } from './token.ts'

/** Which changes a stream sees: of one collection, of one database (`coll` undefined), or of all (`db` undefined too). */
export interface StreamScope {
  readonly db: string | undefined
  readonly coll: string | undefined
}

/** What a stream is opened with. */
export interface ChangeStreamSpec {
  readonly scope: StreamScope
  /** Start behind this token, or at this time, or now. */
  readonly start: { token: ResumeToken; after: boolean } | { time: ClusterTime } | undefined
  /** The current document of an entry, for `updateLookup`; undefined when the stream shows updates without it. */
  readonly lookup: ((entry: OplogEntry) => Uint8Array | null) | undefined
  /** The pipeline: the event to show, or undefined to skip it. */
  readonly transform: ((event: Doc) => Doc | undefined) | undefined
}

const MAX_ENTRIES_PER_READ = 256
/** How many entries one request may look through before it answers, however little matched. */
const MAX_ENTRIES_PER_BATCH = 20_000

/** A change stream over an oplog. */
export class ChangeStream implements ChangeStreamSource {
  readonly #oplog: Oplog
  readonly #options: ChangeStreamSpec
  #position: ClusterTime
  #token: Doc
  #invalidatedBy: OplogEntry | undefined
  #over = false
  #looked = 0
  #ahead: OplogEntry[] = []
  #tokenTime = 0

  /** Opens the stream; throws when its starting point is gone or was never there. */
  constructor(oplog: Oplog, options: ChangeStreamSpec) {
    this.#oplog = oplog
    this.#options = options
    const { start } = options
    this.#position =
      start === undefined ? oplog.clock.now : 'time' in start ? start.time - 1 : start.token.time
    this.#token = tokenOf(this.#position, 'mark')
    if (start === undefined) return
    this.#checkHistory('time' in start ? start.time : this.#position)
    if ('token' in start) this.#resume(start.token, start.after)
  }

  #resume(token: ResumeToken, after: boolean): void {
    this.#token = tokenOf(token.time, token.kind)
    if (token.kind === 'mark') return
    if (token.kind === 'invalidate' && !after) {
      throw refusal(
        'InvalidResumeToken',
        "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification",
      )
    }
    const entry = this.#oplog.at(token.time)
    if (!entry)
      throw refusal(
        'ChangeStreamFatalError',
        'cannot resume stream; the resume token was not found',
      )
    if (token.kind === 'event' && this.#invalidates(entry)) this.#invalidatedBy = entry
  }

  #checkHistory(time: ClusterTime): void {
    if (time >= this.#oplog.oldest) return
    throw refusal(
      'ChangeStreamHistoryLost',
      'Resume of change stream was not possible, as the resume point may no longer be in the oplog.',
    )
  }

  /** The token to resume after everything returned so far. */
  get resumeToken(): Doc {
    return this.#token
  }

  /** The stream has shown its `invalidate` event. */
  get ended(): boolean {
    return this.#over
  }

  /** The next event that passes the pipeline. */
  next(): Uint8Array | undefined {
    this.#looked = 0
    while (!this.#over && this.#looked < MAX_ENTRIES_PER_BATCH) {
      const shown = this.#invalidatedBy ? this.#invalidate(this.#invalidatedBy) : this.#advance()
      if (shown === 'nothing new') return undefined
      if (shown) return shown
    }
    return undefined
  }

  #advance(): Uint8Array | 'nothing new' | undefined {
    const entry = this.#take()
    if (!entry) {
      this.#token = this.#position > this.#tokenTime ? tokenOf(this.#position, 'mark') : this.#token
      return 'nothing new'
    }
    this.#position = entry.time
    if (!this.#sees(entry)) return undefined
    if (this.#invalidates(entry)) this.#invalidatedBy = entry
    this.#tokenTime = entry.time
    this.#token = tokenOf(entry.time, 'event')
    return this.#show(
      eventOf(
        entry,
        this.#options.lookup && entry.op === 'u' ? this.#options.lookup(entry) : undefined,
      ),
    )
  }

  #take(): OplogEntry | undefined {
    if (this.#ahead.length === 0) {
      if (this.#position < this.#oplog.tailBegin) this.#checkHistory(this.#position)
      this.#ahead = this.#oplog.after(this.#position, MAX_ENTRIES_PER_READ).reverse()
    }
    this.#looked++
    return this.#ahead.pop()
  }

  #invalidate(entry: OplogEntry): Uint8Array | undefined {
    this.#over = true
    this.#token = tokenOf(entry.time, 'invalidate')
    return this.#show(invalidateEvent(entry))
  }

  #show(event: Uint8Array): Uint8Array | undefined {
    const { transform } = this.#options
    if (!transform) return event
    const original = decodeEvent(event)
    const shown = transform(original)
    if (shown === undefined || shown === original) return shown && event
    const expected = original._id as Doc
    if ((shown._id as Doc | undefined)?._data !== expected._data) {
      throw refusal(
        'ChangeStreamFatalError',
        'Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. Modifying the _id field of an event makes it impossible to resume the stream from that point. Only transformations that retain the unmodified _id field are allowed. ' +
          `Expected: ${JSON.stringify({ _id: expected })} but found: ${JSON.stringify({ _id: shown._id })}`,
      )
    }
    return encode(shown)
  }

  #sees(entry: OplogEntry): boolean {
    if (entry.op === 'n') return false
    const { db, coll } = this.#options.scope
    if (db === undefined) return !internalDatabases.has(entry.db)
    if (entry.db !== db) return this.#isTarget(entry)
    return coll === undefined || entry.coll === coll || this.#isTarget(entry)
  }

  /** A rename is seen by streams on its target too. */
  #isTarget(entry: OplogEntry): boolean {
    if (entry.op !== 'rename' || !entry.body) return false
    const { db, coll } = this.#options.scope
    const to = decodeEvent(entry.body)
    return to.db === db && to.coll === coll
  }

  #invalidates(entry: OplogEntry): boolean {
    const { db, coll } = this.#options.scope
    if (db === undefined) return false
    if (coll === undefined) return entry.op === 'dropDatabase'
    return entry.op === 'drop' || entry.op === 'rename' || entry.op === 'dropDatabase'
  }

  /** Lets go of entries read ahead. */
  pause(): void {
    this.#ahead = []
  }

  /** Waits for the next change of anything, at most `ms`. */
  wait(ms: number): { done: Promise<void>; cancel: () => void } {
    let cancel = (): void => {}
    const done = new Promise<void>((resolve) => {
      const timer = setTimeout(() => cancel(), ms)
      const stop = this.#oplog.onChange(() => cancel())
      cancel = (): void => {
        clearTimeout(timer)
        stop()
        resolve()
      }
    })
    return { done, cancel: () => cancel() }
  }
}

const internalDatabases = new Set(['admin', 'local', 'config'])
