// One range of buckets on one node of a cluster. The node tails the range for all nodes while it
// holds the lease. It tails the range for itself while it does not hear the holder, for example
// because it cannot reach Redis.
//
//                    acquires the lease
//      listening ─────────────────────────▶ holding
//      (no tail)  ◀─────────────────────── (tails for all nodes, sends beats)
//        │    ▲    loses or releases it         ▲
//        │    │                                 │ acquires the lease
//        │    └── hears the holder again ──┐    │
//        │                                 │    │
//        └── no beat for beatTimeoutMs, ──▶ isolated
//            or Redis is away              (tails for its own devices)
//
// Beats follow the changes on the same connection. A missing beat, a beat of a new holder, or a
// beat that reports losses means that changes may have been lost; the node then compares heads.
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { Logger } from '../observability/logger.ts'
import type { ClusterLink } from '../redis/cluster-link.ts'
import type { RedisLease } from '../redis/lease.ts'
import type { Publisher } from '../redis/publisher.ts'
import type { ResumeToken } from '../store/documents.ts'
import type { BucketRange, TailRole } from './tail-starter.ts'
import type { Tail } from './tail.ts'

export interface LeasedRangeTimings {
  /** Interval between two checks of the lease and of the tail. */
  checkMs: number
  /** Time to live of the lease. */
  ttlMs: number
  /** Interval between two beats of the holder. */
  beatMs: number
  /** After this time without a beat, the node tails for itself. Longer than a takeover takes. */
  beatTimeoutMs: number
  /**
   * A holder whose stream is not ready for this long releases the lease. It then leaves the lease
   * to other nodes for the same time.
   */
  unreadyMs: number
}
export const leasedRangeTimings: LeasedRangeTimings = {
  checkMs: 500,
  ttlMs: 4_000,
  beatMs: 1_000,
  beatTimeoutMs: 6_000,
  unreadyMs: 8_000,
}

/** A Redis that hangs must not delay the stop of this node (ms). */
const RELEASE_MS = 1_000

export interface LeasedRangeDeps {
  range: BucketRange
  link: Pick<ClusterLink, 'node' | 'isConnected' | 'aliveNodes' | 'broadcast'> & {
    publisher: Pick<Publisher, 'lostCount' | 'flush'>
  }
  lease: RedisLease
  /** True if the node's fair share of leases allows it to acquire or keep this one. */
  mayHold(): boolean
  startTail(token: ResumeToken | undefined, role: TailRole): Tail
  readToken(): Promise<ResumeToken | undefined>
  /** The highest generation known to the database. */
  keptGeneration(): Promise<number>
  compareHeads(): Promise<void>
  logger: Logger
  timings: LeasedRangeTimings
}

/** What the holder of a lease tells all nodes at each `beatMs`. */
export const HolderBeat = z.object({
  range: z.string(),
  node: z.string(),
  generation: z.int(),
  /**
   * Grows when changes may have been lost: the stream started from now, or a message was not sent
   * or not taken by Redis.
   */
  losses: z.int(),
  /** Counts the beats of this node. */
  n: z.int(),
})
export type HolderBeat = z.infer<typeof HolderBeat>

export class LeasedRange {
  readonly #deps: LeasedRangeDeps
  #tail: Tail | undefined
  #lastBeat: HolderBeat | undefined
  #heardAt = performance.now()
  #sentBeats = 0
  #sentBeatAt = 0
  #readyAt = performance.now()
  #standBackUntil = 0
  /** True between the acquisition of the lease and the next check of the tail. */
  #justAcquired = false
  /**
   * How many changes this node has delivered to its own devices only. Beats report them as losses:
   * if this node lost the lease and regained it without a new generation, the other nodes lack
   * these changes.
   */
  #unpublished = 0

  constructor(deps: LeasedRangeDeps) {
    this.#deps = deps
  }

  /** The generation under which this node holds the lease, or undefined. */
  heldGeneration(): number | undefined {
    return this.#deps.lease.heldGeneration()
  }

  hasTail(): boolean {
    return this.#tail !== undefined
  }

