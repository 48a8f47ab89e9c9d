// The heart: one log per user and topic. Everything else, documents, devices, rewind, follows from it.
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { limits } from '@lockstep/protocol/limits'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../observability/logger.ts'
import {
  readLast,
  readRecent,
  readChangesWithoutBefore,
  readUnapplied,
  topicKey,
  type ChangeDocument,
} from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { createHeads, readHeads } from '../store/heads.ts'
import { newId } from '@lockstep/protocol/ids'
import { append, type Appended, type Command } from './append.ts'
import { toChange } from './entry.ts'
import { HeadCache, needsNewerServer, type TopicHead } from './head-cache.ts'
import { onlyStreams, Projector, STREAMING_MS } from './projector.ts'
import { KeyedQueue } from './keyed-queue.ts'

/** A piece of a catch-up, about (bytes of JSON): what a device on a slow line takes in seconds, as it goes on from its last whole piece. */
const PIECE_BYTES = 128 * 1024
/** Entries per answer of the database: large ones are read for nothing behind the end of a piece. */
const PIECE_BATCH = 50
/** More unprojected entries than this make writers of the topic wait. */
const MAX_TAIL = 500
/** How long another node may take to project what it wrote before the holder of the tail does (ms). */
const ABANDONED_MS = 2_000
/** How far back a node looks at its start for what the one that it replaces has left (ms). */
const LOOK_BACK_MS = 300_000
const STOP_MS = 5_000
const HEADS_PER_QUERY = 200

/** Changes in (after, to]. `more`: the head is further; `reset`: this log can't continue from `after`. */
export interface Range {
  epoch: string
  head: number
  to: number
  changes: WireChange[]
  more: boolean
  reset: boolean
}

interface Place {
  user_id: string
  topic: Topic
  seq: number
}

export interface Log {
  /** Makes the logs of a new user. Repeating it changes nothing. */
  create(user_id: string): Promise<void>
  /** Appends what the command decides, in order per user and topic. */
  append<State>(command: Command<State>): Promise<Appended<State>>
  /** The head, by a majority read. Throws `not_found` for a user that doesn't exist. */
  head(user_id: string, topic: Topic): Promise<Cursor>
  /** Heads of many topics; keys are `<user>:<topic>`, unknown ones are left out. */
  heads(keys: readonly string[]): Promise<Map<string, Cursor>>
  /** Changes in (after, upTo ?? head], in pieces of at most 500 changes and about 128 KB; a larger change is a piece of its own. */
  range(user_id: string, topic: Topic, after: number, upTo?: number): Promise<Range>
  /**
   * Makes the documents follow the log up to its present head, which it answers: then reads see every acked write. Throws `unavailable` when
   * only a newer version of the server can.
   */
  projectToHead(user_id: string, topic: Topic): Promise<Cursor>
  /** The holder of the tail saw this entry: should its writer have died, it is projected from here within seconds. */
  noteSeen(user_id: string, topic: Topic, seq: number): void
  /**
   * Projects from here what was written lately and nobody has projected: its writer died, and who was there then is older than the change.
   * Resolves when it is on its way. For the start of a node; never rejects.
   */
  projectAbandoned(): Promise<void>
  /** Projects what is left. */
  stop(): Promise<void>
}

export type { Appended, TopicHead as Hot }

