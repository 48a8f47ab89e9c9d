// One namespace's socket: attempts, requests, and the events of the server. A request that was sent ends once: with the server's answer,
// or as `Lost` when it can't be known any more whether the server did it.
import type { Fault } from '@lockstep/protocol/errors'
import type { Ack, Draining, Handshake, ServerEvents } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { createDeferred } from './deferred.ts'
import { faultFromProblem } from './rest/call.ts'
import type { Connect, SocketLike } from './platform.ts'
import type { Lifetime } from './lifetime.ts'

/** No answer came: the server may or may not have done it. */
class Lost extends Error {}

/** What a channel tells the topic that listens to it. */
export interface TopicConnectionListener {
  /** The handshake of the next attempt. */
  handshake(): Handshake
  on: { [Event in Exclude<keyof ServerEvents, 'draining'>]?: ServerEvents[Event] }
  /** The first `sync` of a connection has been handled: commands can flow. */
  live(): void
  down?(): void
  /** Has to send a request that changes nothing. */
  ask(): void
}

/** What a channel tells the connection that owns it. */
export interface TopicConnectionOwner {
  live(): void
  /** It ended or never came to be; `fault` when the server refused. */
  down(channel: TopicConnection, fault: Fault | undefined): void
  draining(withinMs: number): void
  /** Something came. */
  heard(): void
  /** An answer came, after `ms` milliseconds. */
  answered(ms: number): void
  /** Calls back once nothing has come over any channel for too long, from now on, or in minutes. Returns the canceller. */
  whenSilent(callback: () => void): () => void
  /** It was silent while something was awaited. */
  mute(): void
}

type Status = 'down' | 'joining' | 'live'

export class TopicConnection {
  readonly topic: Topic
  readonly #socket: SocketLike
  readonly #scope: Lifetime
  readonly #listener: TopicConnectionListener
  readonly #owner: TopicConnectionOwner
  readonly #unanswered = new Set<(lost: Lost) => void>()
  #status: Status = 'down'
  #cancelJoin = () => {}

  constructor(
    topic: Topic,
    connect: Connect,
    scope: Lifetime,
    listener: TopicConnectionListener,
    owner: TopicConnectionOwner,
  ) {
    this.topic = topic
    this.#scope = scope
    this.#listener = listener
    this.#owner = owner
    this.#socket = connect(`/${topic}`, () => listener.handshake())
    this.#socket.on('connect_error', (error) => this.#refused(error))
    this.#socket.on('disconnect', () => this.#ended(undefined))
    this.#hear('sync')
    this.#hear('change')
    this.#hear('head')
    this.#hear('delta')
    this.#hear('presence')
    this.#socket.on('draining', (payload) => {
      this.#owner.draining((payload as Draining).reconnect_within_ms)
    })
  }

  get status(): Status {
    return this.#status
  }

  /** One attempt; nothing happens while one is under way or has succeeded. */
  join(): void {
    if (this.#status !== 'down') return
    this.#status = 'joining'
    this.#cancelJoin = this.#owner.whenSilent(() => this.#owner.mute())
    this.#socket.connect()
  }

  /** Ends the attempt or the connection; the owner hears of it. */
  leave(): void {
    if (this.#status === 'down') return
    this.#ended(undefined)
    this.#socket.disconnect()
  }

  /** Throws Lost, also at once when the channel isn't live. */
  request(event: string, payload: object): Promise<Ack> {
    if (this.#status !== 'live') return Promise.reject(new Lost('not connected'))
    const { promise, resolve, reject } = createDeferred<Ack>()
    const sentAt = this.#scope.elapsed()
    const settle = (act: () => void) => {
      cancel()
      this.#unanswered.delete(lose)
      act()
    }
    const lose = (lost: Lost) => settle(() => reject(lost))
    const cancel = this.#owner.whenSilent(() => this.#owner.mute())
    this.#unanswered.add(lose)
    this.#socket.emit(event, payload, (answer) => {
      this.#owner.answered(this.#scope.elapsed() - sentAt)
      settle(() => resolve(answer as Ack))
    })
    return promise
  }

  /** Finds out whether the server is there. */
  ask(): void {
    this.#listener.ask()
  }

  #hear<Event extends 'sync' | 'change' | 'head' | 'delta' | 'presence'>(event: Event): void {
    this.#socket.on(event, (payload) => {
      // A socket that was left may still hand over what it had received.
      if (this.#status === 'down' || this.#scope.ended) return
      this.#owner.heard()
      const listener = this.#listener.on[event] as ((payload: unknown) => void) | undefined
      listener?.(payload)
      if (event === 'sync' && this.#status === 'joining') this.#joined()
    })
  }

  #joined(): void {
    this.#cancelJoin()
    this.#status = 'live'
    this.#owner.live()
    this.#listener.live()
  }

  #refused(error: unknown): void {
    const problem = (error as { data?: unknown }).data
    this.#ended(problem === undefined ? undefined : faultFromProblem(problem))
  }

  #ended(fault: Fault | undefined): void {
    if (this.#status === 'down') return
    this.#cancelJoin()
    this.#status = 'down'
    for (const lose of [...this.#unanswered]) lose(new Lost('disconnected'))
    this.#listener.down?.()
    this.#owner.down(this, fault)
  }
}
