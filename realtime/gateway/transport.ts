// The Socket.IO server and the connections below it. Closing it ends them all within a grace, also those whose device answers no more:
// the HTTP server could not close before.
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Socket as NetSocket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server, type Socket } from 'socket.io'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import type { TopicServer } from './connection.ts'
import type { GatewaySettings } from './settings.ts'

const PATH = '/socket.io/'
/** How long a device may take to answer the end of its connection (ms). */
const FAREWELL_MS = 500

export interface Transport {
  io: TopicServer
  /** Resolves when no connection is open. */
  emptied(): Promise<void>
  close(): Promise<void>
}

export function openTransport(httpServer: HttpServer, { timings }: GatewaySettings): Transport {
  const io: TopicServer = new Server(httpServer, {
    path: PATH,
    destroyUpgrade: false, // it would only end its half
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: limits.frameBytes,
    pingInterval: timings.ping,
    pingTimeout: timings.silence,
    connectTimeout: timings.connect,
  })
  const open = new Set<NetSocket>()
  let empty = Promise.withResolvers<void>()
  httpServer.on('upgrade', ({ url = '' }, socket) => {
    if (!url.startsWith(PATH)) socket.destroy()
  })
  io.engine.on('connection', (connection: Socket['conn']) => {
    const { socket } = connection.request as IncomingMessage
    open.add(socket)
    connection.once('close', () => setTimeout(() => socket.destroy(), FAREWELL_MS).unref())
    socket.once('close', () => {
      open.delete(socket)
      if (open.size > 0) return
      empty.resolve()
      empty = Promise.withResolvers<void>()
    })
  })
  // `/` would join whoever connects without asking
  io.use((_socket, next) => {
    const fault = new Fault('not_found', {
      detail: 'Join /conversations, /preferences, /agents or /account',
    })
    next(Object.assign(new Error(fault.code), { data: toProblem(fault) }))
  })

  const emptied = () => (open.size === 0 ? Promise.resolve() : empty.promise)
  return {
    io,
    emptied,
    async close() {
      io.engine.close()
      await Promise.race([emptied(), sleep(FAREWELL_MS, undefined, { ref: false })])
      for (const socket of open) socket.destroy()
    },
  }
}
