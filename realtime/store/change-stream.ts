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
export type StreamEvent<Entry = ChangeDocument> =
  { kind: 'change'; entry: Entry } | { kind: 'canary' } | { kind: 'lost'; what: string }

export interface ChangeStreamReader<Entry = ChangeDocument> {
  /**
   * Calls back once, when the server has opened the stream. Everything written from then on will be
   * seen.
   */
  onOpen(callback: () => void): void
  /**
   * The next event, or undefined if none came for a while. The first call opens the stream. Rejects
   * if the stream fails or is closed.
   */
  next(): Promise<StreamEvent<Entry> | undefined>
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
  return openStream(
    database,
    // `before` is for rewind only, and may be large; a fingerprint is for commands that are
    // repeated
    {
      ...{ range, events: [inserts], after },
      without: { 'fullDocument.before': 0, 'fullDocument.fingerprint': 0 },
    },
    ({ collection, fullDocument }) => {
      if (collection !== 'changes') return undefined
      const entry = fullDocument as unknown as ChangeDocument
      return database.sealing ? database.sealing.openEntry(entry) : entry
    },
  )
}

/** An event about one of the collections of a stream. */
export interface CollectionEvent {
  collection: string
  operationType: 'insert' | 'update' | 'replace' | 'delete'
  id: string
  /** Of an insert. */
  fullDocument: Document | undefined
}

export interface StreamOptions {
  /** Names the canary. */
  range: string
  /** What is to be seen of `changes` and other collections, as filters. */
  events: readonly Document[]
  /** The fields that are left out. */
  without: Record<string, 0>
  after: ResumeToken | undefined
}

/** @param toEntry undefined for an event that was seen only because it is a canary's */
export function openStream<Entry>(
  database: Database,
  { range, events, without, after }: StreamOptions,
  toEntry: (event: CollectionEvent) => Entry | undefined,
): ChangeStreamReader<Entry> {
  const canary = {
    'ns.coll': 'feed',
    'documentKey._id': canaryId(range),
    operationType: { $in: ['insert', 'update', 'replace'] },
  }
  const ends = { 'ns.coll': 'changes', operationType: { $in: ['drop', 'rename'] } }
  const invalidated = { operationType: { $in: ['dropDatabase', 'invalidate'] } }
  const stages = [
    { $match: { $or: [...events, canary, ends, invalidated] } },
    { $project: without },
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
      return event ? toEvent(event, toEntry) : undefined
    },
    token: () => stream.resumeToken ?? undefined,
    close: () => stream.close(),
  }
}

function toEvent<Entry>(
  event: ChangeStreamDocument,
  toEntry: (event: CollectionEvent) => Entry | undefined,
): StreamEvent<Entry> {
  const { operationType } = event
  if (
    operationType !== 'insert' &&
    operationType !== 'update' &&
    operationType !== 'replace' &&
    operationType !== 'delete'
  )
    return { kind: 'lost', what: operationType }
  const entry = toEntry({
    collection: event.ns.coll,
    operationType,
    id: String(event.documentKey._id),
    fullDocument: operationType === 'insert' ? event.fullDocument : undefined,
  })
  return entry === undefined ? { kind: 'canary' } : { kind: 'change', entry }
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
