import type { DecisionContext, DecisionOf } from '../change.ts'
import { Fault } from '../errors.ts'
import { equalJson, exceedsFreeForm, inversePatch, mergePatch } from '../free-form.ts'
import * as limits from '../limit-values.ts'
import type { Preferences, PreferencesCommands } from '../preferences.ts'

/**
 * Pure: preferences + patch -> change, or undefined when nothing would change. The entity is the
 * user.
 */
export function decidePreferences(
  held: Preferences,
  command: PreferencesCommands['update'],
  context: DecisionContext,
): DecisionOf<'preferences'> | undefined {
  const change = predictPreferences(held, command, context)
  const merged = mergePatch(held.preferences, command.patch)
  return change && { ...change, before: { patch: inversePatch(held.preferences, merged) } }
}

/** The same without `before`, which only the log keeps, so that clients don't load its code. */
export function predictPreferences(
  held: Preferences,
  { patch, if_version }: PreferencesCommands['update'],
  { user_id }: DecisionContext,
): Omit<Extract<DecisionOf<'preferences'>, { op: 'updated' }>, 'before'> | undefined {
  if (if_version !== undefined && if_version !== held.version)
    throw new Fault('version_conflict', { current: held })
  const merged = mergePatch(held.preferences, patch)
  if (equalJson(merged, held.preferences)) return undefined
  if (exceedsFreeForm(merged))
    throw new Fault('too_large', {
      detail: 'The preferences would become too large',
      limit_bytes: limits.freeFormBytes,
    })
  return { op: 'updated', entity_id: user_id, version: held.version + 1, data: { patch } }
}
