// The one change stream of a tail: inserts into `changes`, and the canary's beats, through a single cursor. What goes wrong with it is
// sorted here into what can be resumed and what can't.
import {
  MongoServerError,
  type ChangeStream,
  type ChangeStreamDocument,
  type Document,
} from 'mongodb'
import type { ChangeDocument } from './changes.ts'
import type { Database } from './database.ts'
import { toServerFault } from './faults.ts'
import { canaryId, type Token } from './feed.ts'

/** How long the server holds an idle request (ms); an event ends it at once. */
const AWAIT_MS = 1_000

export interface ChangeStreamOptions {
  range: string
  /** Buckets from (inclusive) and to (exclusive); absent: all. */
  buckets?: readonly [from: number, to: number]
  /** Resume behind it; absent: from now. */
  after?: Token
}

/** `lost`: the stream can't vouch any more for what it shows (the collection was dropped or renamed, the stream invalidated). */
export type StreamEvent =
  { kind: 'change'; entry: ChangeDocument } | { kind: 'canary' } | { kind: 'lost'; what: string }

export interface ChangeStreamReader {
  /** Calls back once when the server has opened the stream: whatever is written from then on will be seen. */
  onOpen(callback: () => void): void
  /** The next event; undefined when none came for a while. The first call opens the stream. Rejects when it fails or is closed. */
  next(): Promise<StreamEvent | undefined>
  /** Behind what `next` gave last, or further when the server said so. */
  token(): Token | undefined
  close(): Promise<void>
}

export function openChangeStream(
  database: Database,
  { range, buckets, after }: ChangeStreamOptions,
): ChangeStreamReader {
  const inserts: Document = { 'ns.coll': 'changes', operationType: 'insert' }
  if (buckets) inserts['fullDocument.bucket'] = { $gte: buckets[0], $lt: buckets[1] }
  const canary = {
    'ns.coll': 'feed',
    'documentKey._id': canaryId(range),
    operationType: { $in: ['insert', 'update', 'replace'] },
  }
  const ends = { 'ns.coll': 'changes', operationType: { $in: ['drop', 'rename'] } }
  const invalidated = { operationType: { $in: ['dropDatabase', 'invalidate'] } }
  // devices never see what a change replaced
  const stages = [
    { $match: { $or: [inserts, canary, ends, invalidated] } },
    { $project: { 'fullDocument.before': 0 } },
  ]
  const stream: ChangeStream = database.dbWithoutTimeout.watch(stages, {
    maxAwaitTimeMS: AWAIT_MS,
    ...(after !== undefined && { resumeAfter: after }),
  })
  const opened = Promise.withResolvers<void>()
  // the answer to the opening brings a token, or else a first event; `tryNext` would wait for the first of the two only
  stream.once('resumeTokenChanged', () => opened.resolve())
  return {
    onOpen: (callback) => void opened.promise.then(callback),
    next: async () => {
      const event = await stream.tryNext()
      opened.resolve()
      return event ? toEvent(event) : undefined
    },
    token: () => stream.resumeToken ?? undefined,
    close: () => stream.close(),
  }
}

function toEvent(event: ChangeStreamDocument): StreamEvent {
  if (event.operationType === 'insert' && event.ns.coll === 'changes')
    return { kind: 'change', entry: event.fullDocument as unknown as ChangeDocument }
  if (
    event.operationType === 'insert' ||
    event.operationType === 'update' ||
    event.operationType === 'replace'
  )
    return { kind: 'canary' }
  return { kind: 'lost', what: event.operationType }
}

/** True: the server was away, go on behind the token. False: history is lost (286), the token is dead, or the stream was refused. */
export function isResumable(error: unknown): boolean {
  if (error instanceof MongoServerError && error.hasErrorLabel('ResumableChangeStreamError'))
    return true
  return toServerFault(error).code === 'unavailable'
}
