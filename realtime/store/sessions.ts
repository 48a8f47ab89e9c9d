// Sessions as documents: a session is alive exactly as long as its document says, whatever cookies are around.
import type { Database } from './database.ts'

export interface SessionDocument {
  _id: string
  user_id: string
  /** A readable name. */
  device: string
  created_at: Date
  last_seen_at: Date
  /** Dead from then on; the TTL index removes it a little later. */
  expires_at: Date
}

export async function insertSession(
  { sessions }: Database,
  session: SessionDocument,
): Promise<void> {
  await sessions.insertOne(session)
}

export const findSession = (
  { sessions }: Database,
  _id: string,
  now: Date,
): Promise<SessionDocument | null> => sessions.findOne({ _id, expires_at: { $gt: now } })

/** Newest first. */
export const findSessionsOf = (
  { sessions }: Database,
  user_id: string,
  now: Date,
): Promise<SessionDocument[]> =>
  sessions
    .find({ user_id, expires_at: { $gt: now } })
    .sort({ created_at: -1, _id: -1 })
    .toArray()

/** Those of these that are alive. */
export const findLiveSessions = (
  { sessions }: Database,
  ids: readonly string[],
  now: Date,
): Promise<SessionTimes[]> =>
  sessions
    .find({ _id: { $in: [...ids] }, expires_at: { $gt: now } })
    .project<SessionTimes>({ last_seen_at: 1, expires_at: 1 })
    .toArray()

export type SessionTimes = Pick<SessionDocument, '_id' | 'last_seen_at' | 'expires_at'>

/** Pushes the end of sessions forward, but of those of which that has been done after `before`. Never brings a removed one back. */
export async function renewSessions(
  { sessions }: Database,
  ids: readonly string[],
  { now, before, expires_at }: { now: Date; before: Date; expires_at: Date },
): Promise<void> {
  await sessions.updateMany(
    { _id: { $in: [...ids] }, last_seen_at: { $lt: before } },
    { $set: { last_seen_at: now, expires_at } },
  )
}

/** True when it was there, and this user's. */
export async function deleteSession(
  { sessions }: Database,
  user_id: string,
  _id: string,
): Promise<boolean> {
  const { deletedCount } = await sessions.deleteOne({ _id, user_id })
  return deletedCount === 1
}

/** Ends all sessions of a user but one; answers the ids of those it found, the dead ones included. */
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
