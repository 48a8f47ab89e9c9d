// One device in one topic: a state machine that turns a feed which may lose, repeat and reorder
// changes into a contiguous stream. The invariant: what was emitted ends at `cursor`, and what is
// emitted next starts directly after it or is a reset.
//
//      joining ──────────▶ syncing ◀───────────────────────┐
//         │  since < head    │  ▲                          │
//         │                  │  │ a gap, another epoch,    │ the network has
//         │ at the head,     │  │ or a higher head         │ taken enough
//         │ or a reset       ▼  │                          │
//         └───────────────▶ live ──────────────────────▶ lagging
//                                  the buffer is full
//
//      joining: the rooms are joined and changes are buffered; the head is being read.
//      syncing: the device is caught up from the log; changes are buffered meanwhile. If the
//               network takes too little, the device becomes lagging.
//      live:    changes are emitted as they arrive, and buffered while the network is busy.
//      lagging: nothing is buffered; the log has everything.
//      gone:    reached from every state by `leave`.
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'
import type { Delta, ServerEvents } from '@lockstep/protocol/sync'
import type { LogRange } from '../log/log.ts'
import { ChangeBuffer, type ChangeBufferLimits } from './change-buffer.ts'

/** Where a device's events go. */
export interface DeviceOutput {
  emit<Event extends keyof ServerEvents>(
    event: Event,
    ...args: Parameters<ServerEvents[Event]>
  ): void
  /** True while too much of what was emitted has not been taken by the network. */
  isBusy(): boolean
  /** Calls back once, as soon as the output is not busy. */
  whenFree(callback: () => void): void
}

export interface DeviceDeps {
  output: DeviceOutput
  limits: ChangeBufferLimits
  /** Reads the head of the topic from the database. */
  readHead(): Promise<Cursor>
  /** Reads the changes after `seq` from the log, as many as one answer holds. */
  readRange(seq: number): Promise<LogRange>
  /** Waits before the `attempt`-th repetition (from 1) of a failed read. */
  pause(attempt: number): Promise<void>
  onStateChange(from: DeviceState['name'] | undefined, to: DeviceState['name']): void
  /** The user no longer exists. */
  onUserGone(): void
}

interface Syncing {
  name: 'syncing'
  cursor: Cursor
  buffer: ChangeBuffer
}
/** The buffer continues from `cursor` without a gap. It is empty unless the output is busy. */
interface Live {
  name: 'live'
  cursor: Cursor
  buffer: ChangeBuffer
}
export type DeviceState =
  | { name: 'joining'; buffer: ChangeBuffer }
  | Syncing
  | Live
  | { name: 'lagging'; cursor: Cursor }
  | { name: 'gone' }

/**
 * If this many reads in a row find none of the changes that the feed has announced, the device
 * becomes live all the same. The next `head` repairs what it may lack.
 */
const MAX_EMPTY_READS = 5

export class Device {
  readonly #deps: DeviceDeps
  #state: DeviceState

  constructor(deps: DeviceDeps) {
    this.#deps = deps
    this.#state = { name: 'joining', buffer: this.#emptyBuffer() }
    deps.onStateChange(undefined, 'joining')
  }

  get state(): DeviceState['name'] {
    return this.#state.name
  }

  /** Brings the device from its cursor to the head. The first event that it gets is a `sync`. */
  async join(since: Cursor | undefined): Promise<void> {
    const state = this.#state
    if (state.name !== 'joining') return
    const head = await this.#readWhileIn(state, () => this.#deps.readHead())
    if (!head) return
    if (since && since.epoch === head.epoch && since.seq < head.seq)
      return this.#catchUp(since, state.buffer)
    const reset = since !== undefined && (since.epoch !== head.epoch || since.seq > head.seq)
    this.#emitEmptySync(head, reset)
    this.#becomeLive(head, state.buffer, 0)
  }

