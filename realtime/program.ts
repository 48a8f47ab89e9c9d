// The command `lockstep <command>` as a function: reads the command line, opens the database that
// the settings name, runs the command and closes everything.
import { join } from 'node:path'
import type { Embedded } from '@lockstep/embedded-mongo'
import { newId } from '@lockstep/protocol/ids'
import { createDrafts } from './commands/drafts.ts'
import { createSessions } from './auth/sessions.ts'
import { createAccountDeletion } from './commands/account-deletion.ts'
import { createAccountLog } from './commands/account-log.ts'
import { createAccountSessions } from './commands/account-sessions.ts'
import { createSecurityChanges } from './commands/security-changes.ts'
import type { SessionSockets } from './commands/session-sockets.ts'
import { createWaysIn } from './commands/ways-in.ts'
import { createImport } from './commands/import/import.ts'
import { createPreferences } from './commands/preferences.ts'
import { ConfigError } from './config/config-error.ts'
import { readConfig, type Config } from './config/config.ts'
import { createShutdown } from './lifecycle/shutdown.ts'
import { createLogger } from './observability/logger.ts'
import { createLog, type Log } from './log/log.ts'
import {
  readCommand,
  USAGE,
  UsageError,
  type DataCommand,
  type OperatorCommand,
} from './operator/command-line.ts'
import { runDataCommand } from './data-commands.ts'
import { runErased } from './erased-command.ts'
import { readWords } from './operator/erased/wanted-words.ts'
import { runCommand, type OperatorTerminal } from './operator/run-command.ts'
import type { UsersDeps } from './operator/users.ts'
import { openKeys } from './sealing.ts'
import { openDatabase, type Database } from './store/database.ts'
import { toServerFault } from './store/faults.ts'
import { migrateSchema } from './store/migrations.ts'

const logger = createLogger('silent')

/**
 * Returns the exit code: 0 if all is well, 1 if the command failed or found a fault, 2 if the
 * command line is invalid. Never rejects: errors are written to the terminal.
 */
export async function runProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  terminal: OperatorTerminal,
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
        : `lockstep: ${String((toServerFault(error).cause as Error | undefined)?.message ?? (error as Error).message)}`,
    )
    if (isUsage) terminal.tell(`\n${USAGE}`)
    return isUsage ? 2 : 1
  }
}

async function run(
  command: Exclude<OperatorCommand, { name: 'help' }>,
  env: NodeJS.ProcessEnv,
  terminal: OperatorTerminal,
): Promise<boolean> {
  const shutdown = createShutdown(logger)
  try {
    const config = readConfig(env)
    const { mongodbUrl, dataDir, oidc } = config
    if (command.name === 'erased')
      return await runErased(config, readWords(await terminal.readInput()), terminal)
    if (isDataCommand(command)) {
      if (mongodbUrl === undefined)
        return await runDataCommand(command, join(dataDir, 'db'), terminal)
      throw new UsageError(
        `${command.name} is for the embedded database, and MONGODB_URL names another one. Use the tools of that database`,
      )
    }
    const embedded = mongodbUrl === undefined ? await startDatabase(join(dataDir, 'db')) : undefined
    if (embedded) shutdown.add('embedded database', () => embedded.stop())
    const database = await openDatabase(mongodbUrl ?? embedded!.url, openKeys(config))
    shutdown.add('database', () => database.close())
    await migrateSchema(database, { owner: newId() })
    const log = createLog(database, logger)
    shutdown.add('log', () => log.stop())
    const imports = createImport({
      database,
      log,
      preferences: createPreferences(database, log),
      // Devices read the drafts when they connect to a node.
      drafts: createDrafts({ database, log, changed: () => undefined }),
      logger,
    })
    const securityChanges = createSecurityChanges(log)
    const users = { ...usersDeps(database, log, config), securityChanges }
    const links = { database, securityChanges, waysIn: createWaysIn(config), issuer: oidc?.issuer }
    return await runCommand(command, { database, log, imports, users, links }, terminal)
  } finally {
    await shutdown.run()
  }
}

/**
 * This process has no sockets. The nodes see in the log what it has written, and tell the devices.
 */
const noSockets: SessionSockets = {
  disconnectSessions: () => undefined,
  renewSockets: () => undefined,
  onlineSessions: () => Promise.resolve(new Set()),
}

function usersDeps(
  database: Database,
  log: Log,
  config: Config,
): Omit<UsersDeps, 'securityChanges'> {
  const { host, port, publicOrigins, basePath = '', sessionSecrets: secrets } = config
  const sessions = createSessions({ database, secrets, logger })
  return {
    database,
    ofUser: createAccountSessions({
      database,
      accountLog: createAccountLog(log),
      sessions,
      devices: noSockets,
    }),
    deletion: createAccountDeletion({ database, log, devices: noSockets }),
    pageAddress: (publicOrigins[0] ?? `http://${host}:${port}`) + basePath,
  }
}

function isDataCommand(command: OperatorCommand): command is DataCommand {
  return ['backup', 'restore', 'verify', 'repair'].includes(command.name)
}

/** Loads the embedded database only when it is needed, so that an image can leave it out. */
async function startDatabase(dataDir: string): Promise<Embedded> {
  const { startEmbedded } = await import('@lockstep/embedded-mongo')
  return startEmbedded({ dataDir })
}
