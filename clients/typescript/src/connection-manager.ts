// All connections of an engine, and the one decision when to reconnect. Attempts are spread by full
// jitter; `nudge` doesn't wait for them.
import { errors } from '@lockstep/protocol/error-codes'
import type { Fault } from '@lockstep/protocol/errors'
import type { Handshake } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { FallbackSocket } from './http-fallback.ts'
import { lateCode } from './late-code.ts'
import type { Lifetime } from './lifetime.ts'
import type { Connect, SocketLike } from './platform.ts'
import type { Call } from './rest/call.ts'
import {
  TopicConnection,
  type TopicConnectionListener,
  type TopicConnectionOwner,
} from './topic-connection.ts'

/**
 * After a connection that lasted this long, the delays start from the shortest again; milliseconds.
 */
const STEADY = 5_000
/**
 * If something is awaited and nothing at all arrives for this long, the network path is dead
 * although nobody closed it; milliseconds.
 */
const MIN_SILENCE = 15_000
/**
 * A slow network path is just as silent while a large change travels. Therefore each silence
 * doubles the time that the next one may last, up to this limit; milliseconds.
 */
const MAX_SILENCE = 240_000
/**
 * A live server sends a `head` more often than this. Without one, a request finds out whether the
 * network path is dead; milliseconds.
 */
const MAX_QUIET = 60_000

/**
 * `live`: every topic receives every change at once. `polling`: no WebSocket reaches the server, so
 * commands travel over HTTP and changes arrive every few seconds. `connecting`: an attempt is under
 * way. `offline`: the engine waits for the next attempt.
 */
export type ConnectionState = 'live' | 'polling' | 'connecting' | 'offline'

export interface ConnectionManagerDeps {
  call: Call
  changed(): void
  /** The server has refused this device for good (`closes` in the table of error codes). */
  rejected(fault: Fault): void
}

export class ConnectionManager implements TopicConnectionOwner {
  readonly #connect: Connect
  readonly #lifetime: Lifetime
  readonly #deps: ConnectionManagerDeps
  readonly #connections = new Map<Topic, TopicConnection>()
  #attempt = 0
  #liveSince = 0
  #cancelRetry: (() => void) | undefined
  #isMoving = false
  #maxSilence = MIN_SILENCE
  #heardAt = 0

  constructor(connect: Connect, lifetime: Lifetime, deps: ConnectionManagerDeps) {
    this.#connect = connect
    this.#lifetime = lifetime
    this.#deps = deps
    this.#watchQuiet()
  }

  /** Opens a topic's connection and keeps it open until `close`. */
  open(topic: Topic, listener: TopicConnectionListener): TopicConnection {
    const connection = new TopicConnection(topic, this.#connect, this.#lifetime, listener, this)
    this.#connections.set(topic, connection)
    if (!this.#cancelRetry) connection.join()
    this.#deps.changed()
    return connection
  }

  /**
   * @param expected how many connections there will be: a topic opens its own when it has loaded
   */
  state(expected: number): ConnectionState {
    const connections = [...this.#connections.values()]
    const isLive = connections.every(({ status }) => status === 'live')
    if (isLive && connections.length === expected)
      return connections.some(({ isPolling }) => isPolling) ? 'polling' : 'live'
    return this.#cancelRetry ? 'offline' : 'connecting'
  }

  /** Reconnects at once whatever is down. */
  nudge(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    for (const connection of this.#connections.values()) connection.join()
    this.#deps.changed()
  }

  close(): void {
    const connections = [...this.#connections.values()]
    this.#connections.clear()
    for (const connection of connections) connection.leave()
  }

  live(): void {
    this.#liveSince = this.#lifetime.elapsed()
    this.#deps.changed()
  }

  down(connection: TopicConnection, fault: Fault | undefined): void {
    const isCurrent = this.#connections.get(connection.topic) === connection
    if (this.#lifetime.ended || !isCurrent) return
    if (fault && errors[fault.code].closes) return this.#deps.rejected(fault)
    this.#retryLater(fault?.extra.retry_after_ms)
    this.#deps.changed()
  }

  /** The node is about to stop. Its devices leave it within the time, and not all at once. */
  draining(withinMs: number): void {
    if (this.#isMoving) return
    this.#isMoving = true
    this.#lifetime.after(this.#lifetime.spread(withinMs * 0.9), () => {
      this.#isMoving = false
      this.#leaveAll()
      this.nudge()
    })
  }

  heard(): void {
    this.#heardAt = this.#lifetime.elapsed()
  }

  acked(ms: number): void {
    this.heard()
    if (ms < MIN_SILENCE) this.#maxSilence = MIN_SILENCE
  }

  whenSilent(callback: () => void): () => void {
    const since = this.#lifetime.elapsed()
    let cancel = () => {}
    const wait = () => {
      const silentAt = Math.max(since, this.#heardAt) + this.#maxSilence
      const left = Math.min(silentAt, since + MAX_SILENCE) - this.#lifetime.elapsed()
      if (left > 0) cancel = this.#lifetime.after(left, wait)
      else callback()
    }
    wait()
    return () => cancel()
  }

  silent(): void {
    this.#maxSilence = Math.min(MAX_SILENCE, this.#maxSilence * 2)
    this.#leaveAll()
  }

  async fallback(
    webSocket: SocketLike,
    topic: Topic,
    handshake: () => Handshake,
  ): Promise<FallbackSocket> {
    const { FallbackSocket } = await lateCode(import('./http-fallback.ts'))
    const deps = { ...this.#deps, lifetime: this.#lifetime }
    return new FallbackSocket(webSocket, topic, handshake, deps)
  }

  #watchQuiet(): void {
    const left = this.#heardAt + MAX_QUIET - this.#lifetime.elapsed()
    if (left <= 0) {
      const live = [...this.#connections.values()].find(({ status }) => status === 'live')
      live?.probe()
    }
    this.#lifetime.after(left > 0 ? left : MAX_QUIET, () => this.#watchQuiet())
  }

  #leaveAll(): void {
    for (const connection of this.#connections.values()) connection.leave()
  }

  #retryLater(afterMs = 0): void {
    if (this.#cancelRetry) return
    const wasSteady = this.#liveSince > 0 && this.#lifetime.elapsed() - this.#liveSince >= STEADY
    if (wasSteady) this.#attempt = 0
    this.#liveSince = 0
    const delay = this.#lifetime.delay(this.#attempt++, afterMs)
    this.#cancelRetry = this.#lifetime.after(delay, () => this.nudge())
  }
}
