import type { WireChange } from '../change.ts'
import { mergePatch } from '../free-form.ts'
import { isKnownOf } from '../known-change.ts'
import type { Preferences } from '../preferences.ts'

/** What an account starts with. */
export const noPreferences: Preferences = { preferences: {}, version: 1 }

/**
 * Pure: preferences + change -> preferences. A change whose version isn't above the held one
 * changes nothing.
 */
export function reducePreferences(held: Preferences, change: WireChange): Preferences {
  if (change.version <= held.version || !isKnownOf('preferences', change)) return held
  if (change.op !== 'updated' || !change.data) return held
  const { patch } = change.data
  return { preferences: mergePatch(held.preferences, patch), version: change.version }
}
