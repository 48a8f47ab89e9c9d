// Read the settings, start, wait for a signal. The exit code is 0 after an orderly stop, 1 when something is wrong at start.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import type { Embedded } from '@lockstep/embedded-mongo'

enableCompileCache() // where npm start did not
const { ConfigError } = await import('./config/config-error.ts')
const { readConfig } = await import('./config/config.ts')
const { createLogger } = await import('./observability/logger.ts')

let embedded: Promise<Embedded> | undefined
try {
  const config = readConfig(process.env)
  const atTerminal = process.stdout.isTTY
  const { terminalStream } = await import('./observability/terminal.ts')
  const logger = createLogger(config.logLevel, atTerminal ? terminalStream : undefined)
  const onFault = (error: Error) => logger.fatal({ err: error }, 'the embedded database broke')
  // before the server is imported: its thread loads while this one does
  if (!config.mongodbUrl) {
    const { startEmbedded } = await import('@lockstep/embedded-mongo')
    embedded = startEmbedded({ dataDir: join(config.dataDir, 'db'), onFault })
  }
  embedded?.catch(() => undefined) // told where it is awaited
  const { startServer } = await import('./server.ts')
  const mongodbUrl = config.mongodbUrl ?? (await embedded!).url
  const server = await startServer(
    { ...config, mongodbUrl },
    {
      logger,
      ofProcess: true,
      // a line for each request would push the address out of sight
      requestLogLevel: atTerminal ? 'debug' : 'info',
    },
  )
  if (!atTerminal) logger.info({ url: server.url }, 'serving')
  process.stdout.write(`Lockstep is at ${server.url}\n`)

  const stopAll = async () => {
    await server.stop()
    await (await embedded)?.stop()
  }
  const stop = (signal: NodeJS.Signals) => {
    logger.info({ signal }, 'stopping')
    stopAll().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'could not stop in order')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'))
} catch (error) {
  const lines =
    error instanceof ConfigError
      ? error.message
      : `Lockstep could not start: ${String((error as Error).message ?? error)}`
  process.stderr.write(`${lines}\n`)
  await embedded?.then((started) => started.stop()).catch(() => undefined)
  process.exit(1)
}
