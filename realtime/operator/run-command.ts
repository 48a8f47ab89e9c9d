// Runs an operator's command on an open database. `print` receives the results, one line of JSON
// each; `tell` receives messages for people.
import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { ImportUseCases } from '../commands/import/import.ts'
import type { Log } from '../log/log.ts'
import { openDatabase, type Database } from '../store/database.ts'
import type { ChangeDocument } from '../store/documents.ts'
import { renameDeployment } from '../store/feed.ts'
import { renewEpochs } from '../store/heads.ts'
import { asOperator, findExistingAccount } from './accounts.ts'
import { changeLink, type LinkDeps } from './link-account.ts'
import type { DataCommand, OperatorCommand } from './command-line.ts'
import { allUsers, audit } from './audit.ts'
import { noteOperation, runUsersCommand, type UsersDeps } from './users.ts'
import { importFile } from './import-file.ts'
import { migrateDocuments } from './migrate-documents.ts'

export interface OperatorTerminal {
  /** Writes one line of the result. Await it, so that a slow reader slows the command down. */
  print: (line: string) => void | Promise<void>
  /** Writes a message for a person. */
  tell: (line: string) => void
  /** What the command is given on its standard input. */
  readInput: () => Promise<string>
  /**
   * Until disposed, the first Ctrl+C calls `stop` instead of ending the process. The second one
   * ends the process.
   */
  onInterrupt: (stop: () => void) => Disposable
}

export interface OperatorDeps {
  database: Database
  log: Log
  imports: ImportUseCases
  users: UsersDeps
  links: LinkDeps
}

/**
 * Returns false if the command found a problem or failed, after it has told the person so. Throws
 * `UsageError` for a user that doesn't exist.
 */
export async function runCommand(
  command: Exclude<OperatorCommand, DataCommand | { name: 'help' | 'erased' }>,
  deps: OperatorDeps,
  terminal: OperatorTerminal,
): Promise<boolean> {
  switch (command.name) {
    case 'new-epoch': {
      await noteOperation(deps.database, 'new-epoch')
      await renameDeployment(deps.database)
      const topics = await renewEpochs(deps.database, newId().slice(-12))
      terminal.tell(
        `${topics} logs have a new epoch. Restart the nodes: then all devices load their data again`,
      )
      return true
    }
    case 'audit':
      return runAudit(command, deps, terminal)
    case 'import':
      return runImport(command, deps, terminal)
    case 'link':
    case 'unlink': {
      const user = await findExistingAccount(deps.database, command.user)
      await noteOperation(deps.database, command.name, user)
      return changeLink(command, deps.links, terminal)
    }
    case 'users':
      return runUsersCommand(command, deps.users, terminal)
    case 'migrate':
      return runMigrate(command, deps, terminal)
  }
}

type CommandOf<Name extends OperatorCommand['name']> = Extract<OperatorCommand, { name: Name }>

async function runAudit(
  { user, content }: CommandOf<'audit'>,
  { database, log }: OperatorDeps,
  terminal: OperatorTerminal,
): Promise<boolean> {
  const account = user === 'all' ? undefined : await findExistingAccount(database, user)
  // whoever reads what people wrote leaves a trace
  if (content) await noteOperation(database, 'audit --content', account)
  const users = account ? [account._id] : allUsers(database)
  const { faults, ...counts } = await audit(database, log, users, {
    entry: (entry) => terminal.print(JSON.stringify(content ? entry : outlineOf(entry))),
    fault: (fault) => terminal.tell(JSON.stringify(fault)),
  })
  terminal.tell(`${counts.users} users, ${counts.entries} entries, ${faults} faults`)
  return faults === 0
}

/** An entry without what people wrote, but with the names of the fields it changed. */
function outlineOf({ data, before: _before, fingerprint: _fingerprint, ...entry }: ChangeDocument) {
  return { fields: Object.keys(data ?? {}), ...entry }
}

async function runImport(
  { user, source, files, dry_run }: CommandOf<'import'>,
  deps: OperatorDeps,
  terminal: OperatorTerminal,
): Promise<boolean> {
  const account = await findExistingAccount(deps.database, user)
  const caller = asOperator(account._id)
  if (!dry_run) await noteOperation(deps.database, 'import', account)
  const interrupt = new AbortController()
  using _ = terminal.onInterrupt(() => interrupt.abort())
  let [hasFailed, current] = [false, '']
  try {
    for (const file of files) {
      current = file
      const progress = (items: number, bytes: number, size: number) =>
        terminal.tell(`${file}: ${items} items, ${megabytes(bytes)} of ${megabytes(size)} MB`)
      const result = await importFile(deps.imports, file, {
        caller,
        source,
        dry_run,
        stop: interrupt.signal,
        progress,
        leftOut: (names) =>
          terminal.tell(`${file}: only conversations are imported, not ${names.join(', ')}`),
      })
      await terminal.print(JSON.stringify({ file, ...result }))
      if (result.failed.length > 0) hasFailed = true
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    terminal.tell(
      `${current}: ${error.message}. Everything before that has been imported. Run the same command again to continue`,
    )
    return false
  }
  return !hasFailed
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)

const UserNames = z.record(z.string(), z.string())

async function runMigrate(
  command: CommandOf<'migrate'>,
  deps: OperatorDeps,
  terminal: OperatorTerminal,
): Promise<boolean> {
  const { from, collection, users, dry_run } = command
  const names =
    users === undefined ? {} : UserNames.parse(JSON.parse(await readFile(users, 'utf8')))
  const source = await openDatabase(from)
  try {
    if (!dry_run) await noteOperation(deps.database, 'migrate')
    const documents = source.dbWithoutTimeout.collection(collection).find().sort({ _id: 1 })
    const { failed, ...counts } = await migrateDocuments(deps, {
      documents,
      accountOf: (owner) => (Object.hasOwn(names, owner) ? names[owner]! : owner),
      dry_run,
      progress: ({ documents, messages, failed }) =>
        terminal.tell(`${documents} conversations, ${messages} messages, ${failed.length} failed`),
    })
    for (const one of failed) await terminal.print(JSON.stringify(one))
    await terminal.print(JSON.stringify({ ...counts, failed: failed.length }))
    return failed.length === 0
  } finally {
    await source.close()
  }
}
