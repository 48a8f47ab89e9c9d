// Ends the replies and runs that dead nodes left running. Any node does it for all nodes. Doing it
// twice changes nothing: each ending has a derived mutation id, and only what still streams can
// end. If the producer was merely paused, the log refuses what it writes afterwards.
import type { Run } from '@lockstep/protocol/agents'
import { errors } from '@lockstep/protocol/error-codes'
import { Fault } from '@lockstep/protocol/errors'
import type { Runs } from '../commands/agents.ts'
import type { Replies } from '../commands/replies.ts'
import { repeatEvery } from '../concurrency/repeat.ts'
import type { Logger } from '../observability/logger.ts'
import { findUnfinishedRuns } from '../store/agent-runs.ts'
import type { Database } from '../store/database.ts'
import { findAllStreamingMessages } from '../store/messages.ts'
import { claimLease, dropLease, findExpiredLeases, findLeasedRuns } from '../store/leases.ts'
import { reasons } from './provider.ts'
import type { LeaseTarget } from './reply-leases.ts'
import type { ReplyTimings } from './timings.ts'

const BATCH = 100
/**
 * If reading the expired leases takes longer than this (ms), the database was away, and so the
 * owners couldn't renew their leases. The sweep is skipped to let them renew first.
 */
const SLOW_READ_MS = 1_000
/** Only a run of at least this age counts as left running without a lease (ms). */
const STRAY_AGE_MS = 60_000
/** Part of the mutation ids of what recovery appends. */
const CAUSE = 'recovery'
const interrupted = {
  status: 'interrupted',
  metadata: { reason: reasons.lost, reason_code: 'lost' },
} as const

export interface RecoveryDeps {
  database: Database
  replies: Replies
  runs: Runs
  /** The name of this process, under which it claims leases. */
  owner: string
  timings: Pick<ReplyTimings, 'leaseMs' | 'sweepMs' | 'straySweepMs'>
  logger: Logger
}

export interface Recovery {
  /** Waits for the sweep that is under way. */
  stop(): Promise<void>
}

export function startRecovery(deps: RecoveryDeps): Recovery {
  const { database, replies, runs, owner, timings, logger } = deps
  /** Starts at a random moment of the interval, so that nodes don't sweep at the same time. */
  const repeat = (intervalMs: number, sweep: () => Promise<void>) =>
    repeatEvery(intervalMs, sweep, {
      firstAfterMs: Math.random() * intervalMs,
      failed: (error) => logger.warn({ err: error }, 'could not end abandoned replies'),
    })
  const stops = [repeat(timings.sweepMs, sweep), repeat(timings.straySweepMs, sweepStrays)]

  async function sweep(): Promise<void> {
    const startedAt = performance.now()
    const expired = await findExpiredLeases(database, BATCH)
    if (performance.now() - startedAt > SLOW_READ_MS) return
    for (const lease of expired) {
      if (!(await claimLease(database, lease, owner, timings.leaseMs))) continue
      logger.warn({ run_id: lease.run_id }, 'ending a reply whose node is gone')
      await interrupt(lease)
      await dropLease(database, lease._id, owner)
    }
  }

  /**
   * Ends what streams although nobody holds a lease on it: a backup was restored, or a node died
   * between two steps.
   */
  async function sweepStrays(): Promise<void> {
    const streaming = await findAllStreamingMessages(database, BATCH)
    const running = await findUnfinishedRuns(database, new Date(Date.now() - STRAY_AGE_MS), BATCH)
    const candidates: LeaseTarget[] = [
      ...running.map(({ _id, ...run }) => ({ ...run, run_id: _id.slice(_id.indexOf(':') + 1) })),
      ...streaming.map(({ _id, user_id, conversation_id, metadata }) => {
        const message_id = _id.slice(_id.lastIndexOf(':') + 1)
        return { user_id, run_id: String(metadata.run_id), conversation_id, message_id }
      }),
    ]
    const runIds = new Set(candidates.map(({ run_id }) => run_id))
    const leased = await findLeasedRuns(database, [...runIds])
    for (const candidate of candidates)
      if (!leased.has(candidate.run_id)) await interrupt(candidate)
  }

  /**
   * Ends a run and the message that it writes. Producers write to the run first, so the run never
   * has less text than the message; the message is completed from it.
   */
  async function interrupt(target: LeaseTarget): Promise<void> {
    const { user_id, run_id, conversation_id, message_id } = target
    await unlessRefused(runs.finish(user_id, run_id, interrupted, CAUSE))
    if (!conversation_id || !message_id) return
    const message = { user_id, conversation_id, message_id, run_id }
    const run = await unlessRefused(runs.get(user_id, run_id))
    if (run?.output)
      await unlessRefused(replies.extend(message, { offset: 0, text: run.output }, CAUSE))
    await unlessRefused(replies.finish(message, endingOf(run) ?? interrupted, CAUSE))
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

/**
 * Resolves to undefined if the entity is gone or has ended. Rethrows errors that a later sweep may
 * not meet.
 */
async function unlessRefused<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Fault && !errors[error.code].retryable) return undefined
    throw error
  }
}
