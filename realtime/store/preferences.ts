// Preferences are part of the user's document, with the `seq` of the change that last wrote them.
// Only the projector writes them.
import type { Preferences } from '@lockstep/protocol/preferences'
import type { Database } from './database.ts'
import type { UserDocument } from './documents.ts'

const projection = { preferences: 1, preferences_version: 1 }

/** Undefined: there is no such user. */
export async function readPreferences(
  { users }: Database,
  user_id: string,
): Promise<Preferences | undefined> {
  const user = await users.findOne({ _id: user_id }, { projection })
  return user ? toPreferences(user) : undefined
}

/** The preferences of many users. Users that don't exist are left out. */
export async function readAllPreferences(
  { users }: Database,
  user_ids: readonly string[],
): Promise<Map<string, Preferences>> {
  const found = await users.find({ _id: { $in: [...user_ids] } }, { projection }).toArray()
  return new Map(found.map((user) => [user._id, toPreferences(user)]))
}

const toPreferences = ({
  preferences,
  preferences_version: version,
}: Pick<UserDocument, 'preferences' | 'preferences_version'>): Preferences => ({
  preferences,
  version,
})

/** Preferences as of change `seq`. */
export interface PreferencesWrite {
  user_id: string
  held: Preferences
  seq: number
}

/** Writes the preferences of each user, unless newer ones are stored. */
export async function writePreferences(
  { users }: Database,
  written: readonly PreferencesWrite[],
): Promise<void> {
  if (written.length === 0) return
  await users.bulkWrite(
    written.map(({ user_id, held: { preferences, version }, seq }) => ({
      updateOne: {
        filter: { _id: user_id, preferences_seq: { $lt: seq } },
        update: { $set: { preferences, preferences_version: version, preferences_seq: seq } },
      },
    })),
    { ordered: false },
  )
}
