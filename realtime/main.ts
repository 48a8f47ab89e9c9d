// The entry point of a node: reads the settings, starts the server and waits for a signal to stop.
// The exit code is 0 after an orderly stop, and 1 if the start, the stop or the embedded database
// failed.
import { join } from 'node:path'
import type { Embedded } from '@lockstep/embedded-mongo'
import { useCompileCache } from './config/compile-cache.ts'

// Whatever this process writes is for its user alone.
process.umask(0o077)
useCompileCache(process.env)
const { ConfigError } = await import('./config/config-error.ts')
const { readConfig } = await import('./config/config.ts')
const { createLogger } = await import('./observability/logger.ts')

let embedded: Promise<Embedded> | undefined
try {
  const config = readConfig(process.env)
  const atTerminal = process.stdout.isTTY
  const { terminalStream } = await import('./observability/terminal.ts')
  const logger = createLogger(config.logLevel, atTerminal ? terminalStream : undefined)
  // Without its database the process can't serve. It ends, so that a supervisor starts it anew.
  const onFault = (error: Error) => {
    logger.fatal({ err: error }, 'the embedded database failed')
    process.exit(1)
  }
  // The database starts before the server is imported, so that both threads load at the same time.
  const databaseFolder = config.mongodbUrl ? undefined : join(config.dataDir, 'db')
  if (databaseFolder !== undefined) {
    const { startEmbedded } = await import('@lockstep/embedded-mongo')
    embedded = startEmbedded({ dataDir: databaseFolder, onFault })
  }
  // A failure is reported where the promise is awaited.
  embedded?.catch(() => undefined)
  const { startServer } = await import('./server.ts')
  const mongodbUrl = config.mongodbUrl ?? (await embedded!).url
  const server = await startServer(
    { ...config, mongodbUrl },
    {
      logger,
      ofProcess: true,
      databaseFolder,
      // At a terminal, a line per request would push the address out of sight.
      requestLogLevel: atTerminal ? 'debug' : 'info',
    },
  )
  const stopAll = async () => {
    await server.stop()
    await (await embedded)?.stop()
  }
  const stop = (signal: NodeJS.Signals) => {
    logger.info({ signal }, 'stopping')
    stopAll().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'the server could not stop in an orderly way')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('unhandledRejection', (error) =>
    logger.error({ err: error }, 'a rejected promise was not handled'),
  )
  // Whoever waits for this line may stop the process at once.
  if (!atTerminal) logger.info({ url: server.url }, 'serving')
  process.stdout.write(`Lockstep is at ${server.url}\n`)
} catch (error) {
  const lines =
    error instanceof ConfigError
      ? error.message
      : `Lockstep could not start: ${String((error as Error).message ?? error)}`
  process.stderr.write(`${lines}\n`)
  await embedded?.then((started) => started.stop()).catch(() => undefined)
  process.exit(1)
}