/** @param database must have its indexes: uniqueness is what makes the log a log */
export function createLog(database: Database, logger: Logger): Log {
  const hotTopics = new HeadCache(database)
  const projector = new Projector(database, hotTopics, logger)
  const queue = new KeyedQueue()
  const abandoned = watchAbandoned()

  function watchAbandoned() {
    const seen = new Map<string, Place>()
    let timer: NodeJS.Timeout | undefined
    let [stopped, lookingBack] = [false, Promise.resolve()]
    const check = async (places: Map<string, Place>) => {
      const candidates = new Map(places)
      places.clear()
      const applied = new Map(
        (await readHeads(database, [...candidates.keys()])).map((head) => [head._id, head.applied]),
      )
      for (const [key, { user_id, topic, seq }] of candidates) {
        if ((applied.get(key) ?? seq) >= seq) continue
        const hot = await hotTopics.refresh(user_id, topic)
        // its writer projects streamed text late, and then all at once
        if (onlyStreams(hot) && Date.now() - hot.at < 2 * STREAMING_MS) note(user_id, topic, seq)
        else projector.schedule(hot, 0)
      }
    }
    const failed = (error: unknown) =>
      logger.warn({ err: error }, 'could not look for unprojected entries')
    const lookBack = async () => {
      const places = new Map<string, Place>()
      for await (const { user_id, topic, seq } of readRecent(
        database,
        new Date(Date.now() - LOOK_BACK_MS),
      )) {
        if (stopped) return
        places.set(topicKey(user_id, topic), { user_id, topic, seq })
        if (places.size >= HEADS_PER_QUERY) await check(places)
      }
      await check(places)
    }
    const note = (user_id: string, topic: Topic, seq: number) => {
      seen.set(topicKey(user_id, topic), { user_id, topic, seq })
      timer ??= setTimeout(() => {
        timer = undefined
        check(seen).catch(failed)
      }, ABANDONED_MS)
    }
    return {
      note,
      lookBack: () => (lookingBack = lookBack().catch(failed)),
      async stop() {
        stopped = true
        clearTimeout(timer)
        await lookingBack
      },
    }
  }

  async function head(user_id: string, topic: Topic): Promise<Cursor> {
    const { hot, fresh } = await hotTopics.get(user_id, topic)
    if (fresh) return { epoch: hot.epoch, seq: hot.seq }
    const last = await readLast(database, hot.key)
    return { epoch: hot.epoch, seq: last?.seq ?? 0 }
  }

  return {
    create: (user_id) => createHeads(database, user_id, topics, newId().slice(-12)),

    append(command) {
      const arrivedAt = performance.now()
      const key = topicKey(command.caller.user_id, command.topic)
      return queue.run(key, async () => {
        const known = hotTopics.peek(key)
        if (known && known.tail.length >= MAX_TAIL) await projector.project(known)
        const appended = await append(database, hotTopics, command, arrivedAt)
        if (appended.kind === 'appended') projector.schedule(appended.hot)
        return appended
      })
    },

    head,

    async heads(keys) {
      const found = new Map<string, Cursor>()
      for (let at = 0; at < keys.length; at += HEADS_PER_QUERY) {
        const heads = await readHeads(database, keys.slice(at, at + HEADS_PER_QUERY))
        for (const { _id, epoch, applied } of heads) found.set(_id, { epoch, seq: applied })
        for (const { key, seq } of await readUnapplied(database, heads)) found.get(key)!.seq = seq
      }
      return found
    },

    async range(user_id, topic, after, upTo) {
      const { epoch, seq: newest } = await head(user_id, topic)
      const none = { epoch, head: newest, changes: [], more: false }
      if (after > newest) return { ...none, to: newest, reset: true }
      if (after === newest) return { ...none, to: newest, reset: false }
      const end = Math.min(upTo ?? newest, newest)
      const key = topicKey(user_id, topic)
      const entries = readChangesWithoutBefore(database, key, after, {
        upTo: end,
        limit: limits.rangeMax,
      }).batchSize(PIECE_BATCH)
      const changes = await piece(entries)
      if (!changes) return { ...none, to: newest, reset: true }
      const to = changes.at(-1)!.seq
      return { epoch, head: newest, to, changes, more: to < end, reset: false }
    },

    async projectToHead(user_id, topic) {
      const { hot, fresh } = await hotTopics.get(user_id, topic)
      const current = fresh ? hot : await catchUp(hot)
      // what this read has learnt may not move under it: later entries are somebody else's
      const { epoch, seq } = current
      if (current.applied < seq) await projector.project(current)
      if (current.hasUnknownOps && current.applied < seq) throw needsNewerServer()
      return { epoch, seq }
    },

    projectAbandoned: () => abandoned.lookBack(),

    noteSeen(user_id, topic, seq) {
      const known = hotTopics.peek(topicKey(user_id, topic))
      if (!known || known.seq < seq) abandoned.note(user_id, topic, seq)
    },

    async stop() {
      await abandoned.stop()
      await queue.idle()
      await projector.stop(STOP_MS)
    },
  }

  /** Nothing new at the head (the usual case) costs one look-up. */
  async function catchUp(hot: TopicHead): Promise<TopicHead> {
    const last = await readLast(database, hot.key)
    return last && last.seq > hot.seq ? hotTopics.refresh(hot.user_id, hot.topic) : hot
  }
}

/** As many of the entries as fit a piece, at least one; undefined when the log doesn't reach back that far with its content. */
async function piece(entries: AsyncIterable<ChangeDocument>): Promise<WireChange[] | undefined> {
  const changes: WireChange[] = []
  let bytes = 0
  for await (const entry of entries) {
    if (entry.expired) return undefined
    const change = toChange(entry)
    bytes += JSON.stringify(change).length
    if (changes.length > 0 && bytes > PIECE_BYTES) break
    changes.push(change)
  }
  return changes.length > 0 ? changes : undefined
}