  /** True if changes of the range reach this node, through its own tail or from the holder. */
  isHealthy(): boolean {
    return this.#tail?.isReady() ?? (this.#lastBeat !== undefined && this.#hearsHolder())
  }

  /** Takes a beat, which may be this node's own. */
  receiveBeat(beat: HolderBeat): void {
    if (beat.node === this.#deps.link.node) return
    const last = this.#lastBeat
    this.#lastBeat = beat
    this.#heardAt = performance.now()
    const nothingLost =
      last?.node === beat.node &&
      last.generation === beat.generation &&
      last.losses === beat.losses &&
      last.n + 1 === beat.n
    if (!nothingLost) void this.#deps.compareHeads()
  }

  /**
   * Acquires, renews or releases the lease. It waits for Redis. Must not run twice at the same
   * time. Rejects if Redis or the database is away.
   */
  async maintainLease(): Promise<void> {
    const { lease, link, mayHold, timings, logger } = this.#deps
    const now = performance.now()
    if (this.#tail?.isReady() ?? true) this.#readyAt = now
    if (lease.heldGeneration() !== undefined) {
      const isUseless = now - this.#readyAt > timings.unreadyMs && link.aliveNodes().size > 1
      if (!isUseless && mayHold()) return void (await lease.renew())
      if (isUseless) this.#standBackUntil = now + timings.unreadyMs
      logger.info({ useless: isUseless }, 'releasing the lease')
      return lease.release()
    }
    if (!link.isConnected() || now < this.#standBackUntil || !mayHold()) return
    const generation = await lease.acquire(() => this.#deps.keptGeneration())
    if (generation === undefined) return
    this.#readyAt = performance.now()
    this.#justAcquired = true
    logger.info({ generation }, 'acquired the lease')
  }

  /**
   * Starts or stops the tail as the state demands, and sends a beat when one is due. It does not
   * wait for Redis. Must not run twice at the same time. Rejects if the database is away.
   */
  async maintainTail(): Promise<void> {
    if (this.#justAcquired) {
      // The new holder replays from the token of the previous one for the nodes that relied on it.
      // Like them, it compares heads, because the previous holder may have lost changes.
      await this.#stopTail()
      void this.#deps.compareHeads()
    }
    this.#justAcquired = false
    if (this.heldGeneration() !== undefined || !this.#hearsHolder()) await this.#startTail()
    else if (this.#tail) {
      await this.#deps.compareHeads()
      await this.#stopTail()
    }
    this.#sendBeatIfDue()
  }

  async stop(): Promise<void> {
    await this.#stopTail()
    await Promise.race([this.#deps.lease.release(), sleep(RELEASE_MS, undefined, { ref: false })])
  }

  #hearsHolder(): boolean {
    const { link, timings } = this.#deps
    return link.isConnected() && performance.now() - this.#heardAt < timings.beatTimeoutMs
  }

  async #startTail(): Promise<void> {
    if (this.#tail) return
    const { link, readToken, startTail } = this.#deps
    // An isolated node starts from now and compares heads: the saved token is the holder's.
    const token = this.heldGeneration() === undefined ? undefined : await readToken()
    this.#tail = startTail(token, {
      deliversToAllNodes: () => {
        const isHolder = this.heldGeneration() !== undefined
        if (!isHolder) this.#unpublished++
        return isHolder
      },
      generation: () => this.heldGeneration(),
      flushPublished: () => link.publisher.flush(),
    })
  }

  async #stopTail(): Promise<void> {
    const tail = this.#tail
    this.#tail = undefined
    await tail?.stop()
  }

  #sendBeatIfDue(): void {
    const { link, range, timings } = this.#deps
    const generation = this.heldGeneration()
    if (generation === undefined || !this.#tail?.isReady()) return
    const now = performance.now()
    // The checks are not exactly `checkMs` apart, so a beat may go out half a check early.
    if (now - this.#sentBeatAt < timings.beatMs - timings.checkMs / 2) return
    this.#sentBeatAt = now
    const losses = this.#tail.restarts() + link.publisher.lostCount() + this.#unpublished
    const n = ++this.#sentBeats
    const beat: HolderBeat = { range: range.name, node: link.node, generation, losses, n }
    link.broadcast('feed', beat)
  }
}
