import { reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { readPreferences, writePreferences } from '../../store/preferences.ts'
import { toChange } from '../entry.ts'
import type { Project } from './projection.ts'

/** Brings the preferences, which are in the user's document, up to the log. */
export const projectPreferences: Project = async (database, user_id, entries) => {
  const stored = await readPreferences(database, user_id)
  if (!stored) return // the account is gone
  const held = entries.map(toChange).reduce(reducePreferences, stored)
  if (held !== stored) await writePreferences(database, user_id, held, entries.at(-1)!.seq)
}
