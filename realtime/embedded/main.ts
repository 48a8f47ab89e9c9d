// The embedded database as its own process. Prints one JSON line with its URL when it is ready; SIGTERM or SIGINT ends it
// cleanly with code 0; a failure ends it with code 1 and a sentence on stderr.
import { mkdtemp, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { defaultSettings } from './settings.ts'
import { runServer } from './server.ts'
import { connectionString } from './connection-string.ts'

const { values } = parseArgs({
  options: {
    'data-dir': { type: 'string' },
    socket: { type: 'string' },
    port: { type: 'string' },
    'test-commands': { type: 'boolean', default: false },
    'ttl-sweep-ms': { type: 'string' },
    'oplog-max-age-ms': { type: 'string' },
    'oplog-max-bytes': { type: 'string' },
    'trim-ms': { type: 'string' },
    'noop-interval-ms': { type: 'string' },
  },
})

function end(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function number(
  name: 'ttl-sweep-ms' | 'oplog-max-age-ms' | 'oplog-max-bytes' | 'trim-ms' | 'noop-interval-ms',
  fallback: number,
): number {
  const value = values[name] === undefined ? fallback : Number(values[name])
  return Number.isFinite(value) && value > 0 ? value : end(`--${name} must be a positive number`)
}

async function main(): Promise<void> {
  const dataDir = values['data-dir'] ?? end('Say where the data lives: --data-dir DIR')
  // Drivers tell a socket's path from a host's name by its ending.
  if (values.socket !== undefined && !values.socket.endsWith('.sock'))
    end('--socket needs a path that ends in .sock')
  const socketDir =
    values.socket || values.port ? undefined : await mkdtemp(join(tmpdir(), 'embedded-db-'))
  const path = values.socket ?? (socketDir && join(socketDir, 'db.sock'))
  const parameters = {
    ttlSweepMs: number('ttl-sweep-ms', defaultSettings.ttlSweepMs),
    oplogMaxAgeMs: number('oplog-max-age-ms', defaultSettings.oplogMaxAgeMs),
    oplogMaxBytes: number('oplog-max-bytes', defaultSettings.oplogMaxBytes),
    trimMs: number('trim-ms', defaultSettings.trimMs),
    noopIntervalMs: number('noop-interval-ms', defaultSettings.noopIntervalMs),
    testCommands: values['test-commands'],
  }
  const address = values.port === undefined ? { path: path! } : { port: Number(values.port) }
  const server = await listenAgain(
    () => runServer(dataDir, address, parameters, (error) => end(error.message)),
    values.socket,
  )
  const stop = (): void => {
    void server.stop().then(async () => {
      if (socketDir) await rm(socketDir, { recursive: true, force: true })
      process.exit(0)
    })
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  process.stdout.write(
    `${JSON.stringify({ url: connectionString(server.port === undefined ? path! : `127.0.0.1:${server.port}`) })}\n`,
  )
}

/** A killed server leaves its socket's name behind. Whoever has the data directory may take the name. */
async function listenAgain<T>(start: () => Promise<T>, socket: string | undefined): Promise<T> {
  try {
    return await start()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || !socket) throw error
    await unlink(socket)
    return start()
  }
}

main().catch((error: unknown) => end(error instanceof Error ? error.message : String(error)))
