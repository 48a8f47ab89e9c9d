// The interface of the log to the rest of the server. There is one log per user and topic, and
// documents, devices and rewind all follow from it. `append.ts` writes entries, `head-cache.ts`
// knows the heads, and `projector.ts` brings the documents up to them.
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../observability/logger.ts'
import {
  insertChanges,
  readLast,
  readChangesWithoutBefore,
  readUnapplied,
  topicKey,
} from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument, HeadDocument } from '../store/documents.ts'
import { isDiskFull } from '../store/faults.ts'
import { createHeads, createMissingHeads, readHeads } from '../store/heads.ts'
import { userIdOf } from '../store/shard-key.ts'
import { append, type AppendDeps, type Appended, type AppendRequest } from './append.ts'
import { toChange } from './entry.ts'
import { HeadCache, needsNewerServer, type TopicHead } from './head-cache.ts'
import { InsertQueue } from './insert-queue.ts'
import { KeyedQueue } from './keyed-queue.ts'
import { Projector } from './projector.ts'
import { createStorageQuota } from './storage-quota.ts'
import { createStateCaches, logTopics, type NeedsOf, type StateOf } from './topic-table.ts'
import { watchUnprojected } from './unprojected.ts'

/**
 * About how large one answer to a catch-up is (bytes of JSON). A device on a slow line receives
 * this much in seconds, and after a broken connection it continues after the last answer that it
 * received completely.
 */
const RANGE_BYTES = 128 * 1024
/**
 * Entries that are read first. Their size tells how many more fit the answer, so that hardly any
 * entry is read for nothing.
 */
const FIRST_ENTRIES = 20
/** More unprojected entries than this make writers of the topic wait. */
const MAX_TAIL = 500
const STOP_MS = 5_000
const HEADS_PER_QUERY = 200

/**
 * Changes in (after, to]. `more`: more changes follow these. `reset`: this log can't continue from
 * `after`.
 */
export interface LogRange {
  epoch: string
  head: number
  to: number
  changes: WireChange[]
  more: boolean
  reset: boolean
}

/** Names the entity whose state is read; the fields are those of `AppendRequest`. */
export interface StateQuery<T extends Topic> {
  user_id: string
  topic: T
  entity_id: string
  needs?: NeedsOf[T]
}

export interface Log {
  /** Creates the logs of a new user. Repeating it changes nothing. */
  create(user_id: string): Promise<void>
  /** Appends what a command decides, in order per user and topic. See append.ts for its faults. */
  append<T extends Topic>(request: AppendRequest<T>): Promise<Appended<T>>
  /** The state that a command would decide on now. Throws `unavailable` like `projectToHead`. */
  stateAtHead<T extends Topic>(query: StateQuery<T>): Promise<StateOf[T]>
  /** The head, by a majority read. Throws `not_found` for a user that doesn't exist. */
  head(user_id: string, topic: Topic): Promise<Cursor>
  /**
   * Heads of many topics; keys are `<user>:<topic>`. Those of users who don't exist are left out.
   */
  heads(keys: readonly string[]): Promise<Map<string, Cursor>>
  /**
   * Heads of many topics as their projections know them, at half the look-ups. Such a head is
   * behind the log only for a moment after a change.
   */
  projectedHeads(keys: readonly string[]): Promise<Map<string, Cursor>>
  /**
   * Changes in (after, upTo ?? head], at most 500 and about 128 KB at a time. A larger change comes
   * alone.
   */
  range(user_id: string, topic: Topic, after: number, upTo?: number): Promise<LogRange>
  /**
   * Brings the documents up to the present head and returns that head: reads then see every
   * acknowledged write (LOG-6). If the database's disk is full, the head is the one that the
   * documents are at: reads go on there, and devices get the rest from the log. Throws
   * `unavailable` when only a newer version of the server can bring the documents up (LOG-8).
   */
  projectToHead(user_id: string, topic: Topic): Promise<Cursor>
  /**
   * The holder of the tail saw this entry. If its writer died, this node projects the entry within
   * seconds.
   */
  noteSeen(user_id: string, topic: Topic, seq: number): void
  /**
   * For the start of a node: schedules the projection of recent entries that nobody has projected.
   * Their writer died, and the nodes that ran then may have been too old to project them (LOG-8).
   * Never rejects.
   */
  projectAbandoned(): Promise<void>
  /** Projects what is left. */
  stop(): Promise<void>
}

export interface LogOptions {
  /** Is told of each entry that this log has appended. */
  onAppended?: (user_id: string, topic: Topic) => void
  /** The most bytes that a user may store. Default: any number. */
  quotaBytes?: number
}

