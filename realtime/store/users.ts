// Accounts as documents. Unlike projections, they are written before the log and are always
// current. Only the fields `preferences*` belong to the projector.
import { MongoServerError } from 'mongodb'
import type { Database } from './database.ts'
import type { HostIdentity, UserDocument } from './documents.ts'
import { eraseDeleted } from './erasure.ts'

export const findUser = ({ users }: Database, user_id: string): Promise<UserDocument | null> =>
  users.findOne({ _id: user_id })

/** The fields that say who a user is. */
export type UserIdentity = Pick<
  UserDocument,
  '_id' | 'username' | 'host' | 'closing' | 'locked' | 'waiting' | 'created_at'
>

/** Whether anybody may act for this user now. */
export const mayBeUsed = (user: UserIdentity | undefined): user is UserIdentity =>
  user !== undefined && !user.closing && !user.locked && !user.waiting

/** The identities of users by id. Users that don't exist are left out. */
export async function findIdentities(
  { users }: Database,
  ids: readonly string[],
): Promise<Map<string, UserIdentity>> {
  const found = await users
    .find({ _id: { $in: [...ids] } })
    .project<UserIdentity>({
      username: 1,
      host: 1,
      closing: 1,
      locked: 1,
      waiting: 1,
      created_at: 1,
    })
    .toArray()
  return new Map(found.map((user) => [user._id, user]))
}

export const findUserByName = (
  { users }: Database,
  username: string,
): Promise<UserDocument | null> => users.findOne({ username })

export const findUserOfHost = (
  { users }: Database,
  { issuer, subject }: HostIdentity,
): Promise<UserDocument | null> => users.findOne({ 'host.subject': subject, 'host.issuer': issuer })

/** False if the username is taken, or the host's user already has an account. */
export const insertUser = ({ users }: Database, user: UserDocument): Promise<boolean> =>
  unlessTaken(async () => {
    await users.insertOne(user)
  })

/**
 * Renames a user. If the user has this name already, `version` doesn't change. False if the name is
 * taken.
 */
export const renameUser = (
  { users }: Database,
  user_id: string,
  username: string,
): Promise<boolean> =>
  unlessTaken(async () => {
    await users.updateOne(
      { _id: user_id, username: { $ne: username } },
      { $set: { username }, $inc: { version: 1 } },
    )
  })

/**
 * Lets a user sign in through a host application as well. False if another account has that
 * identity.
 */
export const linkHost = (
  { users }: Database,
  user_id: string,
  host: HostIdentity,
): Promise<boolean> =>
  unlessTaken(async () => {
    await users.updateOne({ _id: user_id }, { $set: { host }, $inc: { version: 1 } })
  })

/** False if the account has changed since it was read. */
export async function unlinkHost(
  { users }: Database,
  { _id, version }: Pick<UserDocument, '_id' | 'version'>,
): Promise<boolean> {
  const { matchedCount } = await users.updateOne(
    { _id, version },
    { $unset: { host: '' }, $inc: { version: 1 } },
  )
  return matchedCount === 1
}

async function unlessTaken(write: () => Promise<void>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (error instanceof MongoServerError && error.code === 11000) return false
    throw error
  }
}

/** Replaces the hash `from`. False if it has been replaced meanwhile. */
export async function replacePassword(
  { users }: Database,
  user_id: string,
  { from, to, changedBy }: { from: string; to: string; changedBy?: string },
): Promise<boolean> {
  const { matchedCount } = await users.updateOne(
    { _id: user_id, password_hash: from },
    {
      $set: { password_hash: to, ...(changedBy !== undefined && { password_change: changedBy }) },
      ...(changedBy !== undefined && { $unset: { reset: 1 } }),
      $inc: { version: changedBy === undefined ? 0 : 1 },
    },
  )
  return matchedCount === 1
}

/** All accounts, oldest first. */
export const listUsers = ({ users }: Database) =>
  users.find({ closing: { $ne: true } }).sort({ _id: 1 })

/** Locks the account, so that nobody can sign in and no session is valid; or unlocks it. */
export async function setLocked(
  { users }: Database,
  user_id: string,
  locked: boolean,
): Promise<void> {
  await users.updateOne(
    { _id: user_id },
    locked ? { $set: { locked: true } } : { $unset: { locked: 1 } },
  )
}

/** The account may be used from now on. */
export async function setApproved({ users }: Database, user_id: string): Promise<void> {
  await users.updateOne({ _id: user_id }, { $unset: { waiting: 1 } })
}

/** Replaces the account's former link. */
export async function setReset(
  { users }: Database,
  user_id: string,
  reset: Required<UserDocument>['reset'],
): Promise<void> {
  await users.updateOne({ _id: user_id }, { $set: { reset } })
}

/** Sets a password by a link, which is used up by that. False if the link isn't valid any more. */
export async function resetPassword(
  { users }: Database,
  user_id: string,
  { hash, to, now }: { hash: string; to: string; now: Date },
): Promise<boolean> {
  const { matchedCount } = await users.updateOne(
    {
      _id: user_id,
      password_hash: { $exists: true },
      closing: { $ne: true },
      'reset.hash': hash,
      'reset.expires_at': { $gt: now },
    },
    { $set: { password_hash: to }, $unset: { reset: 1, password_change: 1 }, $inc: { version: 1 } },
  )
  return matchedCount === 1
}

/** From here on, nobody can use the account. */
export async function markClosing({ users }: Database, user_id: string): Promise<void> {
  await users.updateOne({ _id: user_id }, { $set: { closing: true } })
}

export const findClosing = ({ users }: Database): Promise<UserDocument[]> =>
  users.find({ closing: true }).toArray()

export async function deleteUser(database: Database, user_id: string): Promise<void> {
  await database.users.deleteOne({ _id: user_id })
  await eraseDeleted(database)
}
