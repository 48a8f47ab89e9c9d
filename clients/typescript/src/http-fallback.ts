// What to do while no WebSocket reaches the server although HTTP does, as behind a proxy that
// doesn't pass `Upgrade`. Commands then travel over HTTP, and each topic asks for changes every few
// seconds. The WebSocket is tried again and again, and takes over as soon as it works.
//
//   socket --no WebSocket, twice in a row or after a long wait--> polling --HTTP fails--> down
//     ^                                                              |
//     +----------------a later attempt receives its `sync`-----------+
import type { Handshake } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Lifetime } from './lifetime.ts'
import type { Connect, SocketLike } from './platform.ts'
import type { PollingSocket } from './polling-socket.ts'
import type { Call } from './rest/call.ts'

/**
 * How many attempts in a row must fail before HTTP is used. One may fail because a node restarts.
 */
const FAILURES = 2
/**
 * If one attempt takes this long to fail, something swallows it, and HTTP is used at once;
 * milliseconds.
 */
const LONG_WAIT = 5_000
/** The delays before the first and the later attempts to return to the WebSocket; milliseconds. */
const FIRST_RETURN = 5_000
const MAX_RETURN = 60_000

export interface HttpFallbackDeps {
  call: Call
  lifetime: Lifetime
  /** `isUsed` has changed. */
  changed(): void
}

/** The fallback of all connections of one engine session. */
export class HttpFallback {
  readonly #connect: Connect
  readonly #deps: HttpFallbackDeps
  readonly #sockets = new Set<FallbackSocket>()

  constructor(connect: Connect, deps: HttpFallbackDeps) {
    this.#connect = connect
    this.#deps = deps
  }

  /** Whether a topic gets its changes over HTTP. */
  get isUsed(): boolean {
    return [...this.#sockets].some(({ isPolling }) => isPolling)
  }

  readonly connect: Connect = (namespace, auth) => {
    const socket = new FallbackSocket(namespace, auth, this.#connect, this.#deps)
    this.#sockets.add(socket)
    return socket
  }
}

type Listener = (payload: unknown) => void

class FallbackSocket implements SocketLike {
  readonly #webSocket: SocketLike
  /** Its code is loaded when it is first needed, which is when HTTP is known to work. */
  #polling: PollingSocket | undefined
  #loading: Promise<PollingSocket> | undefined
  readonly #topic: Topic
  readonly #auth: () => Handshake
  readonly #deps: HttpFallbackDeps
  readonly #listeners = new Map<string, Listener[]>()
  #mode: 'down' | 'socket' | 'polling' = 'down'
  #startedAt = 0
  #failures = 0
  #returns = 0
  #cancelReturn = () => {}

  constructor(namespace: string, auth: () => Handshake, connect: Connect, deps: HttpFallbackDeps) {
    this.#deps = deps
    this.#webSocket = connect(namespace, auth)
    // Assertion: the engine opens the topics' namespaces and no others.
    this.#topic = namespace.slice(1) as Topic
    this.#auth = auth
    for (const event of ['change', 'head', 'delta', 'presence', 'draft', 'draining', 'disconnect'])
      this.#webSocket.on(event, (payload) => {
        if (this.#mode === 'socket') this.#tell(event, payload)
      })
    this.#webSocket.on('sync', (sync) => this.#synced(sync))
    this.#webSocket.on('connect_error', (error) => this.#refused(error))
  }

  get isPolling(): boolean {
    return this.#mode === 'polling'
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  emit(event: string, payload: unknown, ack: Listener): void {
    const socket = this.#mode === 'polling' ? this.#polling : this.#webSocket
    socket?.emit(event, payload, ack)
  }

  connect(): void {
    this.#become('socket')
    this.#startedAt = this.#deps.lifetime.elapsed()
    this.#webSocket.connect()
  }

  disconnect(): void {
    this.#become('down')
    this.#webSocket.disconnect()
    this.#polling?.disconnect()
  }

  #become(mode: 'down' | 'socket' | 'polling'): void {
    const wasPolling = this.isPolling
    this.#mode = mode
    if (!this.isPolling) this.#cancelReturn()
    if (wasPolling !== this.isPolling) this.#deps.changed()
  }

  #synced(sync: unknown): void {
    if (this.#mode === 'down') return
    this.#failures = this.#returns = 0
    if (this.#mode === 'polling') {
      this.#polling?.disconnect()
      this.#become('socket')
    }
    this.#tell('sync', sync)
  }

  #refused(error: unknown): void {
    if (this.#mode !== 'socket') return
    const isAnswer =
      typeof error === 'object' && error !== null && 'data' in error && error.data !== undefined
    if (isAnswer) this.#failures = 0
    else if (this.#deps.lifetime.elapsed() - this.#startedAt >= LONG_WAIT) this.#failures = FAILURES
    else this.#failures += 1
    if (this.#failures < FAILURES) return this.#tell('connect_error', error)
    this.#become('polling')
    void this.#poll(error)
    this.#returnLater()
  }

  async #poll(error: unknown): Promise<void> {
    try {
      this.#loading ??= this.#createPolling()
      this.#polling = await this.#loading
      if (this.isPolling) this.#polling.connect()
    } catch {
      this.#loading = undefined
      if (this.isPolling) this.#polled('connect_error', error)
    }
  }

  async #createPolling(): Promise<PollingSocket> {
    const { PollingSocket } = await import('./polling-socket.ts')
    const polling = new PollingSocket(this.#topic, this.#auth, this.#deps)
    for (const event of ['sync', 'disconnect', 'connect_error'])
      polling.on(event, (payload) => {
        if (this.isPolling) this.#polled(event, payload)
      })
    return polling
  }

  #polled(event: string, payload: unknown): void {
    if (event !== 'sync') {
      this.#become('down')
      this.#webSocket.disconnect()
    }
    this.#tell(event, payload)
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
