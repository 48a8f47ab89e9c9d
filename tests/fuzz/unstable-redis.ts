// The Redis of a fuzz cluster. It can be killed, emptied, frozen and cut off, and be repaired.
import { setTimeout as pause } from 'node:timers/promises'
import { TestRedis } from '../harness/redis.ts'
import { Wire } from '../harness/wire.ts'

export class UnstableRedis implements AsyncDisposable {
  readonly #redis: TestRedis
  readonly #wire: Wire
  #thawAt: number | undefined
  #dead = false

  private constructor(redis: TestRedis, wire: Wire) {
    this.#redis = redis
    this.#wire = wire
  }

  static async start(): Promise<UnstableRedis> {
    const redis = await TestRedis.start()
    return new UnstableRedis(redis, await Wire.to({ port: redis.port }))
  }

  /** The address for the nodes. */
  get url(): string {
    return `redis://${this.#wire.address}`
  }

  /** Kills Redis, which stays away until `recover`. */
  async kill(): Promise<void> {
    this.#dead = true
    await this.#redis.kill()
  }

  /** Restarts Redis at once; it comes back empty. */
  async restart(): Promise<void> {
    await this.#redis.restart()
  }

  /** Drops every connection to it. */
  drop(): void {
    this.#wire.drop()
  }

  /** Redis does not respond for at least `ms`, until `recover`. */
  freeze(ms: number): void {
    this.#thawAt = performance.now() + ms
    this.#redis.freeze()
  }

  async recover(): Promise<void> {
    if (this.#thawAt !== undefined) {
      await pause(Math.max(0, this.#thawAt - performance.now()))
      this.#redis.thaw()
      this.#thawAt = undefined
    }
    if (this.#dead) await this.#redis.restart()
    this.#dead = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wire[Symbol.asyncDispose]()
    await this.#redis.kill()
  }
}
