// One device in one topic: a state machine that makes a contiguous stream out of a feed that may lose, repeat and reorder. The
// invariant: what was emitted ends at `cursor`, and the next thing emitted begins right behind it, or is a reset.
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'
import type { Delta, ServerEvents } from '@lockstep/protocol/sync'
import type { Range } from '../log/log.ts'
import { Pending, type PendingLimits } from './pending.ts'

/** Where a device's events go. */
export interface Outlet {
  emit<Event extends keyof ServerEvents>(
    event: Event,
    payload: Parameters<ServerEvents[Event]>[0],
  ): void
  /** True while the network hasn't taken enough of what was emitted. */
  busy(): boolean
  /** Calls back, once, when it has. */
  whenFree(callback: () => void): void
}

export interface DevicePorts {
  outlet: Outlet
  limits: PendingLimits
  /** The topic's head in the database. */
  head(): Promise<Cursor>
  /** A piece of the log behind `after`. */
  range(after: number): Promise<Range>
  /** Waits before the `attempt`-th repetition (from 1) of what failed. */
  pause(attempt: number): Promise<void>
  moved(from: State['name'] | undefined, to: State['name']): void
  /** The user doesn't exist any more. */
  orphaned(): void
}

interface Syncing {
  name: 'syncing'
  cursor: Cursor
  pending: Pending
}
export type State =
  /** In the room, its place in the log unknown yet. */
  | { name: 'joining'; pending: Pending }
  /** Being caught up from the log; what comes meanwhile waits. */
  | Syncing
  /** Fed; `pending` follows `cursor` without a gap and isn't empty only while the outlet is busy. */
  | { name: 'live'; cursor: Cursor; pending: Pending }
  /** Too slow: nothing waits for it but the log. */
  | { name: 'lagging'; cursor: Cursor }
  | { name: 'gone' }

/** After so many catch-ups without finding what the feed promised, the device is live again; the next head heals the rest. */
const MAX_FRUITLESS = 5

export class Device {
  readonly #ports: DevicePorts
  #state: State

  constructor(ports: DevicePorts) {
    this.#ports = ports
    this.#state = { name: 'joining', pending: this.#nothing() }
    ports.moved(undefined, 'joining')
  }

  get state(): State['name'] {
    return this.#state.name
  }

  /** Brings the device from where it stands to the head: the first thing it gets is a `sync`. */
  async join(since: Cursor | undefined): Promise<void> {
    const state = this.#state
    if (state.name !== 'joining') return
    const head = await this.#persist(state, () => this.#ports.head())
    if (!head) return
    if (since && since.epoch === head.epoch && since.seq < head.seq)
      return this.#catchUp(since, state.pending)
    this.#standAt(head, since !== undefined && (since.epoch !== head.epoch || since.seq > head.seq))
    this.#settle(head, state.pending, 0)
  }

  /** A change came by, from whichever way; duplicates and disorder are fine. */
  offer(change: WireChange): void {
    const state = this.#state
    if (state.name === 'joining' || state.name === 'syncing') state.pending.add(change)
    if (state.name !== 'live') return
    const next = state.cursor.seq + state.pending.size + 1
    if (change.epoch !== state.cursor.epoch)
      return void this.#catchUp(state.cursor, this.#nothing())
    if (change.seq < next) return
    if (change.seq > next) {
      state.pending.add(change)
      return void this.#catchUp(state.cursor, state.pending)
    }
    if (state.pending.size === 0 && !this.#ports.outlet.busy()) return this.#emit(state, change)
    if (!state.pending.add(change)) return this.#lag(state.cursor)
    if (state.pending.size === 1) this.#pumpWhenFree(state)
  }

  /** Does it lack something up to this head of the database, and nobody is about to bring it? */
  lacks(head: Cursor): boolean {
    const state = this.#state
    if (state.name !== 'live') return false
    return state.cursor.epoch !== head.epoch || state.cursor.seq + state.pending.size < head.seq
  }

  /** Catches it up when it lacks something; true when it had to. */
  compare(head: Cursor): boolean {
    const state = this.#state
    if (state.name !== 'live' || !this.lacks(head)) return false
    void this.#catchUp(state.cursor, state.pending)
    return true
  }

  /** The database's head, for the client to compare. */
  heartbeat(head: Cursor): void {
    if (this.#fluent()) this.#ports.outlet.emit('head', head)
  }

  /** Streamed text that may be lost. */
  delta(delta: Delta): void {
    if (this.#fluent()) this.#ports.outlet.emit('delta', delta)
  }

  leave(): void {
    this.#become({ name: 'gone' })
  }

  #nothing(): Pending {
    return new Pending(this.#ports.limits)
  }

  #fluent(): boolean {
    return (
      this.#state.name === 'live' && this.#state.pending.size === 0 && !this.#ports.outlet.busy()
    )
  }

  #become<Next extends State>(state: Next): Next {
    if (this.#state.name !== state.name) this.#ports.moved(this.#state.name, state.name)
    this.#state = state
    return state
  }

  #emit(state: { cursor: Cursor }, change: WireChange): void {
    state.cursor = { epoch: change.epoch, seq: change.seq }
    this.#ports.outlet.emit('change', change)
  }

  #standAt({ epoch, seq }: Cursor, reset: boolean): void {
    this.#ports.outlet.emit('sync', { epoch, from: seq, to: seq, changes: [], more: false, reset })
  }

