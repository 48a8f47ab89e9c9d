// What each command of the operators does with a database that is open. Results go to `print` as JSON, a line each; `tell` is for people.
import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { ImportUseCases } from '../commands/import/import.ts'
import type { Log } from '../log/log.ts'
import type { ChangeDocument } from '../store/changes.ts'
import { openDatabase, type Database } from '../store/database.ts'
import { renameDeployment } from '../store/feed.ts'
import { renewEpochs } from '../store/heads.ts'
import { asOperator, findAccount } from './accounts.ts'
import { UsageError, type OperatorCommand } from './command-line.ts'
import { allUsers, audit } from './audit.ts'
import { importFile } from './import-file.ts'
import { migrateDocuments } from './migrate-documents.ts'

export interface OperatorTerminal {
  /** Writes a line of the result; resolves when the reader keeps up. */
  print: (line: string) => void | Promise<void>
  tell: (line: string) => void
  /** Calls `stop` at the first Ctrl+C until it is disposed of; otherwise, and from the second on, that ends the process. */
  onInterrupt: (stop: () => void) => Disposable
}

export interface OperatorDeps {
  database: Database
  log: Log
  imports: ImportUseCases
}

/** True when everything is in order; false when something was found or failed, which has been told. Throws `UsageError`. */
export async function runCommand(
  command: Exclude<OperatorCommand, { name: 'help' }>,
  rooms: OperatorDeps,
  out: OperatorTerminal,
): Promise<boolean> {
  switch (command.name) {
    case 'new-epoch': {
      await renameDeployment(rooms.database)
      const topics = await renewEpochs(rooms.database, newId().slice(-12))
      out.tell(`${topics} logs have a new epoch: restart the nodes, and all devices load again`)
      return true
    }
    case 'audit':
      return runAudit(command, rooms, out)
    case 'import':
      return runImport(command, rooms, out)
    case 'migrate':
      return runMigrate(command, rooms, out)
  }
}

type Of<Name extends OperatorCommand['name']> = Extract<OperatorCommand, { name: Name }>

async function accountOf(database: Database, name: string): Promise<string> {
  const user = await findAccount(database, name)
  if (!user) throw new UsageError(`There is no user ${name}`)
  return user._id
}

async function runAudit(
  { user, content }: Of<'audit'>,
  { database, log }: OperatorDeps,
  out: OperatorTerminal,
): Promise<boolean> {
  const users = user === 'all' ? allUsers(database) : [await accountOf(database, user)]
  const { faults, ...counts } = await audit(database, log, users, {
    entry: (entry) => out.print(JSON.stringify(content ? entry : outlineOf(entry))),
    fault: (fault) => out.tell(JSON.stringify(fault)),
  })
  out.tell(`${counts.users} users, ${counts.entries} entries, ${faults} faults`)
  return faults === 0
}

/** An entry with the names of what it changed, without what people wrote. */
function outlineOf({ data, before: _before, fingerprint: _fingerprint, ...entry }: ChangeDocument) {
  return { fields: Object.keys(data ?? {}), ...entry }
}

async function runImport(
  { user, source, files, dry_run }: Of<'import'>,
  rooms: OperatorDeps,
  out: OperatorTerminal,
): Promise<boolean> {
  const caller = asOperator(await accountOf(rooms.database, user))
  const interrupt = new AbortController()
  using _ = out.onInterrupt(() => interrupt.abort())
  let [isFine, current] = [true, '']
  try {
    for (const file of files) {
      current = file
      const progress = (items: number, bytes: number, size: number) =>
        out.tell(`${file}: ${items} items, ${megabytes(bytes)} of ${megabytes(size)} MB`)
      const result = await importFile(rooms.imports, file, {
        caller,
        source,
        dry_run,
        stop: interrupt.signal,
        progress,
      })
      await out.print(JSON.stringify({ file, ...result }))
      if (result.failed.length > 0) isFine = false
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    out.tell(
      `${current}: ${error.message}. What came before is in; repeating the command goes on from there`,
    )
    return false
  }
  return isFine
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)

const UserNames = z.record(z.string(), z.string())

async function runMigrate(
  command: Of<'migrate'>,
  rooms: OperatorDeps,
  out: OperatorTerminal,
): Promise<boolean> {
  const { from, collection, users, dry_run } = command
  const names =
    users === undefined ? {} : UserNames.parse(JSON.parse(await readFile(users, 'utf8')))
  const source = await openDatabase(from)
  try {
    const documents = source.dbWithoutTimeout.collection(collection).find().sort({ _id: 1 })
    const { failed, ...counts } = await migrateDocuments(rooms, {
      documents,
      accountOf: (owner) => (Object.hasOwn(names, owner) ? names[owner]! : owner),
      dry_run,
      progress: ({ documents, messages, failed }) =>
        out.tell(`${documents} conversations, ${messages} messages, ${failed.length} failed`),
    })
    for (const one of failed) await out.print(JSON.stringify(one))
    await out.print(JSON.stringify({ ...counts, failed: failed.length }))
    return failed.length === 0
  } finally {
    await source.close()
  }
}
