// How long a provider may take: to its first piece, between two pieces, altogether. One timer, however many pieces come.
import type { ReasonCode } from './provider.ts'
import type { ReplyTimings } from './timings.ts'

export class ProviderDeadlines {
  readonly #limits: Pick<ReplyTimings, 'firstEventMs' | 'idleMs' | 'totalMs'>
  readonly #tired: (code: ReasonCode) => void
  readonly #began = performance.now()
  #last: number | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param tired called at most once, when a limit has passed */
  constructor(
    limits: Pick<ReplyTimings, 'firstEventMs' | 'idleMs' | 'totalMs'>,
    tired: (code: ReasonCode) => void,
  ) {
    this.#limits = limits
    this.#tired = tired
    this.#wait()
  }

  /** A piece has come. */
  noteEvent(): void {
    this.#last = performance.now()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #wait(): void {
    const { firstEventMs, idleMs, totalMs } = this.#limits
    const silent = this.#last === undefined ? this.#began + firstEventMs : this.#last + idleMs
    const end = this.#began + totalMs
    const now = performance.now()
    if (now >= end) this.#tired('too_slow')
    else if (now >= silent) this.#tired(this.#last === undefined ? 'no_answer' : 'stalled')
    else {
      // a first piece may shorten the wait, so it is looked at again after the shorter of the two
      const next = Math.min(silent, end, now + idleMs)
      this.#timer = setTimeout(() => this.#wait(), Math.max(1, next - now))
    }
  }
}
