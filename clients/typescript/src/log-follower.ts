// Follows one topic's log: hands on each change once, in the order of `seq`, without a gap. Gaps are asked for, what can't be followed
// any more is loaded anew. It knows nothing of what the changes mean.
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { limits } from '@lockstep/protocol/limits'
import type { Head, RangeAnswer, RangeRequest, Sync } from '@lockstep/protocol/sync'
import type { Lifetime } from './lifetime.ts'

/** Changes kept while they can't be applied. What comes beyond is asked for later. */
const MOST_KEPT = 2_000
/** Ranges in a row without what the server said was there; then loading anew is the remedy. */
const MOST_FRUITLESS = 4

export interface LogFollowerDeps {
  /** Replaces the state by what the server has now, and gives the cursor that it stands for. Throws Fault. */
  load(): Promise<Cursor>
  /** The next changes of the log. */
  apply(changes: readonly WireChange[]): void
  /** Throws when there is no answer. */
  range(request: RangeRequest): Promise<RangeAnswer>
  /** Whether `range` can be asked right now. */
  connected(): boolean
  /** The state was loaded; `before` is where it stood until then. */
  loaded(before: Cursor | undefined): void
  /** False: loading again won't help (the engine is being ended). */
  failed(error: unknown): boolean
}

export class LogFollower {
  readonly #port: LogFollowerDeps
  readonly #scope: Lifetime
  readonly #kept = new Map<number, WireChange>()
  #cursor: Cursor | undefined
  #loading = false
  #catchingUp = false
  /** Counts the loads: what was asked for before one is worthless after it. */
  #loads = 0
  /** The server has said that it will send what is behind this. */
  #promised = -1
  /** The highest `seq` that is known to exist. */
  #heard = 0
  /** The epoch that the socket spoke of last. */
  #heardEpoch: string | undefined

  constructor(port: LogFollowerDeps, scope: Lifetime) {
    this.#port = port
    this.#scope = scope
  }

  /** The last change applied. */
  get cursor(): Cursor | undefined {
    return this.#cursor
  }

  /** Where to go on from; undefined while loading, since what is held is about to be replaced. */
  get since(): Cursor | undefined {
    return this.#loading ? undefined : this.#cursor
  }

  get settled(): boolean {
    return (
      this.#cursor !== undefined &&
      !this.#loading &&
      !this.#catchingUp &&
      this.#promised < this.#cursor.seq &&
      this.#heard <= this.#cursor.seq
    )
  }

  /** Loads over HTTP, as often as it takes; what arrives meanwhile is kept and applied after it. */
  async reload(): Promise<void> {
    if (this.#loading) return
    this.#loading = true
    this.#promised = -1
    this.#heard = 0
    for (let attempt = 0; !this.#scope.ended; attempt++) {
      try {
        this.#heardEpoch = undefined
        const before = this.#cursor
        const loaded = await this.#port.load()
        if (this.#scope.ended) return
        this.#cursor = loaded
        this.#loads++
        // The answer may be older than a restart of the log that the socket has told of since.
        const restarted = this.#heardEpoch !== undefined && this.#heardEpoch !== loaded.epoch
        if (!restarted) {
          this.#loading = false
          this.#port.loaded(before)
          this.#drain()
          return void this.#catchUp()
        }
      } catch (error) {
        if (!this.#port.failed(error)) return
      }
      await this.#scope.sleep(this.#scope.delay(attempt))
    }
  }

  onSync({ epoch, to, changes, more, reset }: Sync): void {
    if (!this.#sameLog(epoch)) return
    if (reset && !this.#loading) return void this.reload()
    if (more) this.#promised = Math.max(this.#promised, to)
    this.#accept(changes, to)
  }

  onChange(change: WireChange): void {
    this.#promised = -1 // as with a head: neither is sent before the last piece
    if (this.#sameLog(change.epoch)) this.#accept([change], change.seq)
    else this.#keep(change)
  }

  onHead({ epoch, seq }: Head): void {
    this.#promised = -1
    if (this.#sameLog(epoch)) this.#accept([], seq)
  }

  /** This change exists: asks for it unless it is here. */
  expect(seq: number): void {
    this.#accept([], seq)
  }

  /** Asks the server whether there is anything new. */
  async check(): Promise<void> {
    if (!this.#cursor || this.#loading || !this.#port.connected()) return
    const from = this.#cursor.seq + 1
    await this.#ask(from, from)
  }

  /** False when the log was restarted: what is held is of another one, and is loaded anew. */
  #sameLog(epoch: string): boolean {
    this.#heardEpoch = epoch
    if (this.#loading || !this.#cursor || this.#cursor.epoch === epoch) return true
    void this.reload()
    return false
  }

  #keep(change: WireChange): void {
    const isNews = this.#loading || change.seq > (this.#cursor?.seq ?? 0)
    if (isNews && this.#kept.size < MOST_KEPT) this.#kept.set(change.seq, change)
  }

  #accept(changes: readonly WireChange[], head: number): void {
    for (const change of changes) this.#keep(change)
    this.#heard = Math.max(this.#heard, head)
    this.#drain()
    void this.#catchUp()
  }

  #drain(): void {
    if (this.#loading || !this.#cursor) return
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
    this.#port.apply(next)
  }

  async #catchUp(): Promise<void> {
    if (this.#catchingUp) return
    this.#catchingUp = true
    let fruitless = 0
    while (!this.#scope.ended && !this.#loading && this.#cursor && this.#heard > this.#cursor.seq) {
      if (!this.#port.connected()) break // the next connection starts with everything after the cursor
      if (this.#promised >= this.#cursor.seq) break // it is on its way, and asking would only bring it twice
      const from = this.#cursor.seq + 1
      const to = Math.min(this.#heard, from + limits.rangeMax - 1)
      const answered = await this.#ask(from, to)
      if (this.#scope.ended || this.#loading) break
      if (this.#cursor.seq >= from) fruitless = 0
      else if (answered && ++fruitless >= MOST_FRUITLESS) void this.reload()
      else await this.#scope.sleep(this.#scope.delay(fruitless))
    }
    this.#catchingUp = false
  }

  /** Both ends included. False: no answer. */
  async #ask(from: number, to: number): Promise<boolean> {
    const loads = this.#loads
    const answer = await this.#port.range({ from, to }).catch(() => undefined)
    if (this.#scope.ended || this.#loading || this.#loads !== loads) return false
    if (!answer) return false
    const { changes, more, reset } = answer
    if (reset || changes.some(({ epoch }) => epoch !== this.#cursor?.epoch)) void this.reload()
    else this.#accept(changes, more ? to + 1 : (changes.at(-1)?.seq ?? 0))
    return true
  }
}
