// All channels of an engine and the one decision when to try again. Reconnects are spread by full jitter; `nudge` doesn't wait.
import { errors } from '@lockstep/protocol/error-codes'
import type { Fault } from '@lockstep/protocol/errors'
import type { Topic } from '@lockstep/protocol/topics'
import {
  TopicConnection,
  type TopicConnectionListener,
  type TopicConnectionOwner,
} from './topic-connection.ts'
import type { Connect } from './platform.ts'
import type { Lifetime } from './lifetime.ts'

/** A connection that held this long was a good one: the next attempt after it starts from the shortest delay again. */
const STEADY = 5_000
/** What is awaited has failed when nothing at all has come for so long: the wire is dead though nobody closed it. */
const PATIENCE = 15_000
/** A slow wire is as silent, while a large change is on its way: so patience doubles with each silence, up to this. Nothing is awaited longer. */
const LONGEST_PATIENCE = 240_000
/** Not even a `head` for so long: something is asked, as nothing else shows whether the wire is dead. */
const QUIET = 60_000

/** `live`: every topic hears of every change. `connecting`: trying right now. `offline`: waiting for the next try. */
export type ConnectionState = 'live' | 'connecting' | 'offline'

export interface ConnectionManagerDeps {
  changed(): void
  /** The server refused for good (see `closes` in the table of faults). */
  refused(fault: Fault): void
}

export class ConnectionManager implements TopicConnectionOwner {
  readonly #connect: Connect
  readonly #scope: Lifetime
  readonly #listener: ConnectionManagerDeps
  readonly #channels = new Map<Topic, TopicConnection>()
  #attempt = 0
  #liveSince = 0
  #cancelRetry: (() => void) | undefined
  #moving = false
  #patience = PATIENCE
  #heardAt = 0

  constructor(connect: Connect, scope: Lifetime, listener: ConnectionManagerDeps) {
    this.#connect = connect
    this.#scope = scope
    this.#listener = listener
    this.#watch()
  }

  /** Opens a topic's channel, and keeps it open until `close`. */
  open(topic: Topic, listener: TopicConnectionListener): TopicConnection {
    const channel = new TopicConnection(topic, this.#connect, this.#scope, listener, this)
    this.#channels.set(topic, channel)
    if (!this.#cancelRetry) channel.join()
    this.#listener.changed()
    return channel
  }

  /** `expected`: how many channels there will be; topics open theirs when they have loaded. */
  state(expected: number): ConnectionState {
    const channels = [...this.#channels.values()]
    if (channels.length === expected && channels.every(({ status }) => status === 'live'))
      return 'live'
    return this.#cancelRetry ? 'offline' : 'connecting'
  }

  /** Tries at once what is down. */
  nudge(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    for (const channel of this.#channels.values()) channel.join()
    this.#listener.changed()
  }

  close(): void {
    const channels = [...this.#channels.values()]
    this.#channels.clear()
    for (const channel of channels) channel.leave()
  }

  live(): void {
    this.#liveSince = this.#scope.elapsed()
    this.#listener.changed()
  }

  down(channel: TopicConnection, fault: Fault | undefined): void {
    if (this.#scope.ended || this.#channels.get(channel.topic) !== channel) return
    if (fault && errors[fault.code].closes) return this.#listener.refused(fault)
    this.#retry(fault?.extra.retry_after_ms)
    this.#listener.changed()
  }

  /** The node is about to stop: leave it within the time, not all devices at the same moment. */
  draining(withinMs: number): void {
    if (this.#moving) return
    this.#moving = true
    this.#scope.after(this.#scope.spread(withinMs * 0.9), () => {
      this.#moving = false
      this.#leaveAll()
      this.nudge()
    })
  }

  heard(): void {
    this.#heardAt = this.#scope.elapsed()
  }

  answered(ms: number): void {
    this.heard()
    if (ms < PATIENCE) this.#patience = PATIENCE
  }

  whenSilent(callback: () => void): () => void {
    const since = this.#scope.elapsed()
    let cancel = () => {}
    const wait = () => {
      const due = Math.min(
        Math.max(since, this.#heardAt) + this.#patience,
        since + LONGEST_PATIENCE,
      )
      const left = due - this.#scope.elapsed()
      if (left > 0) cancel = this.#scope.after(left, wait)
      else callback()
    }
    wait()
    return () => cancel()
  }

  mute(): void {
    this.#patience = Math.min(LONGEST_PATIENCE, this.#patience * 2)
    this.#leaveAll()
  }

  #watch(): void {
    const left = this.#heardAt + QUIET - this.#scope.elapsed()
    if (left <= 0) [...this.#channels.values()].find(({ status }) => status === 'live')?.ask()
    this.#scope.after(left > 0 ? left : QUIET, () => this.#watch())
  }

  #leaveAll(): void {
    for (const channel of this.#channels.values()) channel.leave()
  }

  #retry(afterMs = 0): void {
    if (this.#cancelRetry) return
    if (this.#liveSince > 0 && this.#scope.elapsed() - this.#liveSince >= STEADY) this.#attempt = 0
    this.#liveSince = 0
    this.#cancelRetry = this.#scope.after(this.#scope.delay(this.#attempt++, afterMs), () =>
      this.nudge(),
    )
  }
}
