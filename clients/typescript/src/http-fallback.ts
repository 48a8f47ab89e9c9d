// A topic's socket once no WebSocket has reached the server although HTTP may, as behind a proxy
// that doesn't pass `Upgrade`. Commands then travel over HTTP, and the topic asks for changes every
// few seconds. The WebSocket is tried again and again, and takes over as soon as it works.
//
//   socket --`poll`--> polling --HTTP fails--> down
//     ^                   |
//     +--a later attempt receives its `sync`
import type { Handshake } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Lifetime } from './lifetime.ts'
import type { SocketLike } from './platform.ts'
import { PollingSocket } from './polling-socket.ts'
import type { Call } from './rest/call.ts'

/** The delays before the first and the later attempts to return to the WebSocket; milliseconds. */
const FIRST_RETURN = 5_000
const MAX_RETURN = 60_000

export interface HttpFallbackDeps {
  call: Call
  lifetime: Lifetime
  /** `isPolling` has changed. */
  changed(): void
}

type Listener = (payload: unknown) => void

export class FallbackSocket implements SocketLike {
  readonly #webSocket: SocketLike
  readonly #polling: PollingSocket
  readonly #deps: HttpFallbackDeps
  readonly #listeners = new Map<string, Listener[]>()
  #mode: 'down' | 'socket' | 'polling' = 'down'
  #returns = 0
  #cancelReturn = () => {}

  constructor(
    webSocket: SocketLike,
    topic: Topic,
    handshake: () => Handshake,
    deps: HttpFallbackDeps,
  ) {
    this.#deps = deps
    this.#webSocket = webSocket
    for (const event of [
      'change',
      'head',
      'delta',
      'presence',
      'draft',
      'draining',
      'disconnect',
      'connect_error',
    ])
      webSocket.on(event, (payload) => {
        if (this.#mode === 'socket') this.#tell(event, payload)
      })
    webSocket.on('sync', (sync) => this.#synced(sync))
    this.#polling = new PollingSocket(topic, handshake, deps)
    for (const event of ['sync', 'disconnect', 'connect_error'])
      this.#polling.on(event, (payload) => {
        if (this.isPolling) this.#polled(event, payload)
      })
  }

  /** Whether the topic gets its changes over HTTP. */
  get isPolling(): boolean {
    return this.#mode === 'polling'
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  emit(event: string, payload: unknown, ack: Listener): void {
    const socket = this.isPolling ? this.#polling : this.#webSocket
    socket.emit(event, payload, ack)
  }

  connect(): void {
    this.#become('socket')
    this.#webSocket.connect()
  }

  /** The attempt has failed, as did others before: uses HTTP in its place. */
  poll(): void {
    this.#become('polling')
    this.#polling.connect()
    this.#returnLater()
  }

  disconnect(): void {
    this.#become('down')
    this.#webSocket.disconnect()
    this.#polling.disconnect()
  }

  #become(mode: 'down' | 'socket' | 'polling'): void {
    const wasPolling = this.isPolling
    this.#mode = mode
    if (!this.isPolling) this.#cancelReturn()
    if (wasPolling !== this.isPolling) this.#deps.changed()
  }

  #synced(sync: unknown): void {
    if (this.#mode === 'down') return
    this.#returns = 0
    if (this.isPolling) {
      this.#polling.disconnect()
      this.#become('socket')
    }
    this.#tell('sync', sync)
  }

  #polled(event: string, payload: unknown): void {
    this.#tell(event, payload)
    if (event !== 'sync') this.disconnect()
  }

  /**
   * Each attempt ends when the next one begins, because something may swallow it and never answer.
   */
  #returnLater(): void {
    const delay = Math.min(MAX_RETURN, FIRST_RETURN * 2 ** Math.min(this.#returns++, 10))
    this.#cancelReturn = this.#deps.lifetime.after(delay, () => {
      this.#webSocket.disconnect()
      this.#webSocket.connect()
      this.#returnLater()
    })
  }

  #tell(event: string, payload: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(payload)
  }
}
