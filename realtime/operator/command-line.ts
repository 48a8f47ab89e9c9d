// Parses the command line of `lockstep`.
import { parseArgs } from 'node:util'
import { ImportSource } from '@lockstep/protocol/import'

export const USAGE = `Usage: lockstep <command>

  new-epoch
      The last step of a restore from a backup. Restart the nodes afterwards.
  backup <file>
      Copies the embedded database to a file. The node may run meanwhile.
  restore <file>
      Puts a backup in place of the embedded database. Run new-epoch afterwards.
  verify [file]
      Checks the embedded database, or a backup of it.
  repair
      Keeps what is whole of a damaged embedded database and lists what isn't. Run new-epoch afterwards.
  erased < words
      Searches everything that Lockstep keeps for words, one a line, such as texts, the name and the
      id of a deleted account. Prints where it looked, and which lines it found.
  audit <user | all> [--content]
      Checks the log and prints it as JSON lines. Prints what people wrote only with --content.
  import <user> <source> <file>… [--dry-run]
      Imports JSON or ZIP files of any size, one after the other.
      The source is one of: ${ImportSource.options.join(', ')}.
      After an interruption, run the same command again.
  link <user> <subject> [--issuer <address>]
      Lets the user sign in at the OpenID Connect provider too: as the subject ("sub"), by which the
      provider knows the person. The issuer is OIDC_ISSUER unless another is given.
  unlink <user>
      Takes that way to sign in away again.
  users list
      Prints the accounts as JSON lines.
  users lock <user> · users unlock <user>
      A locked account can't sign in, and all its devices are signed out at once.
  users approve <user>
      Lets an account in that waits for approval (SIGN_UP=approval).
  users invite [--uses <n>] [--days <n>]
      Prints a link with which one person, or n, can sign up (SIGN_UP=invite). It is valid for 7 days.
  users reset-link <user>
      Prints a link with which the user can choose a new password, once and within an hour.
  users second-step-off <user>
      Turns two-step verification off for a user who has lost the app, the passkeys and the codes.
      The password, or a passkey, then suffices.
  users end-sessions <user>
      Signs all devices of the user out.
  users delete <user>
      Deletes the account and everything in it.
  users log
      Prints what operators did to accounts, as JSON lines.
  migrate --from <mongodb url> [--collection <name>] [--users <file>] [--dry-run]
      Migrates documents with embedded messages. The file is a JSON object that maps each user_id of
      the documents to a username. After an interruption, run the same command again.

A user is a username or an id. The command needs the settings of the nodes (MONGODB_URL, DATA_DIR, …).
With the embedded database, stop the node first, except for a backup.
`

/** The command line is wrong. The message says why. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** A command on the files of the embedded database. */
export type DataCommand =
  | { name: 'backup' | 'restore'; file: string }
  | { name: 'verify'; file: string | undefined }
  | { name: 'repair' }

/** A command about accounts. */
export type UsersCommand = { name: 'users' } & (
  | { action: 'list' | 'log' }
  | { action: 'invite'; uses: number; days: number }
  | { action: UserAction; user: string }
)
export const userActions = [
  'lock',
  'unlock',
  'approve',
  'reset-link',
  'second-step-off',
  'end-sessions',
  'delete',
] as const

export type UserAction = (typeof userActions)[number]

export type OperatorCommand =
  | UsersCommand
  | { name: 'help' }
  | { name: 'new-epoch' }
  | { name: 'erased' }
  | DataCommand
  | { name: 'audit'; user: string; content: boolean }
  | { name: 'import'; user: string; source: ImportSource; files: string[]; dry_run: boolean }
  | { name: 'link'; user: string; subject: string; issuer: string | undefined }
  | { name: 'unlink'; user: string }
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
  issuer: { type: 'string' },
  uses: { type: 'string' },
  days: { type: 'string' },
} as const

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** Throws `UsageError`. */
export function readCommand(args: readonly string[]): OperatorCommand {
  const { values, positionals } = parseOptions(args)
  const [name, ...rest] = positionals
  const {
    from,
    issuer,
    users,
    collection = 'conversations',
    content = false,
    'dry-run': dry_run = false,
  } = values
  if (values.help || name === undefined) return { name: 'help' }
  switch (name) {
    case 'new-epoch':
      if (rest.length > 0) throw new UsageError('new-epoch takes no arguments')
      return { name }
    case 'backup':
    case 'restore':
      if (rest.length !== 1) throw new UsageError(`${name} takes one argument: a file`)
      return { name, file: rest[0]! }
    case 'verify':
      if (rest.length > 1) throw new UsageError('verify takes at most one argument: a backup file')
      return { name, file: rest[0] }
    case 'repair':
    case 'erased':
      if (rest.length > 0) throw new UsageError(`${name} takes no arguments`)
      return { name }
    case 'audit':
      if (rest.length !== 1) throw new UsageError('audit takes one argument: a user, or all')
      return { name, user: rest[0]!, content }
    case 'import': {
      const [user, sourceName, ...files] = rest
      const source = ImportSource.safeParse(sourceName)
      if (user === undefined || !source.success || files.length === 0)
        throw new UsageError('import takes a user, a source and at least one file')
      return { name, user, source: source.data, files, dry_run }
    }
    case 'link': {
      const [user, subject] = rest
      if (rest.length !== 2 || !subject?.trim())
        throw new UsageError('link takes two arguments: a user and a subject')
      return { name, user: user!, subject, issuer }
    }
    case 'unlink':
      if (rest.length !== 1) throw new UsageError('unlink takes one argument: a user')
      return { name, user: rest[0]! }
    case 'users':
      return readUsersCommand(rest, values)
    case 'migrate':
      if (rest.length > 0 || from === undefined)
        throw new UsageError('migrate takes no arguments, and needs --from with a MongoDB URL')
      return { name, from, collection, users, dry_run }
    default:
      throw new UsageError(`There is no command called ${name}`)
  }
}

function readUsersCommand(
  [action, ...rest]: readonly string[],
  { uses = '1', days = '7' }: { uses?: string; days?: string },
): UsersCommand {
  if (action === 'list' || action === 'log' || action === 'invite') {
    if (rest.length > 0) throw new UsageError(`users ${action} takes no user`)
    if (action !== 'invite') return { name: 'users', action }
    return { name: 'users', action, uses: toCount(uses, '--uses'), days: toCount(days, '--days') }
  }
  const known = userActions.find((name) => name === action)
  if (!known) throw new UsageError(`There is no command called users ${action ?? ''}`)
  if (rest.length !== 1) throw new UsageError(`users ${known} takes one argument: a user`)
  return { name: 'users', action: known, user: rest[0]! }
}

function toCount(value: string, option: string): number {
  if (!/^[1-9]\d{0,3}$/.test(value))
    throw new UsageError(`${option} must be a number from 1 to 9999`)
  return Number(value)
}
