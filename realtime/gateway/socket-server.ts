// The Socket.IO server and the TCP sockets under it. Closing the server ends all of them within a
// short time, even if a device no longer answers. Otherwise the HTTP server could not close.
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server, type Socket } from 'socket.io'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import { isObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { NetworkBuckets } from '../auth/network-buckets.ts'
import type { TopicServer } from './connection.ts'
import { limitControlFrames } from './control-frames.ts'
import { Debtors } from './debtors.ts'
import { frameParser } from './frame-decoder.ts'
import type { GatewaySettings } from './settings.ts'

/** How long a device may take to answer the close of its WebSocket (ms). */
const CLOSE_MS = 500
/** A join of somebody in debt counts as so many connections of its address. */
const JOIN_IN_DEBT = 20

export interface SocketServer {
  io: TopicServer
  /** A user has tried to join without waiting until the debt was paid. */
  joinedInDebt(request: IncomingMessage, debtMs: number): void
  /** Resolves when no TCP socket is open. */
  allClosed(): Promise<void>
  close(): Promise<void>
}

export interface SocketServerDeps {
  addressOf: (request: IncomingMessage) => string
  /** As for HTTP. */
  basePath?: string
}

export function openSocketServer(
  httpServer: HttpServer,
  { timings, connections }: GatewaySettings,
  { addressOf, basePath = '' }: SocketServerDeps,
): SocketServer {
  const path = `${basePath}/socket.io/`
  const networks = new NetworkBuckets(connections)
  const debtors = new Debtors()
  const io: TopicServer = new Server(httpServer, {
    path,
    // engine.io would only half-close a foreign upgrade. The listener below destroys it.
    destroyUpgrade: false,
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    // until the connection has joined a namespace (`admitLargeFrames`)
    maxHttpBufferSize: limits.handshakeBytes,
    parser: frameParser,
    allowRequest: (request, decide) =>
      decide(undefined, !debtors.has(request) && networks.take(addressOf(request)) === 0),
    pingInterval: timings.ping,
    pingTimeout: timings.silence,
    connectTimeout: timings.connect,
  })
  const open = new Set<TcpSocket>()
  let empty = Promise.withResolvers<void>()
  httpServer.on('upgrade', ({ url = '' }, socket) => {
    if (!url.startsWith(path)) socket.destroy()
  })
  io.engine.on('connection', (engineSocket: Socket['conn']) => {
    const { socket } = engineSocket.request
    open.add(socket)
    limitControlFrames(engineSocket)
    engineSocket.once('close', () => setTimeout(() => socket.destroy(), CLOSE_MS).unref())
    socket.once('close', () => {
      open.delete(socket)
      if (open.size > 0) return
      empty.resolve()
      empty = Promise.withResolvers<void>()
    })
  })
  // Without this middleware, the root namespace would admit anybody.
  io.use((_socket, next) => {
    const fault = new Fault('not_found', {
      detail: 'Join /conversations, /preferences, /agents or /account',
    })
    next(Object.assign(new Error(fault.code), { data: toProblem(fault) }))
  })

  const allClosed = () => (open.size === 0 ? Promise.resolve() : empty.promise)
  return {
    io,
    joinedInDebt(request, debtMs) {
      debtors.note(request, debtMs)
      networks.spend(addressOf(request), JOIN_IN_DEBT)
    },
    allClosed,
    async close() {
      io.engine.close()
      await Promise.race([allClosed(), sleep(CLOSE_MS, undefined, { ref: false })])
      for (const socket of open) socket.destroy()
    },
  }
}

/**
 * Lets a connection that has joined a namespace send frames of the full size. Throws if another
 * version of the library no longer has the member that says how large a frame may be.
 */
export function admitLargeFrames({ transport }: Socket['conn']): void {
  // Engine.IO keeps the WebSocket private, and `ws` its receiver.
  const socket = 'socket' in transport && transport.socket
  const receiver = isObject(socket) && socket._receiver
  if (receiver === undefined) return // the connection has ended
  if (!isObject(receiver) || typeof receiver._maxPayload !== 'number')
    throw new Error('ws has changed: the limit of frames must be adapted to it')
  receiver._maxPayload = limits.frameBytes
}
