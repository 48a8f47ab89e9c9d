// One open change stream: a position in the oplog, the namespaces that it covers, and a pipeline
// for its events. It shows only durable entries, each once. Its resume token always covers
// everything that it has returned or skipped.
import { Doc } from '../bson/doc.ts'
import { encode, identical, type Plain } from '../bson/encode.ts'
import type { ChangeStreamSource } from '../cursors/cursors.ts'
import { refusal } from '../errors.ts'
import { tokenOf, toTimestamp, type ClusterTime, type ResumeToken } from './clock.ts'
import type { Oplog, OplogEntry } from './oplog.ts'

export interface ChangeStreamSpec {
  /** One collection, one database (`coll` is undefined), or the whole server (`db` is too). */
  readonly scope: { readonly db: string | undefined; readonly coll: string | undefined }
  /** Now, at a time, or after a token. `after`: an invalidation may precede (`startAfter`). */
  readonly start: { token: ResumeToken; after: boolean } | { time: ClusterTime } | undefined
  /** For `updateLookup`: reads the document that an update has changed. null: it is gone. */
  readonly lookup: ((entry: OplogEntry) => Uint8Array | null) | undefined
  readonly transform: ((event: Doc) => Doc | undefined) | undefined
}

const MAX_ENTRIES_PER_READ = 256
/** Bounds how many entries one request examines before it replies, even if few of them match. */
const MAX_ENTRIES_PER_BATCH = 20_000

export class ChangeStream implements ChangeStreamSource {
  readonly #oplog: Oplog
  readonly #spec: ChangeStreamSpec
  #position: ClusterTime
  #token: Plain
  #invalidatedBy: OplogEntry | undefined
  #ended = false
  #readAhead: OplogEntry[] = []
  #tokenTime = 0

  /** Throws if the oplog doesn't contain the starting point. */
  constructor(oplog: Oplog, spec: ChangeStreamSpec) {
    this.#oplog = oplog
    this.#spec = spec
    const { start } = spec
    this.#position =
      start === undefined ? oplog.now : 'time' in start ? start.time - 1 : start.token.time
    this.#token = tokenOf(this.#position, 'mark')
    if (start === undefined) return
    this.#checkHistory('time' in start ? start.time : this.#position)
    if ('token' in start) this.#resume(start.token, start.after)
  }

  #resume(token: ResumeToken, after: boolean): void {
    this.#token = tokenOf(token.time, token.kind)
    if (token.kind === 'mark') return
    if (token.kind === 'invalidate' && !after) {
      throw refusal('InvalidResumeToken', 'resumeAfter is not allowed from an invalidate event')
    }
    const entry = this.#oplog.at(token.time)
    if (!entry) throw refusal('ChangeStreamFatalError', 'the resume token was not found')
    if (token.kind === 'event' && this.#invalidates(entry)) this.#invalidatedBy = entry
  }

  #checkHistory(time: ClusterTime): void {
    if (time >= this.#oplog.oldest) return
    throw refusal('ChangeStreamHistoryLost', 'the resume point is no longer in the oplog')
  }

