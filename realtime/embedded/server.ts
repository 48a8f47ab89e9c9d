// One server: an engine behind a listening socket. `stop` lets what runs finish, ends what waits, and closes the data.
import { createServer, type Server, type Socket } from 'node:net'
import { Engine } from './engine.ts'
import type { Parameters } from './parameters.ts'
import { serveConnection } from './wire/connection.ts'

/** Where to listen: a unix socket, or a port of 127.0.0.1 (0: any free one). */
export type Address = { path: string } | { port: number }

/** A running server. */
export interface RunningServer {
  /** The port, when it listens on one. */
  readonly port: number | undefined
  stop(): Promise<void>
}

/** Opens the data directory and listens. `onFault` is told of what the server cannot survive; it has stopped answering by then. */
export async function runServer(
  dataDir: string,
  address: Address,
  parameters: Parameters,
  onFault: (error: Error) => void,
): Promise<RunningServer> {
  const stopping = new AbortController()
  const sockets = new Set<Socket>()
  const fail = (error: Error): void => {
    stopping.abort()
    for (const socket of sockets) socket.destroy()
    onFault(error)
  }
  const engine = new Engine(dataDir, parameters, fail)
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    serveConnection(socket, engine, stopping.signal)
  })
  try {
    await listen(server, address)
  } catch (error) {
    engine.close()
    throw error
  }
  let stopped: Promise<void> | undefined
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : undefined,
    stop: () => (stopped ??= shutDown(server, sockets, engine, stopping)),
  }
}

function listen(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(
      'path' in address ? { path: address.path } : { port: address.port, host: '127.0.0.1' },
      () => {
        server.off('error', reject)
        resolve()
      },
    )
  })
}

async function shutDown(
  server: Server,
  sockets: ReadonlySet<Socket>,
  engine: Engine,
  stopping: AbortController,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  stopping.abort()
  // One turn for the commands that were waiting to answer, one for the commit their answers depend on.
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  engine.close()
  for (const socket of sockets) socket.end(() => socket.destroySoon())
  const impatient = setTimeout(() => sockets.forEach((socket) => socket.destroy()), 500)
  await closed
  clearTimeout(impatient)
}
