// One topic's connection: attempts, requests, and the events of the server. A request that was sent
// ends once: with the server's ack, or with `ConnectionLost` if nobody can tell any more whether
// the server has handled it.
//
//   down --join--> joining --first sync--> live
//     ^               |                      |
//     +--refused, silent, closed or left-----+
//
// A WebSocket that fails twice in a row, or after a long wait, may be blocked while HTTP is not.
// The attempt then goes on over HTTP (`FallbackSocket`).
import type { Fault } from '@lockstep/protocol/errors'
import type { Ack, Handshake, ServerEvents, Sync } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { createDeferred } from './deferred.ts'
import type { FallbackSocket } from './http-fallback.ts'
import type { Lifetime } from './lifetime.ts'
import type { Connect, SocketLike } from './platform.ts'
import { faultFromProblem } from './rest/call.ts'

/**
 * How many attempts in a row must fail before HTTP is used. One may fail because a node restarts.
 */
const FAILURES = 2
/**
 * If one attempt takes this long to fail, something swallows it, and HTTP is used at once;
 * milliseconds.
 */
const LONG_WAIT = 5_000

/** No ack came: the server may have handled the request, or not. */
class ConnectionLost extends Error {}

type TopicEvents = Omit<ServerEvents, 'draining'>

/** What a connection needs from its topic. */
export interface TopicConnectionListener {
  /** The handshake of the next attempt. */
  handshake(): Handshake
  on: Partial<TopicEvents>
  /** The first `sync` has been handled: commands can be sent. */
  live(): void
  down?(): void
  /** The listener must send a request that changes nothing, so that an ack shows the line works. */
  probe(): void
}

/** What a connection needs from the manager of all connections. */
export interface TopicConnectionOwner {
  live(): void
  /** The connection ended or didn't come about. `fault`: why the server refused, if it did. */
  down(connection: TopicConnection, fault: Fault | undefined): void
  draining(withinMs: number): void
  /** Something has arrived. */
  heard(): void
  /** An ack has arrived, after `ms` milliseconds. */
  acked(ms: number): void
  /**
   * Calls back when nothing has arrived over any connection for too long. Returns the canceller.
   */
  whenSilent(callback: () => void): () => void
  /** The server was silent although something was awaited. */
  silent(): void
  /** A socket that can do without this WebSocket. Rejects if its code doesn't load. */
  fallback(webSocket: SocketLike, topic: Topic, handshake: () => Handshake): Promise<FallbackSocket>
}

type Status = 'down' | 'joining' | 'live'

export class TopicConnection {
  readonly topic: Topic
  readonly #lifetime: Lifetime
  readonly #listener: TopicConnectionListener
  readonly #owner: TopicConnectionOwner
  readonly #unanswered = new Set<(lost: ConnectionLost) => void>()
  #socket: SocketLike
  #fallback: FallbackSocket | undefined
  #status: Status = 'down'
  #startedAt = 0
  #failures = 0
  #cancelJoin = () => {}

  constructor(
    topic: Topic,
    connect: Connect,
    lifetime: Lifetime,
    listener: TopicConnectionListener,
    owner: TopicConnectionOwner,
  ) {
    this.topic = topic
    this.#lifetime = lifetime
    this.#listener = listener
    this.#owner = owner
    this.#socket = connect(`/${topic}`, () => listener.handshake())
    this.#listen(this.#socket)
  }

