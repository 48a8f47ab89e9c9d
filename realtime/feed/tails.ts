// How tails are started: what they read, whom they hand it to, and on whose behalf they keep tokens.
import { Counter, Histogram } from 'prom-client'
import type { WireChange } from '@lockstep/protocol/change'
import type { Topic } from '@lockstep/protocol/topics'
import { BUCKETS, toChange } from '../log/entry.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { isResumable, openChangeStream } from '../store/change-stream.ts'
import type { ChangeDocument } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { writeCanary, saveResumeToken, type Token } from '../store/feed.ts'
import { startTail, tailTimings, type Tail } from './tail.ts'

export interface TailOptions {
  database: Database
  /** Hands a change to the own devices and, when `everywhere`, to the other nodes. Never waits. */
  deliver(user_id: string, change: WireChange, everywhere: boolean): void
  /** Pushes to the connected devices what they lack by the database's heads. */
  compareHeads(): Promise<void>
  /** Only the node that tails for all: this entry exists, whoever wrote it may have died before projecting it. */
  project?(user_id: string, topic: Topic, seq: number): void
  logger: Logger
  metrics: Metrics
  timings?: typeof tailTimings
}

/** A range of buckets and the name under which its token is kept. */
export interface Range {
  name: string
  buckets: readonly [from: number, to: number] | undefined
}

/** Splits the buckets into `count` ranges, equal but for rounding. */
export function rangesOf(count: number): Range[] {
  if (count === 1) return [{ name: '0/1', buckets: undefined }]
  const bound = (i: number) => Math.round((i * BUCKETS) / count)
  return Array.from({ length: count }, (_, i) => ({
    name: `${i}/${count}`,
    buckets: [bound(i), bound(i + 1)],
  }))
}

/** Whom a tail works for, which changes while it runs. */
export interface TailRole {
  /** Asked once for each change: is it for all nodes, or for the devices of this one only? */
  everywhere(): boolean
  /** Under which tokens may be kept; undefined: they may not. */
  generation(): number | undefined
  /** Resolves when everything published so far has reached Redis. */
  published(): Promise<void>
}

/** Starts tails that all work alike. */
export function tailStarter(options: TailOptions) {
  const {
    database,
    deliver,
    compareHeads,
    project,
    logger,
    metrics,
    timings = tailTimings,
  } = options
  const registers = [metrics]
  const changes = new Counter({
    name: 'lockstep_feed_changes_total',
    help: 'Changes read from the change stream',
    registers,
  })
  const failures = new Counter({
    name: 'lockstep_feed_failures_total',
    help: 'Failures of the change stream; restarted and mute: it went on from now and heads were compared',
    labelNames: ['reason'],
    registers,
  })
  const delay = new Histogram({
    name: 'lockstep_feed_delay_seconds',
    help: 'From the time of a change to its being handed to devices',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30],
    registers,
  })

  const handOver = (entry: ChangeDocument, everywhere: boolean) => {
    deliver(entry.user_id, toChange(entry), everywhere)
    if (everywhere) project?.(entry.user_id, entry.topic, entry.seq)
    changes.inc()
    delay.observe(Math.max(0, Date.now() - entry.at.getTime()) / 1000)
  }

  return (
    range: Range,
    token: Token | undefined,
    mandate: TailRole,
    turned: (ready: boolean) => void,
  ): Tail =>
    startTail(
      token,
      {
        open: (after) =>
          openChangeStream(database, { range: range.name, buckets: range.buckets, after }),
        isResumable,
        beat: () => writeCanary(database, range.name),
        change: (entry) => {
          try {
            handOver(entry, mandate.everywhere())
          } catch (error) {
            logger.error({ err: error, entry: entry._id }, 'a change could not be handed over')
          }
        },
        keep: async (saved) => {
          const generation = mandate.generation()
          if (generation === undefined) return
          await mandate.published()
          await saveResumeToken(database, range.name, saved, generation)
        },
        restarted: () => void compareHeads(),
        failed: (reason) => failures.inc({ reason }),
        turned,
      },
      logger.child({ range: range.name }),
      timings,
    )
}
