// The command line of `lockstep`: which command, with what. Whatever is wrong with it is said in one sentence, with the usage.
import { parseArgs } from 'node:util'
import { ImportSource } from '@lockstep/protocol/import'

export const USAGE = `Usage: lockstep <command>, with the settings (MONGODB_URL, DATA_DIR, …) of the nodes

  new-epoch                               the last step of a restore from a backup; then restart the nodes
  audit <user | all> [--content]          writes the log as JSON lines and checks it; what people wrote only with --content
  import <user> <source> <file>… [--dry-run]
                                          source: ${ImportSource.options.join(', ')}
                                          JSON or ZIP files of any size, one after the other. Repeat it after an interruption
  migrate --from <mongodb url> [--collection <name>] [--users <file>] [--dry-run]
                                          brings over documents with embedded messages; the file is a JSON object from their
                                          user_id to username. Repeat it after an interruption: it goes on

A user is named by username or id. With the embedded database, stop the node first.
`

/** The command line can't be understood; the message says why. */
export class UsageError extends Error {
  override name = 'UsageError'
}

export type OperatorCommand =
  | { name: 'help' }
  | { name: 'new-epoch' }
  | { name: 'audit'; user: string; content: boolean }
  | { name: 'import'; user: string; source: ImportSource; files: string[]; dry_run: boolean }
  | {
      name: 'migrate'
      from: string
      collection: string
      users: string | undefined
      dry_run: boolean
    }

const options = {
  help: { type: 'boolean', short: 'h' },
  content: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  from: { type: 'string' },
  collection: { type: 'string' },
  users: { type: 'string' },
} as const

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** Throws `UsageError`. */
export function readCommand(args: readonly string[]): OperatorCommand {
  const { values, positionals } = parsed(args)
  const [name, ...rest] = positionals
  const {
    from,
    users,
    collection = 'conversations',
    content = false,
    'dry-run': dry_run = false,
  } = values
  if (values.help || name === undefined) return { name: 'help' }
  switch (name) {
    case 'new-epoch':
      if (rest.length > 0) throw new UsageError('new-epoch takes nothing')
      return { name }
    case 'audit':
      if (rest.length !== 1) throw new UsageError('audit takes a user, or all')
      return { name, user: rest[0]!, content }
    case 'import': {
      const [user, given, ...files] = rest
      const source = ImportSource.safeParse(given)
      if (user === undefined || !source.success || files.length === 0)
        throw new UsageError('import takes a user, a source and files')
      return { name, user, source: source.data, files, dry_run }
    }
    case 'migrate':
      if (rest.length > 0 || from === undefined)
        throw new UsageError('migrate takes --from and a MongoDB URL')
      return { name, from, collection, users, dry_run }
    default:
      throw new UsageError(`There is no command ${name}`)
  }
}
