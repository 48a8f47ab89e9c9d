// How accounts are created. The invariant: a user's heads exist before the user, who could do
// nothing without them. A lost race or a crash leaves heads without a user.
import { randomBytes } from 'node:crypto'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { noPreferences } from '@lockstep/protocol/reduce/preferences'
import { usernameFrom, type HostUser } from '../auth/host-user.ts'
import type { Log } from '../log/log.ts'
import { deleteHeads } from '../store/account-entries.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import { findUserOfHost, insertUser } from '../store/users.ts'

interface NewAccountDeps {
  database: Database
  log: Log
}

/** undefined: the name is taken, or the host's user has an account already. */
export async function makeAccount(
  { database, log }: NewAccountDeps,
  who: Pick<UserDocument, 'username' | 'password_hash' | 'host' | 'waiting'>,
): Promise<UserDocument | undefined> {
  const user: UserDocument = {
    _id: newId(),
    ...who,
    preferences: {},
    preferences_version: noPreferences.version,
    preferences_seq: 0,
    version: 1,
    created_at: new Date(),
  }
  await log.create(user._id)
  if (await insertUser(database, user)) return user
  await deleteHeads(database, user._id)
  return undefined
}

/**
 * The account of a user of the host app; it is created at the first sign-in. It never takes over an
 * account that was created otherwise: if the name is taken, the new one gets a suffix. Throws
 * `unauthenticated` while the account is being deleted.
 */
export async function accountOfHost(
  deps: NewAccountDeps,
  { issuer, subject, names }: HostUser,
  stateOfNew: () => Pick<UserDocument, 'waiting'>,
): Promise<UserDocument> {
  const host = { issuer, subject }
  const wanted = usernameFrom(names)
  for (let username = wanted; ; username = withSuffix(wanted)) {
    const user =
      (await findUserOfHost(deps.database, host)) ??
      (await makeAccount(deps, { username, host, ...stateOfNew() }))
    if (user?.closing)
      throw new Fault('unauthenticated', { detail: 'This account is being deleted' })
    if (user) return user
  }
}

const withSuffix = (name: string): string =>
  `${name.slice(0, limits.usernameMax - 7)}-${randomBytes(3).toString('hex')}`
