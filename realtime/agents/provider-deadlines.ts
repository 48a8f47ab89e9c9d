// Limits how long a provider may take: to its first event, between two events, and altogether.
// There is one timer, however many events arrive.
import type { ReasonCode } from './provider.ts'
import type { ReplyTimings } from './timings.ts'

type Limits = Pick<ReplyTimings, 'firstEventMs' | 'idleMs' | 'totalMs'>

export class ProviderDeadlines {
  readonly #limits: Limits
  readonly #onMissed: (code: ReasonCode) => void
  readonly #startedAt = performance.now()
  #lastEventAt: number | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param onMissed called at most once, when a limit has passed */
  constructor(limits: Limits, onMissed: (code: ReasonCode) => void) {
    this.#limits = limits
    this.#onMissed = onMissed
    this.#check()
  }

  /** Must be called for each event of the provider. */
  noteEvent(): void {
    this.#lastEventAt = performance.now()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #check(): void {
    const { firstEventMs, idleMs, totalMs } = this.#limits
    const nextEventDue =
      this.#lastEventAt === undefined ? this.#startedAt + firstEventMs : this.#lastEventAt + idleMs
    const endDue = this.#startedAt + totalMs
    const now = performance.now()
    if (now >= endDue) this.#onMissed('too_slow')
    else if (now >= nextEventDue)
      this.#onMissed(this.#lastEventAt === undefined ? 'no_answer' : 'stalled')
    else {
      // The first event replaces the limit of firstEventMs by the shorter idleMs. The timer isn't
      // reset then, so no check is further away than idleMs.
      const nextCheck = Math.min(nextEventDue, endDue, now + idleMs)
      this.#timer = setTimeout(() => this.#check(), Math.max(1, nextCheck - now))
    }
  }
}
