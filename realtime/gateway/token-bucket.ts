/** Tokens that come back at `rate` a second up to `burst`; each event takes one. */
export interface Rate {
  rate: number
  burst: number
}

export class TokenBucket {
  readonly #rate: Rate
  #tokens: number
  #at = performance.now()

  constructor(rate: Rate) {
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
  full(): boolean {
    this.#refill()
    return this.#tokens >= this.#rate.burst
  }

  #refill(): void {
    const now = performance.now()
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate.rate)
    this.#at = now
  }
}
