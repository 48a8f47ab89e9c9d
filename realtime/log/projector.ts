// Brings documents up to the log, off the critical path: coalesced per user and topic, one run at a time each.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../observability/logger.ts'
import type { Database } from '../store/database.ts'
import { advanceHead } from '../store/heads.ts'
import { isProjectable, recordProjected, type TopicHead, type HeadCache } from './head-cache.ts'
import { projectConversations } from './projection/conversations.ts'
import { projectPreferences } from './projection/preferences.ts'
import type { Project } from './projection/projection.ts'
import { projectRuns } from './projection/runs.ts'
import { KeyedQueue } from './keyed-queue.ts'

/** How long entries are collected before they are projected (ms). */
const COALESCE_MS = 30
/** The same for a tail of nothing but streamed text: a reply costs its log entry a second, and its documents every few (ms). */
export const STREAMING_MS = 10_000
/** After a failure; the next reader projects anyway. */
const RETRY_MS = 1_000

const projections: Record<Topic, Project> = {
  conversations: projectConversations,
  preferences: projectPreferences,
  agents: projectRuns,
  account: () => Promise.resolve(), // accounts and sessions are authoritative documents, its entries only tell of them
}

/** All that the documents lack is text of running replies. */
export const onlyStreams = ({ tail }: TopicHead): boolean =>
  tail.every(({ op }) => op === 'extended')

export class Projector {
  readonly #database: Database
  readonly #topics: HeadCache
  readonly #logger: Logger
  readonly #queue = new KeyedQueue()
  /** A refresh may have replaced what is known of a topic, so one key can have two tails to project. */
  readonly #scheduled = new Map<
    string,
    { timer: NodeJS.Timeout; due: number; hots: Set<TopicHead> }
  >()
  #stopped = false

  constructor(database: Database, topics: HeadCache, logger: Logger) {
    this.#database = database
    this.#topics = topics
    this.#logger = logger
  }

  /** Projects the topic's tail soon; one that only streams later, as the next piece of text would write the same documents again. */
  schedule(hot: TopicHead, delay = onlyStreams(hot) ? STREAMING_MS : COALESCE_MS): void {
    const due = Date.now() + delay
    const waiting = this.#scheduled.get(hot.key)
    const hots = waiting?.hots.add(hot) ?? new Set([hot])
    if (waiting && waiting.due <= due) return
    clearTimeout(waiting?.timer)
    this.#scheduled.set(hot.key, { timer: setTimeout(() => this.#run(hot.key), delay), due, hots })
  }

  #run(key: string): void {
    const hots = this.#scheduled.get(key)?.hots ?? []
    this.#scheduled.delete(key)
    for (const hot of hots)
      this.project(hot).catch((error: unknown) => {
        this.#logger.warn({ err: error, topic: hot.topic }, 'projection failed, will be repeated')
        if (!this.#stopped) this.schedule(hot, RETRY_MS)
      })
  }

  /** Projects what `hot` has in its tail now. Resolves when documents and head have followed, but for entries of a newer version. */
  project(hot: TopicHead): Promise<void> {
    return this.#queue.run(hot.key, async () => {
      const unknown = hot.tail.findIndex((entry) => !isProjectable(entry))
      const entries = hot.tail.slice(0, unknown < 0 ? undefined : unknown)
      const last = entries.at(-1)
      if (!last) return
      await projections[hot.topic](this.#database, hot.user_id, entries)
      await advanceHead(this.#database, hot.key, last.seq, last.at, last.op === 'closed')
      recordProjected(hot, last.seq)
      const current = this.#topics.peek(hot.key)
      if (current && current !== hot) recordProjected(current, last.seq)
    })
  }

  /** Projects all that is scheduled, within `deadlineMs`; what remains is projected by whoever reads it next. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true
    for (const [key, { timer }] of this.#scheduled) {
      clearTimeout(timer)
      this.#run(key)
    }
    const abort = new AbortController()
    const late = sleep(deadlineMs, undefined, { signal: abort.signal }).catch(() => undefined)
    await Promise.race([this.#queue.idle(), late])
    abort.abort()
  }
}
