// Preferences are part of the user's document, with the `seq` of the change that last wrote them.
// Only the projector writes them.
import type { Preferences } from '@lockstep/protocol/preferences'
import type { Database } from './database.ts'

/** Undefined: there is no such user. */
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

/** Writes the preferences as of change `seq`, unless newer ones are stored. */
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