/** @param database must have its unique indexes: they make each insert a compare-and-swap */
export function createLog(
  database: Database,
  logger: Logger,
  { onAppended, quotaBytes }: LogOptions = {},
): Log {
  const heads = new HeadCache(database)
  const caches = createStateCaches()
  const projector = new Projector({ database, heads, caches, logger })
  const inserts = new InsertQueue((entries) => insertChanges(database, entries))
  const appendDeps: AppendDeps = {
    database,
    heads,
    caches,
    insert: (entry) => inserts.insert(entry),
    storage:
      quotaBytes === undefined
        ? undefined
        : createStorageQuota({
            ...{ database, quotaBytes },
            project: async (head) => {
              if (head.applied < head.seq) await projector.project(head)
            },
          }),
    appended(head) {
      projector.schedule(head)
      onAppended?.(head.user_id, head.topic)
    },
  }
  const queue = new KeyedQueue()
  const unprojected = watchUnprojected({ database, heads, projector, logger })

  async function headOf(user_id: string, topic: Topic): Promise<Cursor> {
    const { head, fresh } = await heads.get(user_id, topic)
    if (fresh) return { epoch: head.epoch, seq: head.seq }
    const last = await readLast(database, head.key)
    return { epoch: head.epoch, seq: last?.seq ?? 0 }
  }

  /** The newest head. If nothing is new there, which is the usual case, this costs one look-up. */
  async function newestHead(user_id: string, topic: Topic): Promise<TopicHead> {
    const { head, fresh } = await heads.get(user_id, topic)
    if (fresh) return head
    const last = await readLast(database, head.key)
    return last && last.seq > head.seq ? heads.refresh(user_id, topic) : head
  }

  return {
    create: (user_id) => createHeads(database, user_id, topics, newId().slice(-12)),

    append(request) {
      const arrivedAt = performance.now()
      const key = topicKey(request.context.user_id, request.topic)
      return queue.run(key, async () => {
        const known = heads.peek(key)
        if (known && known.tail.length >= MAX_TAIL) await projector.project(known)
        return append(appendDeps, request, arrivedAt)
      })
    },

    async stateAtHead({ user_id, topic, entity_id, needs = {} }) {
      const { seq, tail, hasUnknownOps } = await newestHead(user_id, topic)
      if (hasUnknownOps) throw needsNewerServer()
      const { state } = logTopics[topic]
      return state.load(database, { user_id, seq, tail: [...tail] }, entity_id, needs)
    },

    head: headOf,

    async heads(keys) {
      const found = new Map<string, Cursor>()
      for (let at = 0; at < keys.length; at += HEADS_PER_QUERY) {
        const stored = await readAllHeads(database, keys.slice(at, at + HEADS_PER_QUERY))
        for (const { _id, epoch, applied } of stored) found.set(_id, { epoch, seq: applied })
        for (const { key, seq } of await readUnapplied(database, stored)) found.get(key)!.seq = seq
      }
      return found
    },

    async projectedHeads(keys) {
      const stored = await readHeads(database, keys)
      return new Map(stored.map(({ _id, epoch, applied }) => [_id, { epoch, seq: applied }]))
    },

    async range(user_id, topic, after, upTo) {
      const { epoch, seq: newest } = await headOf(user_id, topic)
      const none = { epoch, head: newest, changes: [], more: false }
      if (after > newest) return { ...none, to: newest, reset: true }
      if (after === newest) return { ...none, to: newest, reset: false }
      const end = Math.min(upTo ?? newest, newest)
      const key = topicKey(user_id, topic)
      const read = (from: number, limit: number) =>
        readChangesWithoutBefore(database, key, from, { upTo: end, limit }).batchSize(limit)
      const changes = await firstChanges(read, after)
      if (!changes) return { ...none, to: newest, reset: true }
      const to = changes.at(-1)!.seq
      return { epoch, head: newest, to, changes, more: to < end, reset: false }
    },

    async projectToHead(user_id, topic) {
      const head = await newestHead(user_id, topic)
      // copied, because this read doesn't have to show what is appended from here on
      const { epoch, seq } = head
      if (head.applied < seq)
        try {
          await projector.project(head)
        } catch (error) {
          if (!isDiskFull(error)) throw error
          return { epoch, seq: Math.min(head.applied, seq) }
        }
      if (head.hasUnknownOps && head.applied < seq) throw needsNewerServer()
      return { epoch, seq }
    },

    projectAbandoned: () => unprojected.lookBack(),

    noteSeen(user_id, topic, seq) {
      const known = heads.peek(topicKey(user_id, topic))
      if (!known || known.seq < seq) unprojected.note({ user_id, topic, seq })
    },

    async stop() {
      await unprojected.stop()
      await queue.idle()
      await projector.stop(STOP_MS)
    },
  }
}

/** The heads of these topics. Users who are older than a topic get its head now. */
async function readAllHeads(database: Database, keys: readonly string[]): Promise<HeadDocument[]> {
  const stored = await readHeads(database, keys)
  const known = new Set(stored.map(({ _id }) => _id))
  const missing = keys.filter((key) => !known.has(key))
  if (missing.length === 0) return stored
  await createMissingHeads(database, [...new Set(missing.map(userIdOf))], topics)
  return [...stored, ...(await readHeads(database, missing))]
}

/**
 * As many of the entries after `after` as fit one answer, at least one; undefined when retention
 * has removed their content.
 */
async function firstChanges(
  read: (after: number, limit: number) => AsyncIterable<ChangeDocument>,
  after: number,
): Promise<WireChange[] | undefined> {
  const changes: WireChange[] = []
  let bytes = 0
  for (let limit = FIRST_ENTRIES; limit > 0;) {
    const before = changes.length
    for await (const entry of read(changes.at(-1)?.seq ?? after, limit)) {
      if (entry.expired) return undefined
      const change = toChange(entry)
      bytes += JSON.stringify(change).length
      if (changes.length > 0 && bytes > RANGE_BYTES) return changes
      changes.push(change)
    }
    if (changes.length - before < limit) break
    const fitting = Math.ceil((RANGE_BYTES - bytes) / (bytes / changes.length))
    limit = Math.min(fitting, limits.rangeMax - changes.length)
  }
  return changes.length > 0 ? changes : undefined
}
