// `lockstep <command>` as a function: reads the command line, opens the database that the settings name, does it, and closes everything.
import { join } from 'node:path'
import type { Embedded } from '@lockstep/embedded-mongo'
import { newId } from '@lockstep/protocol/ids'
import { createImport } from './commands/import/import.ts'
import { createPreferences } from './commands/preferences.ts'
import { ConfigError } from './config/config-error.ts'
import { readConfig } from './config/config.ts'
import { createShutdown } from './lifecycle/shutdown.ts'
import { createLogger } from './observability/logger.ts'
import { createLog } from './log/log.ts'
import { readCommand, USAGE, UsageError, type Command } from './operator/arguments.ts'
import { runCommand, type Terminal } from './operator/run.ts'
import { openDatabase } from './store/database.ts'
import { toFault } from './store/faults.ts'
import { migrate } from './store/migrations.ts'

const logger = createLogger('silent')

/**
 * Answers the exit code: 0 when all is well, 1 when something was found or failed, 2 when the command line can't be understood. Never
 * rejects: what went wrong has been told.
 */
export async function runProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  terminal: Terminal,
): Promise<number> {
  try {
    const command = readCommand(args)
    if (command.name !== 'help') return (await run(command, env, terminal)) ? 0 : 1
    await terminal.print(USAGE.trimEnd())
    return 0
  } catch (error) {
    const isUsage = error instanceof UsageError
    const known = isUsage || error instanceof ConfigError
    terminal.tell(
      known
        ? (error as Error).message
        : `lockstep: ${String((toFault(error).cause as Error | undefined)?.message ?? (error as Error).message)}`,
    )
    if (isUsage) terminal.tell(`\n${USAGE}`)
    return isUsage ? 2 : 1
  }
}

async function run(
  command: Exclude<Command, { name: 'help' }>,
  env: NodeJS.ProcessEnv,
  terminal: Terminal,
): Promise<boolean> {
  const stops = createShutdown(logger)
  try {
    const { mongodbUrl, dataDir } = readConfig(env)
    const embedded = mongodbUrl === undefined ? await startDatabase(join(dataDir, 'db')) : undefined
    if (embedded) stops.add('embedded database', () => embedded.stop())
    const database = await openDatabase(mongodbUrl ?? embedded!.url)
    stops.add('database', () => database.close())
    await migrate(database, { owner: newId() })
    const log = createLog(database, logger)
    stops.add('log', () => log.stop())
    const imports = createImport(database, log, createPreferences(database, log), logger)
    return await runCommand(command, { database, log, imports }, terminal)
  } finally {
    await stops.run()
  }
}

/** Loads the embedded database only when it is needed, so that an image can leave it out. */
async function startDatabase(dataDir: string): Promise<Embedded> {
  const { startEmbedded } = await import('@lockstep/embedded-mongo')
  return startEmbedded({ dataDir })
}
