// The lifetime of one signed-in run of the engine. Whatever waits, waits on its scope, so that ending it leaves no timer, no request
// and no late answer behind.
import { Fault } from '@lockstep/protocol/errors'
import type { Clock } from './platform.ts'

const FIRST_DELAY = 1_000
const LONGEST_DELAY = 10_000

export class Lifetime {
  readonly #abort = new AbortController()
  readonly #clock: Clock
  readonly #random: () => number
  readonly #timers = new Set<() => void>()
  /** Milliseconds since the epoch: for what is shown and stored. Waits go by `elapsed`. */
  readonly now: () => number

  constructor(clock: Clock, random: () => number, now: () => number) {
    this.#clock = clock
    this.#random = random
    this.now = now
  }

  /** See Clock. */
  elapsed(): number {
    return this.#clock.elapsed()
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get ended(): boolean {
    return this.#abort.signal.aborted
  }

  /** Runs `callback` in `ms` milliseconds unless it is cancelled or the scope ends. Returns the canceller. */
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

  /** Resolves in `ms` milliseconds, or when the scope ends: look at `ended` behind it. */
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

  /** The same promise, but it rejects with Fault `unavailable` when the scope ends first. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Fault('unavailable', { detail: 'The engine was stopped' }))
      if (this.ended) return ended()
      this.signal.addEventListener('abort', ended, { once: true })
      promise.then(resolve, reject).finally(() => this.signal.removeEventListener('abort', ended))
    })
  }

  /** Full jitter: a delay in milliseconds before attempt 0, 1, 2, …, at least `floor`; thousands of devices must not return at once. */
  delay(attempt: number, floor = 0): number {
    return floor + this.spread(Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 10)))
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