  #listen(socket: SocketLike): void {
    const whenUsed = (event: string, handle: (payload: unknown) => void) =>
      socket.on(event, (payload) => {
        if (this.#socket === socket) handle(payload)
      })
    whenUsed('connect_error', (error) => this.#refused(error))
    whenUsed('disconnect', () => this.#end(undefined))
    const on: Partial<ServerEvents> = {
      ...this.#listener.on,
      sync: (sync) => this.#synced(sync),
      draining: ({ reconnect_within_ms }) => this.#owner.draining(reconnect_within_ms),
    }
    for (const [event, handle] of Object.entries(on)) {
      // Assertion: the server's payloads are what the contract says; pages don't load a validator.
      const take = handle as ((payload: unknown) => void) | undefined
      whenUsed(event, (payload) => {
        // After `leave`, the socket may still hand over what it had received before.
        if (this.#status === 'down' || this.#lifetime.ended) return
        this.#owner.heard()
        take?.(payload)
      })
    }
  }

  get status(): Status {
    return this.#status
  }

  /** Whether the topic gets its changes over HTTP. */
  get isPolling(): boolean {
    return this.#fallback?.isPolling ?? false
  }

  /** Starts an attempt, unless one is under way or has succeeded. */
  join(): void {
    if (this.#status !== 'down') return
    this.#status = 'joining'
    this.#startedAt = this.#lifetime.elapsed()
    this.#cancelJoin = this.#owner.whenSilent(() => this.#owner.silent())
    this.#socket.connect()
  }

  /** Ends the attempt or the connection. The owner is told. */
  leave(): void {
    if (this.#status === 'down') return
    this.#end(undefined)
    this.#socket.disconnect()
  }

  /** Rejects with ConnectionLost, at once if the connection isn't live. */
  request(event: string, payload: object): Promise<Ack> {
    if (this.#status !== 'live') return Promise.reject(new ConnectionLost('not connected'))
    const { promise, resolve, reject } = createDeferred<Ack>()
    const sentAt = this.#lifetime.elapsed()
    const settle = (act: () => void) => {
      cancel()
      this.#unanswered.delete(lose)
      act()
    }
    const lose = (lost: ConnectionLost) => settle(() => reject(lost))
    const cancel = this.#owner.whenSilent(() => this.#owner.silent())
    this.#unanswered.add(lose)
    this.#socket.emit(event, payload, (ack) => {
      this.#owner.acked(this.#lifetime.elapsed() - sentAt)
      // Assertion: trusted, like all payloads of the server.
      settle(() => resolve(ack as Ack))
    })
    return promise
  }

  /** Finds out whether the server still answers. */
  probe(): void {
    this.#listener.probe()
  }

  #synced(sync: Sync): void {
    if (!this.isPolling) this.#failures = 0
    this.#listener.on.sync?.(sync)
    if (this.#status !== 'joining') return
    this.#cancelJoin()
    this.#status = 'live'
    this.#owner.live()
    this.#listener.live()
  }

  #refused(error: unknown): void {
    const hasProblem = typeof error === 'object' && error !== null && 'data' in error
    const problem = hasProblem ? error.data : undefined
    const fault = problem === undefined ? undefined : faultFromProblem(problem)
    if (this.isPolling) return this.#end(fault)
    const isSwallowed = this.#lifetime.elapsed() - this.#startedAt >= LONG_WAIT
    this.#failures = fault ? 0 : this.#failures + (isSwallowed ? FAILURES : 1)
    if (this.#failures < FAILURES) this.#end(fault)
    else void this.#poll()
  }

  /** The attempt goes on over HTTP. Without the code for that, it has failed. */
  async #poll(): Promise<void> {
    const handshake = () => this.#listener.handshake()
    try {
      const fallback = await this.#owner.fallback(this.#socket, this.topic, handshake)
      this.#fallback ??= fallback
    } catch {
      return this.#end(undefined)
    }
    if (this.#status !== 'joining') return
    if (this.#socket !== this.#fallback) this.#listen((this.#socket = this.#fallback))
    this.#fallback.poll()
  }

  #end(fault: Fault | undefined): void {
    if (this.#status === 'down') return
    this.#cancelJoin()
    this.#status = 'down'
    for (const lose of [...this.#unanswered]) lose(new ConnectionLost('disconnected'))
    this.#listener.down?.()
    this.#owner.down(this, fault)
  }
}
