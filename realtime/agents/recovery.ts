// Ends what dead nodes left running. Any node does it for all; doing it twice changes nothing, as each ending has a derived mutation id and
// only what still streams can end. A reply whose producer merely slept is refused from then on.
import type { Run } from '@lockstep/protocol/agents'
import { errors, Fault } from '@lockstep/protocol/errors'
import type { Runs } from '../commands/agents.ts'
import type { Replies } from '../commands/replies.ts'
import type { Logger } from '../observability/logger.ts'
import { findUnfinishedRuns } from '../store/agent-runs.ts'
import type { Database } from '../store/database.ts'
import { findAllStreamingMessages } from '../store/messages.ts'
import {
  claimLease,
  dropLease,
  findExpiredLeases,
  findLeasedRuns,
  type LeaseDocument,
} from '../store/leases.ts'
import { reasons } from './provider.ts'
import type { ReplyTimings } from './timings.ts'

const BATCH = 100
/** A sweep that took longer met a database that was away: owners get the chance to renew first (ms). */
const SLOW_MS = 1_000
/** A run this old that nobody holds is nobody's (ms). */
const STRAY_AGE_MS = 60_000
const CAUSE = 'recovery'
const interrupted = {
  status: 'interrupted' as const,
  metadata: { reason: reasons.lost, reason_code: 'lost' },
}

type AbandonedReply = Pick<LeaseDocument, 'user_id' | 'run_id' | 'conversation_id' | 'message_id'>

export interface Recovery {
  /** Waits for a sweep that runs. */
  stop(): Promise<void>
}

export function startRecovery(
  { database, replies, runs }: { database: Database; replies: Replies; runs: Runs },
  { owner, timings, logger }: { owner: string; timings: ReplyTimings; logger: Logger },
): Recovery {
  const stops = [every(timings.sweepMs, sweep), every(timings.straySweepMs, sweepStrays)]

  /** One after the other, each at a random moment of its interval, so that nodes don't sweep in step. */
  function every(ms: number, work: () => Promise<void>): () => Promise<void> {
    let stopped = false
    let running = Promise.resolve()
    let timer = setTimeout(tick, Math.random() * ms)
    function tick() {
      running = work().catch((error: unknown) =>
        logger.warn({ err: error }, 'abandoned replies could not be ended'),
      )
      void running.then(() => {
        if (!stopped) timer = setTimeout(tick, ms)
      })
    }
    return () => {
      stopped = true
      clearTimeout(timer)
      return running
    }
  }

  async function sweep(): Promise<void> {
    const began = performance.now()
    const expired = await findExpiredLeases(database, BATCH)
    if (performance.now() - began > SLOW_MS) return
    for (const lease of expired) {
      if (!(await claimLease(database, lease, owner, timings.leaseMs))) continue
      logger.warn({ run_id: lease.run_id }, 'a reply was abandoned: ending it')
      await interrupt(lease)
      await dropLease(database, lease._id, owner)
    }
  }

  /** What streams although nobody holds a lease: a backup was restored, or a node died between two steps. */
  async function sweepStrays(): Promise<void> {
    const streaming = await findAllStreamingMessages(database, BATCH)
    const running = await findUnfinishedRuns(database, new Date(Date.now() - STRAY_AGE_MS), BATCH)
    const left: AbandonedReply[] = [
      ...running.map(({ _id, ...run }) => ({ ...run, run_id: _id.slice(_id.indexOf(':') + 1) })),
      ...streaming.map(({ _id, user_id, conversation_id, metadata }) => {
        const message_id = _id.slice(_id.lastIndexOf(':') + 1)
        return { user_id, run_id: String(metadata.run_id), conversation_id, message_id }
      }),
    ]
    const leased = await findLeasedRuns(database, [...new Set(left.map(({ run_id }) => run_id))])
    for (const item of left) if (!leased.has(item.run_id)) await interrupt(item)
  }

  /** A reply may be a run's: the run is written first, so it never has less text, and its message follows it. */
  async function interrupt({
    user_id,
    run_id,
    conversation_id,
    message_id,
  }: AbandonedReply): Promise<void> {
    await unlessGone(runs.finish(user_id, run_id, interrupted, CAUSE))
    if (!conversation_id || !message_id) return
    const message = { user_id, conversation_id, message_id, run_id }
    const run = await unlessGone(runs.get(user_id, run_id))
    if (run?.output)
      await unlessGone(replies.extend(message, { offset: 0, text: run.output }, CAUSE))
    await unlessGone(replies.finish(message, endingOf(run) ?? interrupted, CAUSE))
  }

  return {
    async stop() {
      await Promise.all(stops.map((stop) => stop()))
    },
  }
}

function endingOf(run: Run | undefined) {
  if (!run || run.status === 'queued' || run.status === 'running') return undefined
  return { status: run.status, metadata: run.metadata }
}

/** What was purged, deleted or refused needs no end; what may work later is thrown. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Fault && !errors[error.code].retryable) return undefined
    throw error
  }
}
