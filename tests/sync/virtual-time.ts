// Time that only passes when a test lets it. So seconds of backoff take no real time, and every run
// is the same.
import type { Clock } from '@lockstep/client'

interface Timer {
  at: number
  order: number
  callback: () => void
}

export class VirtualTime implements Clock {
  #now = Date.UTC(2030, 0, 1)
  #order = 0
  readonly #timers = new Set<Timer>()

  readonly now = (): number => this.#now
  readonly elapsed = this.now

  setTimeout(callback: () => void, ms: number): Timer {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, callback }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as Timer)
  }

  /** Lets `ms` milliseconds pass. */
  async pass(ms: number): Promise<void> {
    await this.#until(() => false, this.#now + ms)
  }

  /** Lets time pass until the condition holds. Fails after `limit` virtual milliseconds. */
  async until(condition: () => boolean, limit = 120_000): Promise<void> {
    if (!(await this.#until(condition, this.#now + limit)))
      throw new Error(`did not come true within ${limit} ms: ${condition}`)
  }

  async #until(condition: () => boolean, end: number): Promise<boolean> {
    for (;;) {
      // Everything that needs no time has happened now
      await new Promise((resolve) => setImmediate(resolve))
      if (condition()) return true
      let next: Timer | undefined
      for (const timer of this.#timers)
        if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
          next = timer
      if (!next || next.at > end) {
        this.#now = end
        return condition()
      }
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
    }
  }
}
