// The Redis of a world: it can be killed, emptied, frozen and cut off, and be healed of all that.
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

  /** How nodes reach it. */
  get url(): string {
    return `redis://${this.#wire.address}`
  }

  /** kill -9; it stays away until it is healed. */
  async kill(): Promise<void> {
    this.#dead = true
    await this.#redis.kill()
  }

  /** Comes back at once, and knows nothing. */
  async restart(): Promise<void> {
    await this.#redis.restart()
  }

  /** Every connection to it breaks. */
  drop(): void {
    this.#wire.drop()
  }

  /** Answers nobody for at least `ms`, until it is healed. */
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
