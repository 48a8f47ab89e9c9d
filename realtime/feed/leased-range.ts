// One range of buckets on one node of many: is it this node's to tail? It is when it holds the lease, and also when it doesn't hear the
// holder's beats: a node that can't see Redis tails for itself. Beats follow the changes on the same connection; one that is missing, of
// a new holder or of a stream that started anew, means that changes may have got lost.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'
import type { Lease } from '../redis/lease.ts'
import type { Link } from '../redis/link.ts'
import type { Token } from '../store/feed.ts'
import type { TailRole, Range } from './tails.ts'
import type { Tail } from './tail.ts'

/** Milliseconds. */
export interface LeasedRangeTimings {
  tick: number
  ttl: number
  beat: number
  /** Without a beat for so long the node tails for itself; longer than a takeover takes. */
  deaf: number
  /** A holder whose stream isn't ready for so long gives up, and leaves the lease to others for as long. */
  unready: number
}
export const leasedRangeTimings: LeasedRangeTimings = {
  tick: 500,
  ttl: 4_000,
  beat: 1_000,
  deaf: 6_000,
  unready: 8_000,
}

/** A Redis that hangs must not hold up the end of this node (ms). */
const RELEASE_MS = 1_000

export interface LeasedRangeDeps {
  range: Range
  link: Link
  lease: Lease
  /** May this node take the lease, or keep it, by its fair share? */
  mayHold(): boolean
  start(token: Token | undefined, mandate: TailRole): Tail
  readToken(): Promise<Token | undefined>
  keptGeneration(): Promise<number>
  compareHeads(): Promise<void>
  logger: Logger
  timings: LeasedRangeTimings
}

export interface HolderBeat {
  range: string
  node: string
  generation: number
  /** Moves when something may have got lost: a stream that started from now, a message that wasn't sent or that Redis didn't take. */
  losses: number
  n: number
}

export class LeasedRange {
  readonly #ports: LeasedRangeDeps
  #tail: Tail | undefined
  #heardAt = performance.now()
  #last: HolderBeat | undefined
  #beats = 0
  #beatAt = 0
  #readyAt = performance.now()
  #renounceUntil = 0
  #acquired = false
  /** Changes that were for this node's devices only. Should that have been a lapse within one generation, the others must hear of it. */
  #unpublished = 0

  constructor(ports: LeasedRangeDeps) {
    this.#ports = ports
  }

  held(): number | undefined {
    return this.#ports.lease.held()
  }

  tails(): boolean {
    return this.#tail !== undefined
  }

  /** Does this node hear of the range's changes, by itself or from the holder? */
  healthy(): boolean {
    return this.#tail?.ready() ?? (this.#last !== undefined && this.#hears())
  }

  /** A beat came, maybe the own one. */
  heard(beat: HolderBeat): void {
    if (beat.node === this.#ports.link.node) return
    const last = this.#last
    this.#last = beat
    this.#heardAt = performance.now()
    const follows =
      last?.node === beat.node &&
      last.generation === beat.generation &&
      last.losses === beat.losses &&
      last.n + 1 === beat.n
    if (!follows) void this.#ports.compareHeads()
  }

  /** Looks after the lease; waits for Redis. Never run twice at the same time; rejects when Redis or the database is away. */
  async maintainLease(): Promise<void> {
    const { lease, link, mayHold, timings, logger } = this.#ports
    const now = performance.now()
    if (this.#tail?.ready() ?? true) this.#readyAt = now
    if (lease.held() !== undefined) {
      const useless = now - this.#readyAt > timings.unready && link.nodes().size > 1
      if (!useless && mayHold()) return void (await lease.renew())
      if (useless) this.#renounceUntil = now + timings.unready
      logger.info({ useless }, 'the lease is given up')
      return lease.release()
    }
    if (!link.hears() || now < this.#renounceUntil || !mayHold()) return
    const generation = await lease.acquire(await this.#ports.keptGeneration())
    if (generation === undefined) return
    this.#readyAt = performance.now()
    this.#acquired = true
    logger.info({ generation }, 'the lease is held')
  }

  /** Looks after the tail; doesn't wait for Redis. Never run twice at the same time; rejects when the database is away. */
  async maintainTail(): Promise<void> {
    if (this.#acquired) {
      // a new holder replays from where the last one stood, for those who depended on that, and makes good its losses, as they do
      await this.#stopTail()
      void this.#ports.compareHeads()
    }
    this.#acquired = false
    if (this.held() !== undefined || !this.#hears()) await this.#startTail()
    else if (this.#tail) {
      await this.#ports.compareHeads()
      await this.#stopTail()
    }
    this.#beat()
  }

  async stop(): Promise<void> {
    await this.#stopTail()
    await Promise.race([this.#ports.lease.release(), sleep(RELEASE_MS, undefined, { ref: false })])
  }

  #hears(): boolean {
    return this.#ports.link.hears() && performance.now() - this.#heardAt < this.#ports.timings.deaf
  }

  async #startTail(): Promise<void> {
    if (this.#tail) return
    const { link, readToken, start } = this.#ports
    // alone it starts from now, and compares heads: the kept token is the holder's
    const token = this.held() === undefined ? undefined : await readToken()
    this.#tail = start(token, {
      everywhere: () => {
        const everywhere = this.held() !== undefined
        if (!everywhere) this.#unpublished++
        return everywhere
      },
      generation: () => this.held(),
      published: () => link.publishing.settled(),
    })
  }

  async #stopTail(): Promise<void> {
    const tail = this.#tail
    this.#tail = undefined
    await tail?.stop()
  }

  #beat(): void {
    const { link, range, timings } = this.#ports
    const generation = this.held()
    const now = performance.now()
    if (
      generation === undefined ||
      !this.#tail?.ready() ||
      now - this.#beatAt < timings.beat - timings.tick / 2
    )
      return
    this.#beatAt = now
    const losses = this.#tail.restarts() + link.publishing.lost() + this.#unpublished
    const beat: HolderBeat = {
      range: range.name,
      node: link.node,
      generation,
      losses,
      n: ++this.#beats,
    }
    link.tell('feed', beat)
  }
}
