// Follows one topic's log: it passes on each change once, in the order of `seq`, without a gap. It
// knows nothing of what the changes mean.
//
//   load over HTTP --> holds everything up to its cursor
//     change with seq = cursor + 1 .......... passes it on
//     change further ahead, or a head ....... keeps it and requests the range in between
//     change not ahead ...................... ignores it
//     other epoch, reset, fruitless ranges .. loads again
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import * as limits from '@lockstep/protocol/limit-values'
import type { Head, RangeAnswer, RangeRequest, Sync } from '@lockstep/protocol/sync'
import type { Lifetime } from './lifetime.ts'

/** Changes that are kept while they can't be passed on. Further ones are requested later. */
const MAX_KEPT = 2_000
/**
 * After this many ranges in a row without the changes that should be in them, the follower loads
 * the state instead.
 */
const MAX_FRUITLESS = 4

export interface LogFollowerDeps {
  /** Replaces the state with the server's and resolves with its cursor. Throws Fault. */
  load(): Promise<Cursor>
  /** Takes the next changes of the log. */
  apply(changes: readonly WireChange[]): void
  /** Rejects if no answer comes. */
  range(request: RangeRequest): Promise<RangeAnswer>
  /** Whether a range can be requested now. */
  connected(): boolean
  /** The state was loaded. `before`: the cursor until then. */
  loaded(before: Cursor | undefined): void
  /** The load has failed. False: loading again won't help, because the engine is stopping. */
  failed(error: unknown): boolean
}

export class LogFollower {
  readonly #deps: LogFollowerDeps
  readonly #lifetime: Lifetime
  readonly #kept = new Map<number, WireChange>()
  #cursor: Cursor | undefined
  #isLoading = false
  #isCatchingUp = false
  /** Counts the loads. An answer to a request from before a load is worthless. */
  #loads = 0
  /** The server has announced that it will send everything up to this `seq`. */
  #announced = -1
  /** The highest `seq` that is known to exist. */
  #head = 0
  /** The epoch that the socket has named last. */
  #heardEpoch: string | undefined

  constructor(deps: LogFollowerDeps, lifetime: Lifetime) {
    this.#deps = deps
    this.#lifetime = lifetime
  }

  /** Every change up to here was passed on. */
  get cursor(): Cursor | undefined {
    return this.#cursor
  }

  /**
   * Where a new connection starts. Undefined during a load, which is about to replace the state.
   */
  get since(): Cursor | undefined {
    return this.#isLoading ? undefined : this.#cursor
  }

  /** Nothing is known to be missing. */
  get settled(): boolean {
    return (
      this.#cursor !== undefined &&
      !this.#isLoading &&
      !this.#isCatchingUp &&
      this.#announced < this.#cursor.seq &&
      this.#head <= this.#cursor.seq
    )
  }

