#!/usr/bin/env node
// The command `embedded-mongo`: the database as a process of its own. It prints one line of JSON
// with its `url` as soon as it accepts connections. SIGTERM or SIGINT stops it in order, with exit
// code 0. A failure ends it with exit code 1 and a sentence on stderr.
import { mkdtemp, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connectionString } from './connection-string.ts'
import { checkNodeVersion } from './node-version.ts'
import { defaultSettings, type ServerSettings } from './settings.ts'

interface CommandLine {
  readonly dataDir: string
  /** Path of the socket to listen at. */
  readonly socket: string | undefined
  /** Port of 127.0.0.1 to listen at; 0: any free port. */
  readonly port: number | undefined
  readonly settings: ServerSettings
}

function readCommandLine(): CommandLine {
  const { values } = parseArgs({
    options: {
      'data-dir': { type: 'string' },
      socket: { type: 'string' },
      port: { type: 'string' },
      'ttl-sweep-ms': { type: 'string' },
      'oplog-max-age-ms': { type: 'string' },
      'oplog-max-bytes': { type: 'string' },
      'trim-ms': { type: 'string' },
      'noop-interval-ms': { type: 'string' },
    },
  })
  const positive = (option: string, text: string | undefined, fallback: number): number => {
    const value = text === undefined ? fallback : Number(text)
    if (Number.isFinite(value) && value > 0) return value
    throw new Error(`--${option} must be a positive number`)
  }
  const { 'data-dir': dataDir, socket } = values
  if (dataDir === undefined) throw new Error('Name the directory of the data: --data-dir DIR')
  // Drivers tell the path of a socket from the name of a host by its ending.
  if (socket !== undefined && !socket.endsWith('.sock'))
    throw new Error('--socket needs a path that ends in .sock')
  const port = values.port === undefined ? undefined : Number(values.port)
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_536))
    throw new Error('--port must be a number from 0 to 65535')
  const { ttlSweepMs, oplogMaxAgeMs, oplogMaxBytes, trimMs, noopIntervalMs } = defaultSettings
  return {
    dataDir,
    socket,
    port,
    settings: {
      ttlSweepMs: positive('ttl-sweep-ms', values['ttl-sweep-ms'], ttlSweepMs),
      oplogMaxAgeMs: positive('oplog-max-age-ms', values['oplog-max-age-ms'], oplogMaxAgeMs),
      oplogMaxBytes: positive('oplog-max-bytes', values['oplog-max-bytes'], oplogMaxBytes),
      trimMs: positive('trim-ms', values['trim-ms'], trimMs),
      noopIntervalMs: positive('noop-interval-ms', values['noop-interval-ms'], noopIntervalMs),
    },
  }
}

async function main(): Promise<void> {
  checkNodeVersion()
  const { dataDir, socket, port, settings } = readCommandLine()
  const { runServer } = await import('./server.ts')
  const needsSocketDir = socket === undefined && port === undefined
  const socketDir = needsSocketDir ? await mkdtemp(join(tmpdir(), 'embedded-mongo-')) : undefined
  const path = socket ?? (socketDir && join(socketDir, 'db.sock'))
  const address = port === undefined ? { path: path! } : { port }
  const server = await retryOnStaleSocket(
    () => runServer(dataDir, address, settings, (error) => fail(error)),
    socket,
  )
  const stop = (): void => {
    void server.stop().then(async () => {
      if (socketDir) await rm(socketDir, { recursive: true, force: true })
      process.exit(0)
    })
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  const url = connectionString(server.port === undefined ? path! : `127.0.0.1:${server.port}`)
  process.stdout.write(`${JSON.stringify({ url })}\n`)
}

/**
 * A killed server leaves the file of its socket behind. Whoever holds the data directory may remove
 * it: no other server can be using it.
 */
async function retryOnStaleSocket<T>(
  start: () => Promise<T>,
  socket: string | undefined,
): Promise<T> {
  try {
    return await start()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || !socket) throw error
    await unlink(socket)
    return start()
  }
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

main().catch(fail)
