// Ends connections on which requests don't wait for the answers before them. No browser and no
// proxy sends so, and a single read of a connection can bring a thousand small requests, which
// would all begin in the same turn.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** So many requests of a connection may wait for an answer. */
const MOST_AT_ONCE = 8

/**
 * Counts a request until it is answered. False if it is one too many: its connection has been
 * ended, as that of those that came before and are not answered yet.
 */
export type AdmitRequest = (request: IncomingMessage, response: ServerResponse) => boolean

export function createRequestAdmission(): AdmitRequest {
  const unanswered = new WeakMap<Socket, number>()
  return ({ socket }, response) => {
    if (socket.destroyed) return false
    const before = unanswered.get(socket) ?? 0
    if (before >= MOST_AT_ONCE) {
      socket.destroy()
      return false
    }
    unanswered.set(socket, before + 1)
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1))
    return true
  }
}
