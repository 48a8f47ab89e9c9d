// Bounds what control frames cost. The library answers each ping of a client, and no limit of
// events counts them. Programs ping every few seconds, if at all.
import { EventEmitter } from 'node:events'
import type { Socket } from 'socket.io'
import { TokenBucket } from '../auth/token-bucket.ts'

/** Control frames of one connection. */
const CONTROL_FRAMES = { rate: 2, burst: 50 }

/** Ends the connection when it brings more of them. Throws if the library has changed. */
export function limitControlFrames({ transport, request }: Socket['conn']): void {
  // Engine.IO keeps the WebSocket private.
  const socket = 'socket' in transport && transport.socket
  if (!(socket instanceof EventEmitter))
    throw new Error('engine.io has changed: the limit of control frames must be adapted to it')
  const bucket = new TokenBucket(CONTROL_FRAMES)
  const count = () => {
    if (bucket.take() > 0) request.socket.destroy()
  }
  socket.on('ping', count)
  socket.on('pong', count)
}
