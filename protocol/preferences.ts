// Topic `preferences`: one free-form object per user (theme, density, agent settings, …). Merge
// patches (RFC 7396) change it.
import * as z from 'zod'
import { Version } from './cursor.ts'
import { FreeForm } from './scalars.ts'

/** Version 1 is the empty object that every account starts with. */
export const Preferences = z
  .object({
    preferences: FreeForm.describe('All preferences of the user'),
    version: Version,
  })
  .meta({ id: 'Preferences' })
export type Preferences = z.infer<typeof Preferences>

export const preferencesChanges = {
  updated: z.object({ patch: FreeForm.describe('A merge patch (RFC 7396)') }),
}
export type PreferencesChanges = {
  [Op in keyof typeof preferencesChanges]: z.infer<(typeof preferencesChanges)[Op]>
}

/** The values that each `op` replaced. They are stored and never go on the wire. */
export interface PreferencesBefore {
  /** The patch that takes the change back. */
  updated: PreferencesChanges['updated']
}

export const preferencesCommands = {
  update: z.strictObject({
    patch: FreeForm.describe('A merge patch (RFC 7396)'),
    if_version: Version.optional().describe('The version that the preferences must have'),
  }),
}
export type PreferencesCommands = {
  [Name in keyof typeof preferencesCommands]: z.infer<(typeof preferencesCommands)[Name]>
}
