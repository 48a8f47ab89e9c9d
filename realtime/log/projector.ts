// Brings the documents up to the log, off the critical path. There is one projector per node: it
// works in ticks, and a tick writes the documents of all topics of all users together, one command
// for each collection.
//
//   appended ─► dirty ─ a tick ─► messages, runs, preferences ─► conversations ─► heads
//                  └─ at once, for a reader that needs the documents
//
// Documents are written with a majority and before the heads. So a rollback, or shards that roll
// back apart, may lose heads but never documents that a head counts (LOG-5). A head is only a note
// of what needn't be repeated, so nothing waits until a majority has it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/documents.ts'
import { isDatabaseUnavailable } from '../store/faults.ts'
import { advanceHeads } from '../store/heads.ts'
import { isProjectable, recordProjected, type HeadCache, type TopicHead } from './head-cache.ts'
import { writeDocuments, type TopicEntries } from './projection/write-documents.ts'
import type { StateCaches } from './topic-table.ts'

/** How long entries of all topics are collected before they are projected (ms). */
const TICK_MS = 125
/**
 * The same for a tail that contains only streamed text (ms). A reply writes one entry a second, and
 * its documents only this often.
 */
export const STREAMING_MS = 10_000
/** Wait after a failure (ms). The next reader projects anyway. */
const RETRY_MS = 1_000
/** Topics that are projected together, and batches at the same time. */
const [TOPICS_PER_BATCH, BATCHES] = [200, 4]

export interface ProjectorDeps {
  database: Database
  heads: HeadCache
  caches: StateCaches
  logger: Logger
}

/** True if the documents lack only text of running replies. */
export const onlyStreams = ({ tail }: TopicHead): boolean =>
  tail.every(({ op }) => op === 'extended' || op === 'part')

interface Work extends TopicEntries {
  result: PromiseWithResolvers<void>
}

export class Projector {
  readonly #deps: ProjectorDeps
  /**
   * When each of these heads is due (ms since 1970). A refresh may have replaced a topic's head, so
   * one key can have two tails to project.
   */
  readonly #dirty = new Map<TopicHead, number>()
  /** Heads that are projected as soon as a batch is free, each with the promise of its readers. */
  readonly #urgent = new Map<TopicHead, PromiseWithResolvers<void>>()
  /** The topics that are being projected. A topic is in one batch at a time. */
  readonly #underWay = new Set<string>()
  readonly #batches = new Set<Promise<void>>()
  #isStarting = false
  #tick: { timer: NodeJS.Timeout; due: number } | undefined
  #isStopped = false

  constructor(deps: ProjectorDeps) {
    this.#deps = deps
  }

