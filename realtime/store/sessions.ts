// Sessions as documents. A session is valid exactly as long as its document says, whatever its
// cookie says.
import { MongoServerError } from 'mongodb'
import type { Database } from './database.ts'
import type { HostIdentity, SessionDocument } from './documents.ts'

/** A session that has been replaced is over, and nothing prolongs it. */
const notReplaced = { replaced_by: { $exists: false } }

/** @param maybeAgain it may be there already, by another request */
export async function insertSession(
  { sessions }: Database,
  session: SessionDocument,
  maybeAgain = false,
): Promise<void> {
  await sessions.insertOne(session).catch((error: unknown) => {
    const isThere = error instanceof MongoServerError && error.code === 11000
    if (!maybeAgain || !isThere) throw error
  })
}

export const findSession = (
  { sessions }: Database,
  _id: string,
  now: Date,
): Promise<SessionDocument | null> =>
  sessions.findOne({ _id, expires_at: { $gt: now }, ...notReplaced })

/** The sessions that came from one sign-in at a provider. */
export const findSessionsOfHost = (
  { sessions }: Database,
  { issuer, sid }: { issuer: string; sid: string },
): Promise<SessionDocument[]> => sessions.find({ 'host.sid': sid, 'host.issuer': issuer }).toArray()

/** The sessions of a user that came from sign-ins at a provider as this subject. */
export const findHostSessionsOf = (
  { sessions }: Database,
  user_id: string,
  { issuer, subject }: HostIdentity,
): Promise<SessionDocument[]> =>
  sessions.find({ user_id, 'host.issuer': issuer, 'host.subject': subject }).toArray()

/**
 * Finds these sessions by id, except those that have ended. Sessions that were replaced just now
 * count.
 */
export async function findSessions(
  { sessions }: Database,
  ids: readonly string[],
  now: Date,
): Promise<Map<string, SessionDocument>> {
  const found = await sessions
    .find({ _id: { $in: [...ids] }, expires_at: { $gt: now } })
    .project<SessionDocument>({ host: 0 })
    .toArray()
  return new Map(found.map((session) => [session._id, session]))
}

/** Newest first. */
export const findSessionsOf = (
  { sessions }: Database,
  user_id: string,
  now: Date,
): Promise<SessionDocument[]> =>
  sessions
    .find({ user_id, expires_at: { $gt: now }, ...notReplaced })
    .sort({ created_at: -1, _id: -1 })
    .toArray()

/**
 * Finds those of these sessions that have not ended, or were replaced just now: their sockets are
 * about to connect anew.
 */
export const findLiveSessions = (
  { sessions }: Database,
  ids: readonly string[],
  now: Date,
): Promise<SessionTimes[]> =>
  sessions
    .find({ _id: { $in: [...ids] }, expires_at: { $gt: now } })
    .project<SessionTimes>({ created_at: 1, last_seen_at: 1, expires_at: 1 })
    .toArray()

export type SessionTimes = Pick<
  SessionDocument,
  '_id' | 'created_at' | 'last_seen_at' | 'expires_at'
>

/**
 * Extends sessions to `expires_at`, except those that were extended after `before`. A session that
 * has been removed stays removed.
 */
export async function renewSessions(
  { sessions }: Database,
  ids: readonly string[],
  { now, before, expires_at }: { now: Date; before: Date; expires_at: Date },
): Promise<void> {
  await sessions.updateMany(
    { _id: { $in: [...ids] }, last_seen_at: { $lt: before }, ...notReplaced },
    { $set: { last_seen_at: now, expires_at } },
  )
}

/** Notes when its user has proven again who it is. False if the session has ended. */
export async function confirmSession(
  { sessions }: Database,
  user_id: string,
  _id: string,
  confirmed_at: Date,
): Promise<boolean> {
  const { matchedCount } = await sessions.updateOne(
    { _id, user_id, ...notReplaced },
    { $set: { confirmed_at } },
  )
  return matchedCount === 1
}

/** Ends a session in favour of another one. False if it had ended, or had been replaced. */
export async function replaceSession(
  { sessions }: Database,
  { _id, user_id }: Pick<SessionDocument, '_id' | 'user_id'>,
  { replaced_by, expires_at }: Required<Pick<SessionDocument, 'replaced_by' | 'expires_at'>>,
): Promise<boolean> {
  const { matchedCount } = await sessions.updateOne(
    { _id, user_id, ...notReplaced },
    { $set: { replaced_by, expires_at } },
  )
  return matchedCount === 1
}

/** False if this user has no such session. */
export async function deleteSession(
  { sessions }: Database,
  user_id: string,
  _id: string,
): Promise<boolean> {
  const { deletedCount } = await sessions.deleteOne({ _id, user_id, ...notReplaced })
  return deletedCount === 1
}

/**
 * Removes all sessions of a user, except one if given. Returns the ids of the removed ones,
 * including those that had ended.
 */
export async function deleteSessionsOf(
  { sessions }: Database,
  user_id: string,
  except?: string,
): Promise<string[]> {
  const found = await sessions
    .find({ user_id, ...(except !== undefined && { _id: { $ne: except } }) })
    .project<{ _id: string }>({ _id: 1 })
    .toArray()
  const ids = found.map(({ _id }) => _id)
  if (ids.length > 0) await sessions.deleteMany({ _id: { $in: ids } })
  return ids
}
