// Brings the documents up to the log, off the critical path. Entries are collected per user and
// topic, and one run at a time projects them.
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
/**
 * The same for a tail that contains only streamed text (ms). A reply writes one entry a second, and
 * its documents only this often.
 */
export const STREAMING_MS = 10_000
/** Wait after a failure (ms). The next reader projects anyway. */
const RETRY_MS = 1_000

const projections: Record<Topic, Project> = {
  conversations: projectConversations,
  preferences: projectPreferences,
  agents: projectRuns,
  // accounts and sessions are authoritative documents that are written first
  account: () => Promise.resolve(),
}

/** True if the documents lack only text of running replies. */
export const onlyStreams = ({ tail }: TopicHead): boolean =>
  tail.every(({ op }) => op === 'extended')

export class Projector {
  readonly #database: Database
  readonly #cache: HeadCache
  readonly #logger: Logger
  readonly #queue = new KeyedQueue()
  /** A refresh may have replaced a topic's head, so one key can have two tails to project. */
  readonly #scheduled = new Map<
    string,
    { timer: NodeJS.Timeout; due: number; heads: Set<TopicHead> }
  >()
  #stopped = false

  constructor(database: Database, cache: HeadCache, logger: Logger) {
    this.#database = database
    this.#cache = cache
    this.#logger = logger
  }

  /**
   * Projects the topic's tail soon. A tail that only streams waits longer, as the next text would
   * write the same documents again.
   */
  schedule(head: TopicHead, delay = onlyStreams(head) ? STREAMING_MS : COALESCE_MS): void {
    const due = Date.now() + delay
    const waiting = this.#scheduled.get(head.key)
    const heads = waiting?.heads.add(head) ?? new Set([head])
    if (waiting && waiting.due <= due) return
    clearTimeout(waiting?.timer)
    this.#scheduled.set(head.key, {
      timer: setTimeout(() => this.#run(head.key), delay),
      due,
      heads,
    })
  }

  #run(key: string): void {
    const heads = this.#scheduled.get(key)?.heads ?? []
    this.#scheduled.delete(key)
    for (const head of heads)
      this.project(head).catch((error: unknown) => {
        this.#logger.warn({ err: error, topic: head.topic }, 'projection failed, will be repeated')
        if (!this.#stopped) this.schedule(head, RETRY_MS)
      })
  }

  /**
   * Projects the present tail of `head`, up to the first op of a newer version. Resolves when
   * documents and head are written.
   */
  project(head: TopicHead): Promise<void> {
    return this.#queue.run(head.key, async () => {
      const unknown = head.tail.findIndex((entry) => !isProjectable(entry))
      const entries = head.tail.slice(0, unknown < 0 ? undefined : unknown)
      const last = entries.at(-1)
      if (!last) return
      await projections[head.topic](this.#database, head.user_id, entries)
      await advanceHead(this.#database, head.key, last.seq, last.at, last.op === 'closed')
      recordProjected(head, last.seq)
      const current = this.#cache.peek(head.key)
      if (current && current !== head) recordProjected(current, last.seq)
    })
  }

  /**
   * Projects everything that is scheduled, within `deadlineMs`. The next reader projects what
   * remains.
   */
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
