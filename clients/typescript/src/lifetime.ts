// The time from one start of the engine to its stop or sign-out. Everything that waits does so
// through its lifetime: when that ends, no timer, request or late response is left.
import { Fault } from '@lockstep/protocol/errors'
import type { Clock } from './platform.ts'

const FIRST_DELAY = 1_000
const MAX_DELAY = 10_000

export class Lifetime {
  readonly #abort = new AbortController()
  readonly #clock: Clock
  readonly #random: () => number
  readonly #timers = new Set<() => void>()
  /** Milliseconds since the Unix epoch, for times that are shown or stored. Waits use `elapsed`. */
  readonly now: () => number

  constructor(clock: Clock, random: () => number, now: () => number) {
    this.#clock = clock
    this.#random = random
    this.now = now
  }

  /** See `Clock`. */
  elapsed(): number {
    return this.#clock.elapsed()
  }

  /** Aborts when the lifetime ends. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get ended(): boolean {
    return this.#abort.signal.aborted
  }

  /**
   * Calls `callback` in `ms` milliseconds, unless it is cancelled or the lifetime ends before.
   * Returns the function that cancels it.
   */
  after(ms: number, callback: () => void): () => void {
    if (this.ended) return () => {}
    const cancel = () => {
      this.#clock.clearTimeout(timer)
      this.#timers.delete(cancel)
    }
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(cancel)
      callback()
    }, ms)
    this.#timers.add(cancel)
    return cancel
  }

  /** Resolves in `ms` milliseconds, or when the lifetime ends: check `ended` afterwards. */
  sleep(ms: number): Promise<void> {
    if (this.ended) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        this.signal.removeEventListener('abort', done)
        resolve()
      }
      this.after(ms, done)
      this.signal.addEventListener('abort', done, { once: true })
    })
  }

  /** Settles like `promise`, but rejects with Fault `unavailable` if the lifetime ends first. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Fault('unavailable', { detail: 'The engine was stopped' }))
      if (this.ended) return ended()
      this.signal.addEventListener('abort', ended, { once: true })
      promise.then(resolve, reject).finally(() => this.signal.removeEventListener('abort', ended))
    })
  }

  /**
   * The delay in milliseconds before attempt 0, 1, 2, …, at least `floor`. It is random from zero
   * up (full jitter), because thousands of devices must not return at once.
   */
  delay(attempt: number, floor = 0): number {
    return floor + this.spread(Math.min(MAX_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 10)))
  }

  /** A random share of `ms`. */
  spread(ms: number): number {
    return Math.floor(this.#random() * ms)
  }

  end(): void {
    this.#abort.abort()
    for (const cancel of [...this.#timers]) cancel()
  }
}
