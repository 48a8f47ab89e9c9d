// The operators' commands about accounts. Each one is kept in the operators' own audit before it is
// carried out, and takes effect on every node through the log.
import { userInfo } from 'node:os'
import { newId } from '@lockstep/protocol/ids'
import type { SecurityChange } from '@lockstep/protocol/passkeys'
import { hashOf, newSecret } from '../commands/secret-links.ts'
import type { AccountDeletion } from '../commands/account-deletion.ts'
import type { AccountSessions } from '../commands/account-sessions.ts'
import type { SecurityChanges } from '../commands/security-changes.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import { insertInvitation } from '../store/invitations.ts'
import { insertOperation, listOperations } from '../store/operations.ts'
import { unsetSecondStep } from '../store/second-steps.ts'
import { listUsers, setApproved, setLocked, setReset } from '../store/users.ts'
import { asOperator, findExistingAccount } from './accounts.ts'
import { UsageError, type UserAction, type UsersCommand } from './command-line.ts'

/** How long a link for a new password is valid (ms). */
const RESET_MS = 60 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000

export interface UsersDeps {
  database: Database
  ofUser: Pick<AccountSessions, 'endOthers'>
  deletion: Pick<AccountDeletion, 'remove'>
  securityChanges: Pick<SecurityChanges, 'tell'>
  /** Where the page is, without a slash at the end. */
  pageAddress: string
}

/** Keeps what an operator is about to do. */
export const noteOperation = (
  database: Database,
  command: string,
  user?: Pick<UserDocument, '_id' | 'username'>,
): Promise<void> =>
  insertOperation(database, {
    _id: newId(),
    at: new Date(),
    operator: userInfo().username,
    command,
    ...(user && { user_id: user._id, username: user.username }),
  })

/** Throws `UsageError` for a user that doesn't exist. */
export async function runUsersCommand(
  command: UsersCommand,
  deps: UsersDeps,
  terminal: { print: (line: string) => void | Promise<void> },
): Promise<boolean> {
  const { database } = deps
  const print = (value: object) => terminal.print(JSON.stringify(value))
  if (command.action === 'list') {
    await noteOperation(database, 'users list')
    for await (const user of listUsers(database)) await print(listed(user))
  } else if (command.action === 'log') {
    for await (const { _id, ...operation } of listOperations(database)) await print(operation)
  } else if (command.action === 'invite') {
    await noteOperation(database, 'users invite')
    const secret = newSecret()
    const now = Date.now()
    const expires_at = new Date(now + command.days * DAY_MS)
    const { uses } = command
    await insertInvitation(database, {
      _id: hashOf(secret),
      uses,
      created_at: new Date(now),
      expires_at,
    })
    await print({ invitation: `${deps.pageAddress}/app/sign-up#${secret}`, uses, expires_at })
  } else if ('user' in command) {
    const user = await findExistingAccount(database, command.user)
    await noteOperation(database, `users ${command.action}`, user)
    await print(await changes[command.action](user, deps))
  }
  return true
}

type Change = (user: UserDocument, deps: UsersDeps) => Promise<object>

const changes: Record<UserAction, Change> = {
  async lock(user, deps) {
    const { database, ofUser } = deps
    await setLocked(database, user._id, true)
    await endSessions(user, ofUser)
    await tell(user, 'account_locked', deps)
    return listed({ ...user, locked: true })
  },
  async unlock({ locked: _locked, ...user }, deps) {
    await setLocked(deps.database, user._id, false)
    await tell(user, 'account_unlocked', deps)
    return listed(user)
  },
  async approve({ waiting: _waiting, ...user }, { database }) {
    await setApproved(database, user._id)
    return listed(user)
  },
  async 'end-sessions'(user, deps) {
    await endSessions(user, deps.ofUser)
    // the short-lived tokens end too, but no entry of the log says so
    await tell(user, 'devices_signed_out', deps)
    return listed(user)
  },
  async 'reset-link'(user, { database, pageAddress }) {
    if (user.password_hash === undefined)
      throw new UsageError(`${user.username} has no password here: the sign-in is elsewhere`)
    const secret = newSecret()
    const expires_at = new Date(Date.now() + RESET_MS)
    await setReset(database, user._id, { hash: hashOf(secret), expires_at })
    return { link: `${pageAddress}/app/reset-password#${user._id}.${secret}`, expires_at }
  },
  async 'second-step-off'({ second_step, ...user }, deps) {
    if (!second_step) throw new UsageError(`${user.username} has no second step to turn off`)
    if (await unsetSecondStep(deps.database, user._id)) await tell(user, 'second_step_off', deps)
    return listed(user)
  },
  async delete(user, { deletion }) {
    await deletion.remove(user)
    return { deleted: user.username }
  },
}

const endSessions = ({ _id }: UserDocument, ofUser: UsersDeps['ofUser']): Promise<void> =>
  ofUser.endOthers({ ...asOperator(_id), mutation_id: newId() })

const tell = (
  { _id }: Pick<UserDocument, '_id'>,
  what: SecurityChange,
  { securityChanges }: UsersDeps,
): Promise<void> => securityChanges.tell({ ...asOperator(_id), mutation_id: newId() }, [what], what)

/** An account as operators see it: nothing of its content, and no secrets. */
const listed = ({
  _id,
  username,
  created_at,
  host,
  second_step,
  locked,
  waiting,
}: UserDocument) => ({
  id: _id,
  username,
  created_at,
  ...(host && { host }),
  ...(second_step && { second_step: true }),
  ...(locked && { locked }),
  ...(waiting && { waiting }),
})
