// What the engine needs from outside, so that tests can script it: sockets and time.
import type { Handshake } from '@lockstep/protocol/sync'

/**
 * One namespace's socket, as socket.io-client has it. Events: `connect`, `connect_error` (an Error, with `data` when the server refused),
 * `disconnect`, and the server's. It must not reconnect by itself: the engine does.
 */
export interface SocketLike {
  on(event: string, listener: (payload: unknown) => void): unknown
  emit(event: string, payload: unknown, ack: (answer: unknown) => void): unknown
  /** Starts one attempt; asks `auth` anew. */
  connect(): unknown
  disconnect(): unknown
}

/** Makes a socket, not yet connected, for a namespace (`/conversations`, …). `auth` gives the handshake of each attempt. */
export type Connect = (namespace: string, auth: () => Handshake) => SocketLike

/** The timers of the platform, or of a test, and the clock that they go by. */
export interface Clock {
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  /** Milliseconds since some moment. Nobody sets this clock, as people and networks set the one of the day. */
  elapsed(): number
}

export const systemClock: Clock = {
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  elapsed: () => performance.now(),
}
