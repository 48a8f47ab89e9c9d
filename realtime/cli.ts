#!/usr/bin/env node
// `lockstep <command>`: what operators do by hand, with the settings of the nodes. The exit code is 0 when all is well, 1 when something was
// found or failed, 2 when the command line can't be understood.
import { once } from 'node:events'
import { join } from 'node:path'
import { newId } from '../protocol/ids.ts'
import { createImport } from './commands/import/import.ts'
import { createPreferences } from './commands/preferences.ts'
import { ConfigError, readConfig } from './config.ts'
import { startEmbedded } from './embedded/start.ts'
import { stopOnce } from './lifecycle.ts'
import { createLogger } from './log.ts'
import { createLog } from './log/log.ts'
import { readCommand, USAGE, UsageError, type Command } from './operator/arguments.ts'
import { runCommand, type Console } from './operator/run.ts'
import { openDatabase } from './store/database.ts'
import { toFault } from './store/faults.ts'
import { migrate } from './store/migrations.ts'

const logger = createLogger('silent')
const out: Console = {
  async print(value) {
    if (!process.stdout.write(`${JSON.stringify(value)}\n`)) await once(process.stdout, 'drain')
  },
  tell: (line) => void process.stderr.write(`${line}\n`),
}

async function run(command: Exclude<Command, { name: 'help' }>): Promise<boolean> {
  const stops = stopOnce(logger)
  try {
    const { mongodbUrl, dataDir } = readConfig(process.env)
    const embedded = mongodbUrl === undefined ? await startEmbedded({ dataDir: join(dataDir, 'db') }) : undefined
    if (embedded) stops.add('embedded database', () => embedded.stop())
    const database = await openDatabase(mongodbUrl ?? embedded!.url)
    stops.add('database', () => database.close())
    await migrate(database, { owner: newId() })
    const log = createLog(database, logger)
    stops.add('log', () => log.stop())
    const imports = createImport(database, log, createPreferences(database, log), logger)
    return await runCommand(command, { database, log, imports }, out)
  } finally {
    await stops.run()
  }
}

try {
  const command = readCommand(process.argv.slice(2))
  if (command.name === 'help') process.stdout.write(USAGE)
  else process.exitCode = (await run(command)) ? 0 : 1
} catch (error) {
  const isUsage = error instanceof UsageError
  const known = isUsage || error instanceof ConfigError
  out.tell(known ? (error as Error).message : `lockstep: ${String((toFault(error).cause as Error | undefined)?.message ?? (error as Error).message)}`) // prettier-ignore
  if (isUsage) out.tell(`\n${USAGE}`)
  process.exitCode = isUsage ? 2 : 1
}
