// Tokens as documents. Only a hash of the token itself is stored.
import type { Database } from './database.ts'
import type { TokenDocument } from './documents.ts'

export async function insertToken({ tokens }: Database, token: TokenDocument): Promise<void> {
  await tokens.insertOne(token)
}

/** The tokens with these hashes that have not ended, by hash. */
export async function findTokensByHash(
  { tokens }: Database,
  hashes: readonly string[],
  now: Date,
): Promise<Map<string, TokenDocument>> {
  const found = await tokens.find({ hash: { $in: [...hashes] } }).toArray()
  return new Map(found.filter((token) => isLive(token, now)).map((token) => [token.hash, token]))
}

/** The owner of each token, and when the token ends (null: never). Ended tokens are left out. */
export async function findLiveTokens(
  { tokens }: Database,
  ids: readonly string[],
  now: Date,
): Promise<Map<string, { user_id: string; expires_at: Date | null }>> {
  const found = await tokens.find({ _id: { $in: [...ids] } }).toArray()
  const live = found.filter((token) => isLive(token, now))
  return new Map(live.map(({ _id, user_id, expires_at = null }) => [_id, { user_id, expires_at }]))
}

/** The database removes tokens up to a minute after their end. */
const isLive = ({ expires_at }: TokenDocument, now: Date): boolean =>
  expires_at === undefined || expires_at > now

/** A user's own tokens, newest first. */
export async function findTokensOf(
  { tokens }: Database,
  user_id: string,
  now: Date,
): Promise<TokenDocument[]> {
  const found = await tokens.find({ user_id, kind: 'own' }).toArray()
  return found
    .filter((token) => isLive(token, now))
    .sort((a, b) => b.created_at.getTime() - a.created_at.getTime())
}

export const countTokensOf = ({ tokens }: Database, user_id: string): Promise<number> =>
  tokens.countDocuments({ user_id })

/** Notes when a token was used, unless that was noted after `before`. */
export async function noteTokenUse(
  { tokens }: Database,
  _id: string,
  { now, before }: { now: Date; before: Date },
): Promise<void> {
  await tokens.updateOne(
    { _id, $or: [{ last_used_at: null }, { last_used_at: { $lt: before } }] },
    { $set: { last_used_at: now } },
  )
}

/** False if this user has no such token of their own. */
export async function deleteToken(
  { tokens }: Database,
  user_id: string,
  _id: string,
): Promise<boolean> {
  const { deletedCount } = await tokens.deleteOne({ _id, user_id, kind: 'own' })
  return deletedCount === 1
}

/** Removes a user's tokens, of one kind if given. Returns the ids of the removed ones. */
export async function deleteTokensOf(
  { tokens }: Database,
  user_id: string,
  kind?: TokenDocument['kind'],
): Promise<string[]> {
  const found = await tokens
    .find({ user_id, ...(kind && { kind }) })
    .project<{ _id: string }>({ _id: 1 })
    .toArray()
  const ids = found.map(({ _id }) => _id)
  if (ids.length > 0) await tokens.deleteMany({ _id: { $in: ids } })
  return ids
}
