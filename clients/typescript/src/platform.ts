// What the engine needs from its platform, so that tests can replace it: sockets and time.
import type { Handshake } from '@lockstep/protocol/sync'

/**
 * One namespace's socket, with the methods of socket.io-client's sockets. Besides the server's
 * events it emits `connect_error` (an Error, with the server's problem as `data` if the server
 * refused) and `disconnect`. It doesn't reconnect by itself, because the engine decides when to.
 */
export interface SocketLike {
  on(event: string, listener: (payload: unknown) => void): unknown
  /** `ack` is called at most once. */
  emit(event: string, payload: unknown, ack: (response: unknown) => void): unknown
  /** Starts one attempt. */
  connect(): unknown
  disconnect(): unknown
}

/** Where the server is. */
export interface ServerAddress {
  /** `https://host[:port]`; '' in a page that the server itself delivers. */
  origin: string
  /** The server's `BASE_PATH`, such as `/chat`. Default: it has none. */
  path?: string
}

/** What all addresses on the server begin with; '' on the server that delivered the page. */
export const baseOf = ({ origin, path = '' }: ServerAddress): string =>
  origin.replace(/\/+$/, '') + `/${path}`.replace(/\/+$/, '').replace(/^\/+/, '/')

/** As `credentials` of `fetch`. */
export type CredentialsMode = 'include' | 'omit' | 'same-origin'

/** How the server learns whose requests these are, if a browser doesn't send a cookie by itself. */
export interface Credentials {
  /** Sent with each HTTP request and, in Node, with each WebSocket's: the session cookie. */
  headers?: () => Record<string, string>
  /** A token in place of a cookie. It is asked for before each request and each connection. */
  token?: () => string | Promise<string>
}

/**
 * Makes the socket of a namespace (`/conversations`, …), not yet connected. `auth` is called at
 * each attempt and returns its handshake.
 */
export type Connect = (namespace: string, auth: () => Handshake) => SocketLike

/** Timers, and the clock that they go by. */
export interface Clock {
  /** Returns what `clearTimeout` takes. */
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  /** Milliseconds since some moment. Unlike the time of day, nobody can set this clock. */
  elapsed(): number
}

export const systemClock: Clock = {
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  // Assertion: it comes from the line above; each platform has its own type.
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  elapsed: () => performance.now(),
}
