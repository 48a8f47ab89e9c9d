// Limits how often something may happen on this node. It is for events that are cheaper than a
// count that all nodes share.

/**
 * Tokens return at `rate` per second, up to `burst`. An event takes one token, or as many as it
 * costs. If there is at least one token, an event may take more than there are; the next event then
 * waits until the debt is paid.
 */
export interface TokenRate {
  rate: number
  burst: number
}

export class TokenBucket {
  readonly #rate: TokenRate
  #tokens: number
  #filledAt = performance.now()

  constructor(rate: TokenRate) {
    this.#rate = rate
    this.#tokens = rate.burst
  }

  /** Takes tokens and returns 0, or returns the time until there is one (ms). */
  take(cost = 1): number {
    this.#refill()
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) / this.#rate.rate) * 1000)
    this.#tokens -= cost
    return 0
  }

  /** Takes tokens, however few there are. */
  spend(cost: number): void {
    this.#refill()
    this.#tokens -= cost
  }

  /** How many tokens have been taken that weren't there. */
  debt(): number {
    this.#refill()
    return Math.max(0, -this.#tokens)
  }

  /** Whether the bucket is in the state of a new one. */
  isFull(): boolean {
    this.#refill()
    return this.#tokens >= this.#rate.burst
  }

  #refill(): void {
    const now = performance.now()
    const returned = ((now - this.#filledAt) / 1000) * this.#rate.rate
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + returned)
    this.#filledAt = now
  }
}

const MIN_SWEEP_SIZE = 1_000

/** A token bucket per key. Full buckets are forgotten from time to time. */
export class KeyedTokenBuckets {
  readonly #rate: TokenRate
  readonly #buckets = new Map<string, TokenBucket>()
  #sweepSize = MIN_SWEEP_SIZE

  constructor(rate: TokenRate) {
    this.#rate = rate
  }

  /** Takes tokens of this key and returns 0, or returns the time until there is one (ms). */
  take(key: string, cost = 1): number {
    return this.#of(key).take(cost)
  }

  /** Takes tokens of this key, however few there are. */
  spend(key: string, cost: number): void {
    this.#of(key).spend(cost)
  }

  debtOf(key: string): number {
    return this.#of(key).debt()
  }

  #of(key: string): TokenBucket {
    let bucket = this.#buckets.get(key)
    if (!bucket) this.#buckets.set(key, (bucket = new TokenBucket(this.#rate)))
    if (this.#buckets.size > this.#sweepSize) this.#sweep()
    return bucket
  }

  #sweep(): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull()) this.#buckets.delete(key)
    this.#sweepSize = Math.max(MIN_SWEEP_SIZE, this.#buckets.size * 2)
  }
}
