// Connects tails to the rest of the node: the stream that a tail reads, the devices and the
// projector that it serves, and the resume token that it saves.
import { Counter, Histogram } from 'prom-client'
import type { WireChange } from '@lockstep/protocol/change'
import type { Topic } from '@lockstep/protocol/topics'
import { shareStart } from '../log/buckets.ts'
import { toChange } from '../log/entry.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { isResumable, openChangeStream } from '../store/change-stream.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/documents.ts'
import type { ResumeToken } from '../store/documents.ts'
import { writeCanary, saveResumeToken } from '../store/feed.ts'
import { startTail, tailTimings, type Tail } from './tail.ts'

export interface TailStarterDeps {
  database: Database
  /**
   * Delivers a change to the node's own devices and, if `toAllNodes`, to the other nodes. Never
   * waits.
   */
  deliver(user_id: string, change: WireChange, toAllNodes: boolean): void
  /** Sends the connected devices what they lack according to the heads in the database. */
  compareHeads(): Promise<void>
  /**
   * Called by the node that tails for all nodes: this entry exists, and the node that wrote it may
   * have died before projecting it.
   */
  project?(user_id: string, topic: Topic, seq: number): void
  logger: Logger
  metrics: Metrics
  tailTimings?: typeof tailTimings
}

/** A range of buckets. */
export interface BucketRange {
  /** Names the saved resume token and the lease of the range, `<index>/<number of ranges>`. */
  name: string
  /** Undefined: all buckets. */
  buckets: readonly [from: number, to: number] | undefined
}

export const allBuckets: BucketRange = { name: '0/1', buckets: undefined }

/** Splits the buckets into `count` ranges, as equal as possible. */
export function bucketRanges(count: number): BucketRange[] {
  if (count === 1) return [allBuckets]
  return Array.from({ length: count }, (_, i) => ({
    name: `${i}/${count}`,
    buckets: [shareStart(i, count), shareStart(i + 1, count)],
  }))
}

/** For whom a tail works. The answers change when the node acquires or loses the lease. */
export interface TailRole {
  /** Asked once per change: does it go to all nodes, or only to this node's devices? */
  deliversToAllNodes(): boolean
  /** The generation under which a resume token may be saved. Undefined: none may be saved. */
  generation(): number | undefined
  /** Resolves when everything published so far has reached Redis. */
  flushPublished(): Promise<void>
}

/** Returns a function that starts a tail. All its tails share their metrics. */
export function createTailStarter(deps: TailStarterDeps) {
  const { database, deliver, compareHeads, project, logger, metrics } = deps
  const registers = [metrics]
  const changes = new Counter({
    name: 'lockstep_feed_changes_total',
    help: 'Changes read from the change stream',
    registers,
  })
  const failures = new Counter({
    name: 'lockstep_feed_failures_total',
    help: 'Failures of the change stream; after "restarted" and "mute" it was opened from now and heads were compared',
    labelNames: ['reason'],
    registers,
  })
  const delay = new Histogram({
    name: 'lockstep_feed_delay_seconds',
    help: 'From the time of a change to its delivery to devices',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30],
    registers,
  })

  function deliverEntry(entry: ChangeDocument, toAllNodes: boolean): void {
    try {
      deliver(entry.user_id, toChange(entry), toAllNodes)
      if (toAllNodes) project?.(entry.user_id, entry.topic, entry.seq)
      changes.inc()
      delay.observe(Math.max(0, Date.now() - entry.at.getTime()) / 1000)
    } catch (error) {
      logger.error({ err: error, entry: entry._id }, 'a change could not be delivered')
    }
  }

  return (
    range: BucketRange,
    token: ResumeToken | undefined,
    role: TailRole,
    onReadyChange: (isReady: boolean) => void,
  ): Tail =>
    startTail(
      token,
      {
        openStream: (after) =>
          openChangeStream(database, { range: range.name, buckets: range.buckets, after }),
        isResumable,
        writeCanary: () => writeCanary(database, range.name),
        deliver: (entry) => deliverEntry(entry, role.deliversToAllNodes()),
        saveToken: async (saved) => {
          const generation = role.generation()
          if (generation === undefined) return
          await role.flushPublished()
          await saveResumeToken(database, range.name, saved, generation)
        },
        onStartedFromNow: () => void compareHeads(),
        onFailure: (reason) => failures.inc({ reason }),
        onReadyChange,
      },
      logger.child({ range: range.name }),
      deps.tailTimings ?? tailTimings,
    )
}
