// Bounds what a connection sends besides events: control frames, which the library answers, and
// packets such as heartbeats and joins. No limit of events counts them, and before a connection has
// joined nothing else does. Programs send one every few seconds, if at all.
import { EventEmitter } from 'node:events'
import type { Socket } from 'socket.io'
import { PacketType } from 'socket.io-parser'
import { TokenBucket } from '../auth/token-bucket.ts'

/** Of one connection. */
const CONTROL_FRAMES = { rate: 2, burst: 50 }

/** Ends the connection when it brings more of them. Throws if the library has changed. */
export function limitControlFrames(engineSocket: Socket['conn']): void {
  const { transport, request } = engineSocket
  // Engine.IO keeps the WebSocket private.
  const socket = 'socket' in transport && transport.socket
  if (!(socket instanceof EventEmitter))
    throw new Error('engine.io has changed: the limit of control frames must be adapted to it')
  const bucket = new TokenBucket(CONTROL_FRAMES)
  const count = () => {
    if (bucket.take() === 0) return
    engineSocket.close(true) // what has arrived with it is dropped too
    request.socket.destroy()
  }
  socket.on('ping', count)
  socket.on('pong', count)
  engineSocket.on('packet', ({ type, data }: { type: string; data?: unknown }) => {
    const isEvent = typeof data === 'string' && data.startsWith(String(PacketType.EVENT))
    if (type !== 'message' || !isEvent) count()
  })
}
