// One server: a database engine that listens at a socket. Stopping it lets running commands finish,
// ends those that wait, and closes the data.
//
//   socket -> wire/message -> commands/dispatch -> a command
//     reads:  query/select -> plan/planner -> plan/scanner -> storage/documents
//     writes: storage/documents -> the table, its indexes and the oplog
//   the reply waits in the store for the next commit (onDurable) -> wire/connection -> socket
//   the commit publishes the new oplog entries -> change streams that wait for them
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { DatabaseEngine } from './engine.ts'
import type { ServerSettings } from './settings.ts'
import { addressFile } from './storage/data-files.ts'
import { FailPoints } from './testing/fail-points.ts'
import { serveConnection } from './wire/connection.ts'

/** Grace time for clients to close their side when the server stops. */
const CLOSE_TIMEOUT_MS = 500

/** Where a server listens: a unix socket, or a port of 127.0.0.1 (0: any free port). */
export type Address = { path: string } | { port: number }

export interface RunningServer {
  /** The connection string. A database's name goes between the last `/` and the `?`. */
  readonly url: string
  stop(): Promise<void>
}

/** `onFault` receives an error that the server can't survive; its connections are closed then. */
export async function runServer(
  dataDir: string,
  address: Address,
  settings: ServerSettings,
  onFault: (error: Error) => void,
): Promise<RunningServer> {
  const stopping = new AbortController()
  const sockets = new Set<Socket>()
  const fail = (error: Error): void => {
    stopping.abort()
    for (const socket of sockets) socket.destroy()
    onFault(error)
  }
  const engine = new DatabaseEngine(dataDir, settings, fail)
  const failPoints = settings.testCommands ? new FailPoints() : undefined
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    const run = failPoints?.dispatcher(() => socket.destroy())
    serveConnection(socket, engine, stopping.signal, run)
  })
  try {
    // A killed server leaves the file of its socket behind. No other server can be using it: this
    // one holds the data directory.
    if ('path' in address) rmSync(address.path, { force: true })
    server.listen('path' in address ? address : { ...address, host: '127.0.0.1' })
    await once(server, 'listening')
  } catch (error) {
    engine.close()
    throw error
  }
  let stopped: Promise<void> | undefined
  const bound = server.address()
  engine.address = typeof bound === 'string' ? bound : `127.0.0.1:${bound!.port}`
  writeFileSync(addressFile(dataDir), engine.address, { mode: 0o600 })
  const host = typeof bound === 'string' ? encodeURIComponent(bound) : engine.address
  return {
    url: `mongodb://${host}/?directConnection=true`,
    stop: () => {
      rmSync(addressFile(dataDir), { force: true })
      return (stopped ??= shutDown(server, sockets, engine, stopping))
    },
  }
}

async function shutDown(
  server: Server,
  sockets: ReadonlySet<Socket>,
  engine: DatabaseEngine,
  stopping: AbortController,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  stopping.abort()
  // In the first turn the waiting commands reply, in the second the commit runs that the replies
  // need.
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  try {
    engine.close()
  } finally {
    for (const socket of sockets) socket.end(() => socket.destroySoon())
    const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), CLOSE_TIMEOUT_MS)
    await closed
    clearTimeout(timer)
  }
}
