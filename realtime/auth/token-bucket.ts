// How often something may happen: counted in this node alone, where a count shared over nodes would cost more than what it limits.

/** Tokens that come back at `rate` a second up to `burst`; each event takes one. */
export interface TokenRate {
  rate: number
  burst: number
}

export class TokenBucket {
  readonly #rate: TokenRate
  #tokens: number
  #at = performance.now()

  constructor(rate: TokenRate) {
    this.#rate = rate
    this.#tokens = rate.burst
  }

  /** Milliseconds to wait; 0: taken. */
  take(): number {
    this.#refill()
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) / this.#rate.rate) * 1000)
    this.#tokens--
    return 0
  }

  /** Nothing was taken for so long that forgetting the bucket changes nothing. */
  isFull(): boolean {
    this.#refill()
    return this.#tokens >= this.#rate.burst
  }

  #refill(): void {
    const now = performance.now()
    this.#tokens = Math.min(
      this.#rate.burst,
      this.#tokens + ((now - this.#at) / 1000) * this.#rate.rate,
    )
    this.#at = now
  }
}

/** A bucket per key; those that are full again are forgotten now and then. */
export class KeyedTokenBuckets {
  readonly #rate: TokenRate
  readonly #buckets = new Map<string, TokenBucket>()
  #sweepAt = 1_000

  constructor(rate: TokenRate) {
    this.#rate = rate
  }

  /** Milliseconds to wait; 0: taken. */
  take(key: string): number {
    let bucket = this.#buckets.get(key)
    if (!bucket) this.#buckets.set(key, (bucket = new TokenBucket(this.#rate)))
    if (this.#buckets.size > this.#sweepAt) this.#sweep()
    return bucket.take()
  }

  #sweep(): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull()) this.#buckets.delete(key)
    this.#sweepAt = Math.max(1_000, this.#buckets.size * 2)
  }
}