  /**
   * Projects the topic's tail with one of the next ticks. A tail that only streams waits longer, as
   * the next text would write the same documents again.
   */
  schedule(head: TopicHead, delay = onlyStreams(head) ? STREAMING_MS : TICK_MS): void {
    const due = Date.now() + delay
    if ((this.#dirty.get(head) ?? Infinity) > due) this.#dirty.set(head, due)
    if (this.#tick && this.#tick.due <= due) return
    clearTimeout(this.#tick?.timer)
    this.#tick = { timer: setTimeout(() => this.#runTick(), delay), due }
  }

  #runTick(): void {
    this.#tick = undefined
    // heads that are due before the next tick are projected with this one
    const now = Date.now() + TICK_MS
    for (const [head, due] of this.#dirty) if (due <= now) this.#projectDirty(head)
    const [next] = [...this.#dirty.values()].sort((a, b) => a - b)
    if (next !== undefined && !this.#isStopped)
      this.#tick = {
        timer: setTimeout(() => this.#runTick(), Math.max(0, next - Date.now())),
        due: next,
      }
  }

  #projectDirty(head: TopicHead): void {
    this.#dirty.delete(head)
    this.project(head).catch((error: unknown) => {
      const { logger } = this.#deps
      logger.warn({ err: error, topic: head.topic }, 'projection failed, will be repeated')
      if (!this.#isStopped) this.schedule(head, RETRY_MS)
    })
  }

  /**
   * Projects the present tail of `head`, up to the first op of a newer version. Resolves when a
   * majority has the documents.
   */
  project(head: TopicHead): Promise<void> {
    const waiting = this.#urgent.get(head)
    if (waiting) return waiting.promise
    const result = Promise.withResolvers<void>()
    this.#urgent.set(head, result)
    if (!this.#isStarting) setImmediate(() => this.#runBatches())
    this.#isStarting = true
    return result.promise
  }

  /** Starts batches of the topics that wait and that aren't being projected. */
  #runBatches(): void {
    this.#isStarting = false
    while (this.#batches.size < BATCHES) {
      const batch: [TopicHead, PromiseWithResolvers<void>][] = []
      for (const [head, result] of this.#urgent) {
        if (this.#underWay.has(head.key)) continue
        this.#urgent.delete(head)
        this.#underWay.add(head.key)
        batch.push([head, result])
        if (batch.length === TOPICS_PER_BATCH) break
      }
      if (batch.length === 0) return
      const run = this.#runBatch(batch).finally(() => {
        this.#batches.delete(run)
        for (const [{ key }] of batch) this.#underWay.delete(key)
        this.#runBatches()
      })
      this.#batches.add(run)
    }
  }

  async #runBatch(batch: [TopicHead, PromiseWithResolvers<void>][]): Promise<void> {
    const works = batch.flatMap(([head, result]): Work[] => {
      const entries = projectable(head)
      if (entries.length === 0) result.resolve()
      return entries.length > 0 ? [{ head, entries, result }] : []
    })
    if (works.length === 0) return
    try {
      await this.#projectTogether(works)
    } catch (error) {
      if (works.length === 1 || isDatabaseUnavailable(error))
        return works.forEach(({ result }) => result.reject(error))
      // one topic that can't be projected must not keep the others waiting
      for (const work of works) await this.#projectTogether([work]).catch(work.result.reject)
    }
  }

  async #projectTogether(works: readonly Work[]): Promise<void> {
    const { database, heads, caches, logger } = this.#deps
    await writeDocuments(database, caches, works)
    const advances = works.map(({ head: { key }, entries }) => {
      const { seq, at, op, total_bytes = 0 } = entries.at(-1)!
      return { key, seq, at, closed: op === 'closed', total_bytes }
    })
    // the deletion of an account looks for its closed heads, and nothing would close them again
    const durable = advances.some(({ closed }) => closed)
    if (durable) await advanceHeads(database, advances, { durable })
    for (const [index, { head, result }] of works.entries()) {
      const { key, seq } = advances[index]!
      recordProjected(head, seq)
      const current = heads.peek(key)
      if (current && current !== head) recordProjected(current, seq)
      result.resolve()
    }
    if (durable) return
    await advanceHeads(database, advances, { durable }).catch((error: unknown) =>
      logger.debug(
        { err: error },
        'heads were not advanced: other nodes will project the same entries again',
      ),
    )
  }

  /**
   * Projects everything that is scheduled, within `deadlineMs`. The next reader projects what
   * remains.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#tick?.timer)
    for (const head of [...this.#dirty.keys()]) this.#projectDirty(head)
    const abort = new AbortController()
    const late = sleep(deadlineMs, undefined, { signal: abort.signal }).catch(() => undefined)
    await Promise.race([this.#idle(), late])
    abort.abort()
  }

  async #idle(): Promise<void> {
    while (this.#urgent.size > 0 || this.#batches.size > 0) {
      const waiting = [...this.#urgent.values()].map(({ promise }) => promise)
      await Promise.allSettled([...waiting, ...this.#batches])
    }
  }
}

/** The tail of a head up to the first op of a newer version (LOG-8). */
function projectable({ tail }: TopicHead): ChangeDocument[] {
  const unknown = tail.findIndex((entry) => !isProjectable(entry))
  return tail.slice(0, unknown < 0 ? undefined : unknown)
}