  /** Loads over HTTP, as often as it takes. Changes that arrive meanwhile are kept until then. */
  async reload(): Promise<void> {
    if (this.#isLoading) return
    this.#isLoading = true
    this.#announced = -1
    this.#head = 0
    for (let attempt = 0; !this.#lifetime.ended; attempt++) {
      try {
        this.#heardEpoch = undefined
        const before = this.#cursor
        const loaded = await this.#deps.load()
        if (this.#lifetime.ended) return
        this.#cursor = loaded
        this.#loads++
        // Since the response was made, the socket may have reported that the log was restarted.
        const isOutdated = this.#heardEpoch !== undefined && this.#heardEpoch !== loaded.epoch
        if (!isOutdated) {
          this.#isLoading = false
          this.#deps.loaded(before)
          this.#passOn()
          return void this.#catchUp()
        }
      } catch (error) {
        if (!this.#deps.failed(error)) return
      }
      await this.#lifetime.sleep(this.#lifetime.delay(attempt))
    }
  }

  onSync({ epoch, to, changes, more, reset }: Sync): void {
    if (!this.#isSameLog(epoch)) return
    if (reset && !this.#isLoading) return void this.reload()
    if (more) this.#announced = Math.max(this.#announced, to)
    this.#accept(changes, to)
  }

  onChange(change: WireChange): void {
    // Like a `head`, a change is only sent after the last part of a `sync`.
    this.#announced = -1
    if (this.#isSameLog(change.epoch)) this.#accept([change], change.seq)
    else this.#keep(change)
  }

  onHead({ epoch, seq }: Head): void {
    this.#announced = -1
    if (this.#isSameLog(epoch)) this.#accept([], seq)
  }

  /** The change with this `seq` exists: requests it if it isn't here. */
  expect(seq: number): void {
    this.#accept([], seq)
  }

  /** Asks the server whether there are newer changes. */
  async check(): Promise<void> {
    if (!this.#cursor || this.#isLoading || !this.#deps.connected()) return
    const next = this.#cursor.seq + 1
    await this.#requestRange(next, next)
  }

  /** False if the log was restarted: what is held belongs to another log, and is loaded again. */
  #isSameLog(epoch: string): boolean {
    this.#heardEpoch = epoch
    if (this.#isLoading || !this.#cursor || this.#cursor.epoch === epoch) return true
    void this.reload()
    return false
  }

  #keep(change: WireChange): void {
    const isNew = this.#isLoading || change.seq > (this.#cursor?.seq ?? 0)
    if (isNew && this.#kept.size < MAX_KEPT) this.#kept.set(change.seq, change)
  }

  #accept(changes: readonly WireChange[], head: number): void {
    for (const change of changes) this.#keep(change)
    this.#head = Math.max(this.#head, head)
    this.#passOn()
    void this.#catchUp()
  }

  /** Passes on the kept changes that are next. */
  #passOn(): void {
    if (this.#isLoading || !this.#cursor) return
    const { epoch, seq } = this.#cursor
    const next: WireChange[] = []
    for (let at = seq + 1; ; at++) {
      const change = this.#kept.get(at)
      if (change?.epoch !== epoch) break
      next.push(change)
    }
    const last = seq + next.length
    for (const [at, change] of this.#kept)
      if (at <= last || change.epoch !== epoch) this.#kept.delete(at)
    if (next.length === 0) return
    this.#cursor = { epoch, seq: last }
    this.#deps.apply(next)
  }

  /** Requests ranges until nothing is missing up to the head. */
  async #catchUp(): Promise<void> {
    if (this.#isCatchingUp) return
    this.#isCatchingUp = true
    let fruitless = 0
    const isBehind = () => this.#cursor !== undefined && this.#head > this.#cursor.seq
    while (!this.#lifetime.ended && !this.#isLoading && this.#cursor && isBehind()) {
      // The next connection starts with everything after the cursor.
      if (!this.#deps.connected()) break
      // The changes are on their way. A request would only bring them twice.
      if (this.#announced >= this.#cursor.seq) break
      const from = this.#cursor.seq + 1
      const to = Math.min(this.#head, from + limits.rangeMax - 1)
      const answered = await this.#requestRange(from, to)
      if (this.#lifetime.ended || this.#isLoading) break
      if (this.#cursor.seq >= from) fruitless = 0
      else if (answered && ++fruitless >= MAX_FRUITLESS) void this.reload()
      else await this.#lifetime.sleep(this.#lifetime.delay(fruitless))
    }
    this.#isCatchingUp = false
  }

  /** Both ends are included. False if no answer came. */
  async #requestRange(from: number, to: number): Promise<boolean> {
    const loads = this.#loads
    const answer = await this.#deps.range({ from, to }).catch(() => undefined)
    if (this.#lifetime.ended || this.#isLoading || this.#loads !== loads || !answer) return false
    const { changes, more, reset } = answer
    const isOtherLog = changes.some(({ epoch }) => epoch !== this.#cursor?.epoch)
    if (reset || isOtherLog) void this.reload()
    else this.#accept(changes, more ? to + 1 : (changes.at(-1)?.seq ?? 0))
    return true
  }
}
