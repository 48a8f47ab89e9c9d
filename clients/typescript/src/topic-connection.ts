// One topic's connection: attempts, requests, and the events of the server. A request that was sent
// ends once: with the server's ack, or with `ConnectionLost` if nobody can tell any more whether
// the server has handled it.
//
//   down --join--> joining --first sync--> live
//     ^               |                      |
//     +--refused, silent, closed or left-----+
import type { Fault } from '@lockstep/protocol/errors'
import type { Ack, Handshake, ServerEvents } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { createDeferred } from './deferred.ts'
import type { Lifetime } from './lifetime.ts'
import type { Connect, SocketLike } from './platform.ts'
import { faultFromProblem } from './rest/call.ts'

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
}

type Status = 'down' | 'joining' | 'live'

export class TopicConnection {
  readonly topic: Topic
  readonly #socket: SocketLike
  readonly #lifetime: Lifetime
  readonly #listener: TopicConnectionListener
  readonly #owner: TopicConnectionOwner
  readonly #unanswered = new Set<(lost: ConnectionLost) => void>()
  #status: Status = 'down'
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
    this.#socket.on('connect_error', (error) => this.#refused(error))
    this.#socket.on('disconnect', () => this.#end(undefined))
    this.#on('draining', ({ reconnect_within_ms }) => owner.draining(reconnect_within_ms))
    const { on } = listener
    this.#on('sync', (sync) =>
      this.#hear(() => {
        on.sync?.(sync)
        if (this.#status === 'joining') this.#becomeLive()
      }),
    )
    this.#on('change', (change) => this.#hear(() => on.change?.(change)))
    this.#on('head', (head) => this.#hear(() => on.head?.(head)))
    this.#on('delta', (delta) => this.#hear(() => on.delta?.(delta)))
    this.#on('presence', (presence) => this.#hear(() => on.presence?.(presence)))
    this.#on('draft', (notice) => this.#hear(() => on.draft?.(notice)))
  }

  get status(): Status {
    return this.#status
  }

  /** Starts an attempt, unless one is under way or has succeeded. */
  join(): void {
    if (this.#status !== 'down') return
    this.#status = 'joining'
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

  #on<Event extends keyof ServerEvents>(event: Event, handle: ServerEvents[Event]): void {
    // Assertion: the server's payloads are what the contract says; pages don't load a validator.
    this.#socket.on(event, handle as (payload: unknown) => void)
  }

  #hear(handle: () => void): void {
    // After `leave`, the socket may still hand over what it had received before.
    if (this.#status === 'down' || this.#lifetime.ended) return
    this.#owner.heard()
    handle()
  }

  #becomeLive(): void {
    this.#cancelJoin()
    this.#status = 'live'
    this.#owner.live()
    this.#listener.live()
  }

  #refused(error: unknown): void {
    const hasProblem = typeof error === 'object' && error !== null && 'data' in error
    const problem = hasProblem ? error.data : undefined
    this.#end(problem === undefined ? undefined : faultFromProblem(problem))
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
