// What this node produces now. The invariant: what is produced here has a lease of this node, and ends here exactly when the log says that
// it has ended, or when the lease is gone.
import { Counter, Gauge, Histogram } from 'prom-client'
import type { WireChange } from '@lockstep/protocol/change'
import type { ConversationChanges } from '@lockstep/protocol/conversations'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { LeaseTarget, ReplyLeases } from './reply-leases.ts'
import { Producer } from './producer.ts'
import type { ProviderEvent } from './provider.ts'
import type { ReplySink } from './sinks.ts'
import type { ReplyTimings } from './timings.ts'

export type FollowedTopic = 'conversations' | 'agents'

export interface ReplyJob extends LeaseTarget {
  /** Where others may end it. */
  topics: readonly FollowedTopic[]
  source: (signal: AbortSignal) => AsyncIterable<ProviderEvent>
  sink: ReplySink
}

/** A run, or the message that a run writes. */
export type ReplyRef = { user_id: string } & (
  { run_id: string } | { conversation_id: string; message_id: string }
)

interface RunningReply {
  job: ReplyJob
  producer: Producer
  done: Promise<void>
}

export interface RunnerDeps {
  timings: ReplyTimings
  logger: Logger
  metrics: Metrics
  /** Makes sure that `onChange` is told of a user's changes, until the answer is called. */
  follow?: (user_id: string, topic: FollowedTopic) => () => void
}

export class Runner {
  readonly #leases: ReplyLeases
  readonly #timings: ReplyTimings
  readonly #logger: Logger
  readonly #byUser = new Map<string, Set<RunningReply>>()
  readonly #metrics: ReturnType<typeof createReplyMetrics>
  readonly #looking: NodeJS.Timeout
  readonly #follow: (user_id: string, topic: FollowedTopic) => () => void

  constructor(
    leases: ReplyLeases,
    { timings, logger, metrics, follow = () => () => undefined }: RunnerDeps,
  ) {
    this.#leases = leases
    this.#timings = timings
    this.#logger = logger
    this.#metrics = createReplyMetrics(metrics)
    this.#follow = follow
    this.#looking = setInterval(() => this.#look(), timings.silenceCheckMs)
  }

  /** Produces under a lease that has been taken. */
  start(job: ReplyJob, lease: string): void {
    const logger = this.#logger.child({ run_id: job.run_id })
    const producer = new Producer(job.source, job.sink, { timings: this.#timings, logger })
    const running: RunningReply = { job, producer, done: Promise.resolve() }
    const others = this.#byUser.get(job.user_id) ?? new Set()
    this.#byUser.set(job.user_id, others.add(running))
    this.#leases.keep(lease, () => producer.loseLease())
    this.#metrics.running.inc()
    running.done = this.#see(running, lease)
  }

  async #see(running: RunningReply, lease: string): Promise<void> {
    const { job, producer } = running
    const unfollow = job.topics.map((topic) => this.#follow(job.user_id, topic))
    const status = await producer.run()
    for (const stop of unfollow) stop()
    const others = this.#byUser.get(job.user_id)
    others?.delete(running)
    if (others?.size === 0) this.#byUser.delete(job.user_id)
    this.#metrics.running.dec()
    this.#metrics.ended.inc({ status: status ?? 'abandoned' })
    if (producer.firstTextMs !== undefined)
      this.#metrics.firstText.observe(producer.firstTextMs / 1000)
    if (status) await this.#leases.drop(lease)
    else this.#leases.release(lease)
  }

  /** The producer of a message or a run, if it is this node's. */
  find(what: ReplyRef): Producer | undefined {
    for (const { job, producer } of this.#byUser.get(what.user_id) ?? [])
      if (
        'run_id' in what
          ? job.run_id === what.run_id
          : job.message_id === what.message_id && job.conversation_id === what.conversation_id
      )
        return producer
    return undefined
  }

  /** A change of this user has been made somewhere: what it ends, or asks to end, is not produced any further. */
  onChange(user_id: string, change: WireChange): void {
    for (const { job, producer } of this.#byUser.get(user_id) ?? []) {
      if (endedBy(change, job)) producer.end({ status: 'stopped', alreadyEnded: true })
      else if (asksToEnd(change, job)) producer.end({ status: 'stopped' })
    }
  }

  /** Ends everything as interrupted, with its text. Resolves when it is written, or after `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    clearInterval(this.#looking)
    const all = [...this.#byUser.values()].flatMap((running) => [...running])
    for (const { producer } of all) producer.end({ status: 'interrupted', code: 'restarted' })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadlineMs)))
    await Promise.race([Promise.all(all.map(({ done }) => done)), late])
    clearTimeout(timer)
    for (const { producer } of all) producer.loseLease()
  }

  /** The feed may have missed an ending, and who is silent isn't refused: those are asked for now and then. */
  #look(): void {
    for (const running of [...this.#byUser.values()].flatMap((all) => [...all])) {
      const { job, producer } = running
      if (performance.now() - producer.lastWriteAt < this.#timings.silenceCheckMs) continue
      job.sink.isOpen().then(
        (open) => open || producer.end({ status: 'stopped', alreadyEnded: true }),
        (error: unknown) => this.#logger.debug({ err: error }, 'could not look at a silent reply'),
      )
    }
  }
}

function endedBy({ topic, op, entity_id, data }: WireChange, job: ReplyJob): boolean {
  if (op === 'closed') return true
  if (topic === 'agents') return (op === 'finished' || op === 'deleted') && entity_id === job.run_id
  if (topic !== 'conversations' || entity_id !== job.conversation_id) return false
  if (op === 'finished')
    return (data as ConversationChanges['finished'] | undefined)?.run_id === job.run_id
  return op === 'deleted' || op === 'purged'
}

/** The producer's own pieces are the server's, a user's holds no text. */
function asksToEnd(
  { topic, op, entity_id, actor, data }: WireChange,
  { run_id }: ReplyJob,
): boolean {
  if (op !== 'extended' || actor.session_id === null || data?.text !== '') return false
  return topic === 'agents' ? entity_id === run_id : data.run_id === run_id
}

function createReplyMetrics(registry: Metrics) {
  const registers = [registry]
  return {
    running: new Gauge({
      name: 'lockstep_replies_running',
      help: 'Replies and runs produced by this node',
      registers,
    }),
    ended: new Counter({
      name: 'lockstep_replies_total',
      help: 'Replies and runs that have ended, by how; abandoned: left to another node',
      labelNames: ['status'],
      registers,
    }),
    firstText: new Histogram({
      name: 'lockstep_reply_first_text_seconds',
      help: 'From the start of a reply to its first text',
      buckets: [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120],
      registers,
    }),
  }
}
