import type { Change } from '../change.ts'
import { mergePatch } from '../free-form.ts'
import type { Preferences, PreferencesChanges } from '../preferences.ts'

/** What an account starts with. */
export const noPreferences: Preferences = { preferences: {}, version: 1 }

/** Pure: preferences + change -> preferences. A change whose version isn't above changes nothing. */
export function reducePreferences(held: Preferences, change: Change): Preferences {
  if (change.version <= held.version || change.op !== 'updated' || !change.data) return held
  const { patch } = change.data as PreferencesChanges['updated']
  return { preferences: mergePatch(held.preferences, patch), version: change.version }
}