  get resumeToken(): Plain {
    return this.#token
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The next event that passes the pipeline; undefined if there is none for now. */
  next(): Uint8Array | undefined {
    for (let examined = 0; !this.#ended && examined < MAX_ENTRIES_PER_BATCH; examined++) {
      const shown = this.#invalidatedBy ? this.#invalidate(this.#invalidatedBy) : this.#advance()
      if (shown === 'nothing new') return undefined
      if (shown) return shown
    }
    return undefined
  }

  #advance(): Uint8Array | 'nothing new' | undefined {
    const entry = this.#nextEntry()
    if (!entry) {
      this.#token = this.#position > this.#tokenTime ? tokenOf(this.#position, 'mark') : this.#token
      return 'nothing new'
    }
    this.#position = entry.time
    if (!this.#covers(entry)) return undefined
    if (this.#invalidates(entry)) this.#invalidatedBy = entry
    this.#tokenTime = entry.time
    this.#token = tokenOf(entry.time, 'event')
    return this.#show(eventOf(entry, entry.op === 'u' ? this.#spec.lookup?.(entry) : undefined))
  }

  #nextEntry(): OplogEntry | undefined {
    if (this.#readAhead.length === 0) {
      if (this.#position < this.#oplog.tailStart) this.#checkHistory(this.#position)
      this.#readAhead = this.#oplog.after(this.#position, MAX_ENTRIES_PER_READ).reverse()
    }
    return this.#readAhead.pop()
  }

  #invalidate({ time }: OplogEntry): Uint8Array | undefined {
    this.#ended = true
    this.#token = tokenOf(time, 'invalidate')
    return this.#show(Doc.read(encode(commonFields(this.#token, 'invalidate', time))))
  }

  #show(event: Doc): Uint8Array | undefined {
    const { transform } = this.#spec
    const shown = transform ? transform(event) : event
    if (!shown || shown === event || identical(event.get('_id'), shown.get('_id')))
      return shown && encode(shown)
    throw refusal('ChangeStreamFatalError', 'the pipeline has modified the _id of an event')
  }

  #covers(entry: OplogEntry): boolean {
    if (!isEvent(entry)) return false
    const { db, coll } = this.#spec.scope
    if (db === undefined) return !internalDatabases.has(entry.db)
    return entry.db === db && (coll === undefined || entry.coll === coll)
  }

  #invalidates({ op }: OplogEntry): boolean {
    const { db, coll } = this.#spec.scope
    if (db === undefined) return false
    return op === 'dropDatabase' || (op === 'drop' && coll !== undefined)
  }

  pause(): void {
    this.#readAhead = []
  }

  /** Waits for the next commit of any change, for at most `ms` milliseconds. */
  wait(ms: number): { done: Promise<void>; cancel: () => void } {
    const { promise: done, resolve: cancel } = Promise.withResolvers<void>()
    const timer = setTimeout(cancel, ms)
    const stop = this.#oplog.onChange(cancel)
    void done.then(() => {
      clearTimeout(timer)
      stop()
    })
    return { done, cancel }
  }
}

const internalDatabases = new Set(['admin', 'local', 'config'])

const operationTypes: Readonly<Record<string, string>> = {
  i: 'insert',
  u: 'update',
  r: 'replace',
  d: 'delete',
  drop: 'drop',
  dropDatabase: 'dropDatabase',
}

/** Whether streams show the entry. Older versions wrote entries of other kinds. */
const isEvent = ({ op }: OplogEntry): boolean => Object.hasOwn(operationTypes, op)

/** The event of an entry is made only once, however many streams show it. */
const events = new WeakMap<OplogEntry, Doc>()

/** `lookedUp`: the present document for `updateLookup`, or null if it no longer exists. */
function eventOf(entry: OplogEntry, lookedUp: Uint8Array | null | undefined): Doc {
  if (lookedUp !== undefined) return build(entry, lookedUp)
  const event = events.get(entry) ?? build(entry, undefined)
  events.set(entry, event)
  return event
}

function commonFields(_id: Plain, operationType: string, time: ClusterTime): Plain {
  return { _id, operationType, clusterTime: toTimestamp(time) }
}

function build(entry: OplogEntry, lookedUp: Uint8Array | null | undefined): Doc {
  const { time, op, db, coll, key, body } = entry
  const full = op === 'i' || op === 'r' ? body : lookedUp
  const event = {
    ...commonFields(tokenOf(time, 'event'), operationTypes[op]!, time),
    fullDocument: full && Doc.read(full),
    ns: coll === '' ? { db } : { db, coll },
    documentKey: key ? Doc.read(key) : undefined,
    updateDescription: op === 'u' ? Doc.read(body!) : undefined,
  }
  return Doc.read(encode(event))
}