  async #catchUp(cursor: Cursor, pending: Pending, fruitless = 0): Promise<void> {
    if (this.#ports.outlet.busy()) return this.#lag(cursor)
    const state = this.#become<Syncing>({ name: 'syncing', cursor, pending })
    if (fruitless > 0) await this.#ports.pause(fruitless)
    for (;;) {
      const piece = await this.#persist(state, () => this.#ports.range(state.cursor.seq))
      if (!piece) return
      const more = this.#deliver(state, piece)
      if (!more) break
      if (this.#ports.outlet.busy()) return this.#lag(state.cursor)
    }
    this.#settle(state.cursor, pending, state.cursor.seq > cursor.seq ? 0 : fruitless + 1)
  }

  /** Emits a piece of the log; true when there is more behind it. */
  #deliver(state: Syncing, { epoch, head, to, changes, more, reset }: Range): boolean {
    if (reset || epoch !== state.cursor.epoch) {
      state.cursor = { epoch, seq: head }
      this.#standAt(state.cursor, true)
      return false
    }
    const from = state.cursor.seq
    state.cursor = { epoch, seq: to }
    if (changes.length > 0)
      this.#ports.outlet.emit('sync', { epoch, from, to, changes, more, reset: false })
    return more
  }

  /** Goes on with what came meanwhile, or reads on when that has a gap. */
  #settle(cursor: Cursor, pending: Pending, fruitless: number): void {
    const whole = pending.follows(cursor.seq)
    if (!whole && fruitless < MAX_FRUITLESS)
      return void this.#catchUp(cursor, this.#nothing(), fruitless)
    const state = this.#become({ name: 'live', cursor, pending: whole ? pending : this.#nothing() })
    this.#pump(state)
  }

  #pump(state: Extract<State, { name: 'live' }>): void {
    if (this.#state !== state) return
    while (state.pending.size > 0) {
      if (this.#ports.outlet.busy()) return this.#pumpWhenFree(state)
      const change = state.pending.take(state.cursor.seq + 1)
      if (change?.epoch !== state.cursor.epoch)
        return void this.#catchUp(state.cursor, this.#nothing())
      this.#emit(state, change)
    }
  }

  #pumpWhenFree(state: Extract<State, { name: 'live' }>): void {
    this.#ports.outlet.whenFree(() => this.#pump(state))
  }

  #lag(cursor: Cursor): void {
    const state = this.#become({ name: 'lagging', cursor })
    this.#ports.outlet.whenFree(() => {
      if (this.#state === state) void this.#catchUp(cursor, this.#nothing())
    })
  }

  /** Repeats a read for as long as the device stays in `state`: a database that is away is no reason to lose a device. */
  async #persist<T>(state: State, read: () => Promise<T>): Promise<T | undefined> {
    for (let attempt = 1; this.#state === state; attempt++) {
      try {
        const result = await read()
        return this.#state === state ? result : undefined
      } catch (error) {
        if (error instanceof Fault && error.code === 'not_found') {
          this.#ports.orphaned()
          return undefined
        }
        await this.#ports.pause(attempt)
      }
    }
    return undefined
  }
}
