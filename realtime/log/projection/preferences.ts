import type { Preferences } from '@lockstep/protocol/preferences'
import { reducePreferences } from '@lockstep/protocol/reduce/preferences'
import {
  readAllPreferences,
  writePreferences,
  type PreferencesWrite,
} from '../../store/preferences.ts'
import { toChange } from '../entry.ts'
import type { Project } from './projection.ts'

/** Brings preferences, which are in the users' documents, up to the log. */
export const projectPreferences: Project<Preferences> = async (database, entities, writes) => {
  const unknown = entities.filter(({ state }) => !state).map(({ user_id }) => user_id)
  const stored = unknown.length > 0 ? await readAllPreferences(database, unknown) : undefined
  const written: PreferencesWrite[] = []
  for (const { user_id, entries, state } of entities) {
    const before = state ?? stored?.get(user_id)
    if (!before) continue // the account is gone
    const held = entries.map(toChange).reduce(reducePreferences, before)
    if (state || held !== before) written.push({ user_id, held, seq: entries.at(-1)!.seq })
  }
  writes.documents.push((to) => writePreferences(to, written))
}
