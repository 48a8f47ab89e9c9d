// The change stream of a tail: inserts into `changes` and writes of the canary, through one cursor.
// Its errors are divided into those after which it can be resumed and those after which it can't.
import {
  MongoServerError,
  type ChangeStream,
  type ChangeStreamDocument,
  type Document,
} from 'mongodb'
import type { Database } from './database.ts'
import type { ChangeDocument, ResumeToken } from './documents.ts'
import { toServerFault } from './faults.ts'
import { canaryId } from './feed.ts'
import type { Sealing } from './sealing/sealing.ts'

/** How long MongoDB waits for an event before it answers that there is none (ms). */
const AWAIT_MS = 1_000

export interface ChangeStreamOptions {
  range: string
  /** The buckets in [from, to). Absent: all buckets. */
  buckets?: readonly [from: number, to: number]
  /** Continue after this token. Absent: begin now. */
  after?: ResumeToken
}

/**
 * `lost`: the stream may have missed changes, because the collection was dropped or renamed, or the
 * stream was invalidated.
 */
export type StreamEvent =
  { kind: 'change'; entry: ChangeDocument } | { kind: 'canary' } | { kind: 'lost'; what: string }

export interface ChangeStreamReader {
  /**
   * Calls back once, when the server has opened the stream. Everything written from then on will be
   * seen.
   */
  onOpen(callback: () => void): void
  /**
   * The next event, or undefined if none came for a while. The first call opens the stream. Rejects
   * if the stream fails or is closed.
   */
  next(): Promise<StreamEvent | undefined>
  /**
   * Points after the event that `next` returned last, or further if the server has sent a later
   * token.
   */
  token(): ResumeToken | undefined
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
  // `before` is for rewind only, and may be large; a fingerprint is for commands that are repeated
  const stages = [
    { $match: { $or: [inserts, canary, ends, invalidated] } },
    { $project: { 'fullDocument.before': 0, 'fullDocument.fingerprint': 0 } },
  ]
  const stream: ChangeStream = database.dbWithoutTimeout.watch(stages, {
    maxAwaitTimeMS: AWAIT_MS,
    ...(after !== undefined && { resumeAfter: after }),
  })
  const opened = Promise.withResolvers<void>()
  // the server's first answer brings either a token or an event, and `tryNext` returns only for
  // events
  stream.once('resumeTokenChanged', () => opened.resolve())
  return {
    onOpen: (callback) => void opened.promise.then(callback),
    next: async () => {
      const event = await stream.tryNext()
      opened.resolve()
      return event ? toEvent(event, database.sealing) : undefined
    },
    token: () => stream.resumeToken ?? undefined,
    close: () => stream.close(),
  }
}

function toEvent(event: ChangeStreamDocument, sealing: Sealing | undefined): StreamEvent {
  if (event.operationType === 'insert' && event.ns.coll === 'changes') {
    const entry = event.fullDocument as unknown as ChangeDocument
    return { kind: 'change', entry: sealing ? sealing.openEntry(entry) : entry }
  }
  if (
    event.operationType === 'insert' ||
    event.operationType === 'update' ||
    event.operationType === 'replace'
  )
    return { kind: 'canary' }
  return { kind: 'lost', what: event.operationType }
}

/**
 * True if the server was only unreachable: continue after the token. False if the history is lost
 * (error 286), the token is invalid, or the server refused the stream.
 */
export function isResumable(error: unknown): boolean {
  if (error instanceof MongoServerError && error.hasErrorLabel('ResumableChangeStreamError'))
    return true
  return toServerFault(error).code === 'unavailable'
}
