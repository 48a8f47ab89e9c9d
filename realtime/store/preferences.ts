// Preferences live in the user's document, beside the `seq` that last wrote them. Written only by the projector.
import type { Preferences } from '@lockstep/protocol/preferences'
import type { Database } from './database.ts'

/** undefined: there is no such user. */
export async function readPreferences(
  { users }: Database,
  user_id: string,
): Promise<Preferences | undefined> {
  const user = await users.findOne(
    { _id: user_id },
    { projection: { preferences: 1, preferences_version: 1 } },
  )
  return user ? { preferences: user.preferences, version: user.preferences_version } : undefined
}

/** Writes them as they are after change `seq`; leaves newer ones alone. */
export async function writePreferences(
  { users }: Database,
  user_id: string,
  { preferences, version }: Preferences,
  seq: number,
): Promise<void> {
  await users.updateOne(
    { _id: user_id, preferences_seq: { $lt: seq } },
    { $set: { preferences, preferences_version: version, preferences_seq: seq } },
  )
}
