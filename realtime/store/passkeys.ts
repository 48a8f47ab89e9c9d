// Passkeys as documents: public keys, by user and by the credential's id.
import { MongoServerError } from 'mongodb'
import type { Passkey } from '@lockstep/protocol/passkeys'
import type { Database } from './database.ts'
import type { PasskeyDocument, UserDocument } from './documents.ts'
import { idFilter, userFilter } from './shard-key.ts'

const keyOf = (user_id: string, id: string): string => `${user_id}:${id}`

export const toPasskey = (document: PasskeyDocument): Passkey => ({
  id: document._id.slice(document.user_id.length + 1),
  name: document.name,
  host: document.rp_id,
  synced: document.synced,
  created_at: document.created_at.toISOString(),
  last_used_at: document.last_used_at?.toISOString() ?? null,
})

/** Oldest first. */
export const findPasskeys = ({ passkeys }: Database, user_id: string): Promise<PasskeyDocument[]> =>
  passkeys.find(userFilter(user_id)).sort({ _id: 1 }).toArray()

/** Those of a user's passkeys that are not being removed: what the user can rely on. */
export const lasting = (
  passkeys: readonly PasskeyDocument[],
  { leaving_passkeys = [] }: Pick<UserDocument, 'leaving_passkeys'>,
): PasskeyDocument[] =>
  passkeys.filter((passkey) => !leaving_passkeys.includes(toPasskey(passkey).id))

export const findPasskey = (
  { passkeys }: Database,
  credential_id: string,
): Promise<PasskeyDocument | null> => passkeys.findOne({ credential_id })

/** False if the credential exists already, whosever it is. */
export async function insertPasskey(
  { passkeys }: Database,
  id: string,
  passkey: Omit<PasskeyDocument, '_id'>,
): Promise<boolean> {
  try {
    await passkeys.insertOne({ _id: keyOf(passkey.user_id, id), ...passkey })
    return true
  } catch (error) {
    if (error instanceof MongoServerError && error.code === 11000) return false
    throw error
  }
}

/**
 * Records a proof. False if another proof was recorded since the passkey was read: either one of
 * the two comes from a copied key, or both are the same proof.
 */
export async function countPasskeyUse(
  { passkeys }: Database,
  { _id, counter }: PasskeyDocument,
  next: number,
  at: Date,
): Promise<boolean> {
  const { matchedCount } = await passkeys.updateOne(
    { ...idFilter(_id), counter },
    { $set: { counter: next, last_used_at: at } },
  )
  return matchedCount === 1
}

/** Returns null if the user has no such passkey. */
export const renamePasskey = (
  { passkeys }: Database,
  user_id: string,
  id: string,
  name: string,
): Promise<PasskeyDocument | null> =>
  passkeys.findOneAndUpdate(
    idFilter(keyOf(user_id, id)),
    { $set: { name } },
    { returnDocument: 'after' },
  )

/** Returns false if the user has no such passkey. */
export async function deletePasskey(
  { passkeys }: Database,
  user_id: string,
  id: string,
): Promise<boolean> {
  const { deletedCount } = await passkeys.deleteOne(idFilter(keyOf(user_id, id)))
  return deletedCount === 1
}
