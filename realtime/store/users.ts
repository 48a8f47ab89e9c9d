// Accounts as documents: authoritative at once, unlike what follows the log. `preferences*` belong to the projector.
import { MongoServerError } from 'mongodb'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Database } from './database.ts'

/** Who a user is to the host app that brings it; unique. */
export interface HostIdentity {
  issuer: string
  /** Stable, and never given to somebody else by the issuer. */
  subject: string
}

export interface UserDocument {
  _id: string
  /** Unique, folded to lower case. */
  username: string
  /** Users whom a host brings have none. */
  password_hash?: string
  host?: HostIdentity
  preferences: JsonObject
  preferences_version: number
  preferences_seq: number
  /** Of the account as an entity: +1 with each change of name or password. */
  version: number
  created_at: Date
  /** Its deletion has begun and will be finished, by whoever finds this; nobody can sign in any more. */
  closing?: true
}

export const findUser = ({ users }: Database, user_id: string): Promise<UserDocument | null> =>
  users.findOne({ _id: user_id })

export const findUserByName = (
  { users }: Database,
  username: string,
): Promise<UserDocument | null> => users.findOne({ username })

export const findUserOfHost = (
  { users }: Database,
  { issuer, subject }: HostIdentity,
): Promise<UserDocument | null> => users.findOne({ 'host.subject': subject, 'host.issuer': issuer })

/** False when the name is taken, or the host's user has an account. */
export const insertUser = ({ users }: Database, user: UserDocument): Promise<boolean> =>
  unlessTaken(async () => {
    await users.insertOne(user)
  })

/** Gives the user another name, once: a name it has already leaves `version` alone. False when the name is taken. */
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

async function unlessTaken(write: () => Promise<void>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (error instanceof MongoServerError && error.code === 11000) return false
    throw error
  }
}

/** False when the hash isn't `from` any more: somebody else was first. */
export async function replacePassword(
  { users }: Database,
  user_id: string,
  { from, to, changed }: { from: string; to: string; changed: boolean },
): Promise<boolean> {
  const { matchedCount } = await users.updateOne(
    { _id: user_id, password_hash: from },
    { $set: { password_hash: to }, $inc: { version: changed ? 1 : 0 } },
  )
  return matchedCount === 1
}

/** From here on the account is gone for everybody. */
export async function markClosing({ users }: Database, user_id: string): Promise<void> {
  await users.updateOne({ _id: user_id }, { $set: { closing: true } })
}

export const findClosing = ({ users }: Database): Promise<UserDocument[]> =>
  users.find({ closing: true }).toArray()

export async function deleteUser({ users }: Database, user_id: string): Promise<void> {
  await users.deleteOne({ _id: user_id })
}
