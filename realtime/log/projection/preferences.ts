import { reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { readAllPreferences } from '../../store/preferences.ts'
import { toChange } from '../entry.ts'
import type { Project } from './projection.ts'

/** Brings preferences, which are in the users' documents, up to the log. */
export const projectPreferences: Project<'preferences'> = async (database, entities, writes) => {
  const unknown = entities.filter(({ state }) => !state).map(({ user_id }) => user_id)
  const stored = unknown.length > 0 ? await readAllPreferences(database, unknown) : undefined
  for (const { user_id, entries, state } of entities) {
    const before = state ?? stored?.get(user_id)
    if (!before) continue // the account is gone
    const held = entries.map(toChange).reduce(reducePreferences, before)
    if (state || held !== before)
      writes.preferences.push({ user_id, held, seq: entries.at(-1)!.seq })
  }
}