  /** Takes a change, from whatever source and in any order. Duplicates are harmless. */
  offer(change: WireChange): void {
    const state = this.#state
    if (state.name === 'joining' || state.name === 'syncing') state.buffer.add(change)
    if (state.name !== 'live') return
    if (change.epoch !== state.cursor.epoch)
      return void this.#catchUp(state.cursor, this.#emptyBuffer())
    const nextSeq = state.cursor.seq + state.buffer.size + 1
    if (change.seq < nextSeq) return
    if (change.seq > nextSeq) {
      state.buffer.add(change)
      return void this.#catchUp(state.cursor, state.buffer)
    }
    if (state.buffer.size === 0 && !this.#deps.output.isBusy()) return this.#emit(state, change)
    if (!state.buffer.add(change)) return this.#lag(state.cursor)
    if (state.buffer.size === 1) this.#drainWhenFree(state)
  }

  /** True if the device is live and lacks a change up to this head of the database. */
  lacks(head: Cursor): boolean {
    const state = this.#state
    if (state.name !== 'live') return false
    return state.cursor.epoch !== head.epoch || state.cursor.seq + state.buffer.size < head.seq
  }

  /** Catches the device up if it lacks a change. Returns true if it did. */
  catchUpTo(head: Cursor): boolean {
    const state = this.#state
    if (state.name !== 'live' || !this.lacks(head)) return false
    void this.#catchUp(state.cursor, state.buffer)
    return true
  }

  /** Sends the head of the database, so that the client can compare it with its cursor. */
  sendHead(head: Cursor): void {
    const state = this.#state
    // a head that was read from the projection may be older than what the device has
    if (state.name === 'live' && head.epoch === state.cursor.epoch && head.seq < state.cursor.seq)
      return
    if (this.#isUpToDate()) this.#deps.output.emit('head', head)
  }

  /** Sends streamed text, unless the device is busy: a delta may be lost. */
  sendDelta(delta: Delta): void {
    if (this.#isUpToDate()) this.#deps.output.emit('delta', delta)
  }

  leave(): void {
    this.#become({ name: 'gone' })
  }

  #emptyBuffer(): ChangeBuffer {
    return new ChangeBuffer(this.#deps.limits)
  }

  /** True if the device has everything that has been offered and can take more. */
  #isUpToDate(): boolean {
    const state = this.#state
    return state.name === 'live' && state.buffer.size === 0 && !this.#deps.output.isBusy()
  }

  #become<Next extends DeviceState>(state: Next): Next {
    if (this.#state.name !== state.name) this.#deps.onStateChange(this.#state.name, state.name)
    this.#state = state
    return state
  }

  #emit(state: { cursor: Cursor }, change: WireChange): void {
    state.cursor = { epoch: change.epoch, seq: change.seq }
    this.#deps.output.emit('change', change)
  }

  #emitEmptySync({ epoch, seq }: Cursor, reset: boolean): void {
    this.#deps.output.emit('sync', { epoch, from: seq, to: seq, changes: [], more: false, reset })
  }

  async #catchUp(cursor: Cursor, buffer: ChangeBuffer, emptyReads = 0): Promise<void> {
    if (this.#deps.output.isBusy()) return this.#lag(cursor)
    const state = this.#become<Syncing>({ name: 'syncing', cursor, buffer })
    if (emptyReads > 0) await this.#deps.pause(emptyReads)
    for (;;) {
      const range = await this.#readWhileIn(state, () => this.#deps.readRange(state.cursor.seq))
      if (!range) return
      const more = this.#emitSync(state, range)
      if (!more) break
      if (this.#deps.output.isBusy()) return this.#lag(state.cursor)
    }
    this.#becomeLive(state.cursor, buffer, state.cursor.seq > cursor.seq ? 0 : emptyReads + 1)
  }

  /** Emits a range of the log. Returns true if the log has more after it. */
  #emitSync(state: Syncing, { epoch, head, to, changes, more, reset }: LogRange): boolean {
    if (reset || epoch !== state.cursor.epoch) {
      state.cursor = { epoch, seq: head }
      this.#emitEmptySync(state.cursor, true)
      return false
    }
    const from = state.cursor.seq
    state.cursor = { epoch, seq: to }
    if (changes.length > 0)
      this.#deps.output.emit('sync', { epoch, from, to, changes, more, reset: false })
    return more
  }

  /** Emits the buffered changes, or reads the log again if they do not continue from `cursor`. */
  #becomeLive(cursor: Cursor, buffer: ChangeBuffer, emptyReads: number): void {
    const isContiguous = buffer.dropUpTo(cursor.seq)
    if (!isContiguous && emptyReads < MAX_EMPTY_READS)
      return void this.#catchUp(cursor, this.#emptyBuffer(), emptyReads)
    const state = this.#become<Live>({
      name: 'live',
      cursor,
      buffer: isContiguous ? buffer : this.#emptyBuffer(),
    })
    this.#drain(state)
  }

  #drain(state: Live): void {
    if (this.#state !== state) return
    while (state.buffer.size > 0) {
      if (this.#deps.output.isBusy()) return this.#drainWhenFree(state)
      const change = state.buffer.take(state.cursor.seq + 1)
      if (change?.epoch !== state.cursor.epoch)
        return void this.#catchUp(state.cursor, this.#emptyBuffer())
      this.#emit(state, change)
    }
  }

  #drainWhenFree(state: Live): void {
    this.#deps.output.whenFree(() => this.#drain(state))
  }

  #lag(cursor: Cursor): void {
    const state = this.#become({ name: 'lagging', cursor })
    this.#deps.output.whenFree(() => {
      if (this.#state === state) void this.#catchUp(cursor, this.#emptyBuffer())
    })
  }

  /**
   * Repeats a failed read while the device is in `state`, because a database that is away is no
   * reason to lose a device. Returns undefined when the device has left `state`.
   */
  async #readWhileIn<T>(state: DeviceState, read: () => Promise<T>): Promise<T | undefined> {
    for (let attempt = 1; this.#state === state; attempt++) {
      try {
        const result = await read()
        return this.#state === state ? result : undefined
      } catch (error) {
        if (error instanceof Fault && error.code === 'not_found') {
          this.#deps.onUserGone()
          return undefined
        }
        await this.#deps.pause(attempt)
      }
    }
    return undefined
  }
}
