// The replies and runs that this node produces now. The invariant: each of them has a lease of this
// node, and it ends here exactly when the log says that it has ended or when the lease is lost.
import { Counter, Gauge, Histogram } from 'prom-client'
import type { WireChange } from '@lockstep/protocol/change'
import { isObject } from '@lockstep/protocol/free-form'
import type { Part } from '@lockstep/protocol/parts'
import { isServer } from '../log/entry.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { ReplySource } from './producer-options.ts'
import { Producer } from './producer.ts'
import type { LeaseTarget, ReplyLeases } from './reply-leases.ts'
import type { ReplySink } from './sinks.ts'
import type { ReplyTimings } from './timings.ts'

export type FollowedTopic = 'conversations' | 'agents'

/**
 * Makes this node hear of a user's changes in a topic even when none of the user's devices is
 * connected here. The returned function ends that.
 */
export type FollowTopic = (user_id: string, topic: FollowedTopic) => () => void

export interface ReplyJob extends LeaseTarget {
  /** The topics in which a change can end the reply. */
  topics: readonly FollowedTopic[]
  /** If left out, whoever starts the reply gives its producer the events and ends it. */
  source?: ReplySource
  sink: ReplySink
  /** What the log has of the reply already. */
  begun?: readonly Part[]
}

/** Names a running reply by its run or by the message that the run writes. */
export type ReplyRef = { user_id: string } & (
  { run_id: string } | { conversation_id: string; message_id: string }
)

export interface RunnerDeps {
  leases: ReplyLeases
  timings: ReplyTimings
  logger: Logger
  metrics: Metrics
  /** If left out, `onChange` must be called for the changes of every user. */
  follow?: FollowTopic
}

export interface Runner {
  /** Produces the reply under a lease that has been taken for it. */
  start(job: ReplyJob, leaseId: string): RunningReply
  /** The producer of a reply; undefined if this node doesn't produce it. */
  find(reply: ReplyRef): Producer | undefined
  /**
   * Must be called with the changes of a user, from any node: one may end a reply or ask for its
   * end.
   */
  onChange(user_id: string, change: WireChange): void
  /**
   * Ends every reply as `interrupted`. Resolves once their text is written, or after `deadlineMs`.
   */
  stop(deadlineMs: number): Promise<void>
}

export interface RunningReply {
  job: ReplyJob
  readonly producer: Producer
  /** Resolves when the reply has ended and its lease is dropped or released. */
  done: Promise<void>
}

export function startRunner(deps: RunnerDeps): Runner {
  const { leases, timings, logger, follow = () => () => undefined } = deps
  const metrics = createReplyMetrics(deps.metrics)
  const byUser = new Map<string, Set<RunningReply>>()
  const silenceCheck = setInterval(endSilentlyEnded, timings.silenceCheckMs)

  const allRunning = () => [...byUser.values()].flatMap((replies) => [...replies])

  async function runToEnd(running: RunningReply, leaseId: string): Promise<void> {
    const { job, producer } = running
    const unfollow = job.topics.map((topic) => follow(job.user_id, topic))
    const status = await producer.run()
    for (const end of unfollow) end()
    const ofUser = byUser.get(job.user_id)
    ofUser?.delete(running)
    if (ofUser?.size === 0) byUser.delete(job.user_id)
    metrics.running.dec()
    metrics.ended.inc({ status: status ?? 'abandoned' })
    if (producer.firstTextMs !== undefined) metrics.firstText.observe(producer.firstTextMs / 1000)
    if (status) await leases.drop(leaseId)
    else leases.release(leaseId)
  }

  /**
   * A producer that writes learns from the refusal that its reply has ended. One that has nothing
   * to write can only learn it from the feed, which may miss a change, so this asks the database.
   */
  function endSilentlyEnded(): void {
    for (const { job, producer } of allRunning()) {
      if (performance.now() - producer.lastWriteAt < timings.silenceCheckMs) continue
      job.sink.isOpen().then(
        (isOpen) => isOpen || producer.end({ status: 'stopped', alreadyEnded: true }),
        (error: unknown) =>
          logger.debug({ err: error }, 'could not check whether a silent reply is still open'),
      )
    }
  }

  return {
    start(job, leaseId) {
      const producer = new Producer(job.source, job.sink, {
        timings,
        logger: logger.child({ run_id: job.run_id }),
        begun: job.begun,
      })
      const running: RunningReply = { job, producer, done: Promise.resolve() }
      const ofUser = byUser.get(job.user_id) ?? new Set()
      byUser.set(job.user_id, ofUser.add(running))
      leases.keep(leaseId, () => producer.loseLease())
      metrics.running.inc()
      running.done = runToEnd(running, leaseId)
      return running
    },

    find(reply) {
      for (const { job, producer } of byUser.get(reply.user_id) ?? [])
        if (
          'run_id' in reply
            ? job.run_id === reply.run_id
            : job.message_id === reply.message_id && job.conversation_id === reply.conversation_id
        )
          return producer
      return undefined
    },

    onChange(user_id, change) {
      for (const { job, producer } of byUser.get(user_id) ?? []) {
        const { actor: by } = change
        if (endedBy(change, job)) producer.end({ status: 'stopped', alreadyEnded: true, by })
        else if (asksToEnd(change, job)) producer.end({ status: 'stopped', by })
      }
    },

    async stop(deadlineMs) {
      clearInterval(silenceCheck)
      const running = allRunning()
      for (const { producer } of running) producer.end({ status: 'interrupted', code: 'restarted' })
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadlineMs)))
      await Promise.race([Promise.all(running.map(({ done }) => done)), deadline])
      clearTimeout(timer)
      for (const { producer } of running) producer.loseLease()
    },
  }
}

function endedBy({ topic, op, entity_id, data }: WireChange, job: ReplyJob): boolean {
  if (op === 'closed') return true
  if (topic === 'agents') return (op === 'finished' || op === 'deleted') && entity_id === job.run_id
  if (topic !== 'conversations' || entity_id !== job.conversation_id) return false
  if (op === 'finished') return data?.run_id === job.run_id
  if (op === 'updated') return isResumed(data?.messages, job)
  return op === 'deleted' || op === 'purged'
}

/** Another run goes on with the message. */
function isResumed(messages: unknown, { message_id, run_id }: ReplyJob): boolean {
  if (!Array.isArray(messages)) return false
  return messages
    .filter(isObject)
    .some(
      ({ id, status, metadata }) =>
        id === message_id &&
        status === 'streaming' &&
        !(isObject(metadata) && metadata.run_id === run_id),
    )
}

/**
 * An empty `extended` of a user asks for the end. The producer's own `extended` changes have the
 * server as their actor.
 */
function asksToEnd(
  { topic, op, entity_id, actor, data }: WireChange,
  { run_id }: ReplyJob,
): boolean {
  if (op !== 'extended' || isServer(actor) || data?.text !== '') return false
  return topic === 'agents' ? entity_id === run_id : data.run_id === run_id
}

function createReplyMetrics(registry: Metrics) {
  const registers = [registry]
  return {
    running: new Gauge({
      name: 'lockstep_replies_running',
      help: 'Replies and runs that this node is producing',
      registers,
    }),
    ended: new Counter({
      name: 'lockstep_replies_total',
      help: 'Replies and runs that have ended, by status; abandoned: left for another node to end',
      labelNames: ['status'],
      registers,
    }),
    firstText: new Histogram({
      name: 'lockstep_reply_first_text_seconds',
      help: 'Time from the start of a reply to its first text',
      buckets: [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120],
      registers,
    }),
  }
}
