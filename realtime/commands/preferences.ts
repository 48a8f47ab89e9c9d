import { decidePreferences } from '@lockstep/protocol/decide/preferences'
import { Fault } from '@lockstep/protocol/errors'
import type { Preferences, PreferencesCommands } from '@lockstep/protocol/preferences'
import type { CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import { readPreferences } from '../store/preferences.ts'
import { outcomeOf, type Outcome } from './outcome.ts'

export interface PreferencesUseCases {
  /** Merges a patch. Faults: `version_conflict` with `current`, `too_large` when the result is. */
  update(
    context: CommandContext,
    payload: PreferencesCommands['update'],
  ): Promise<Outcome<Preferences>>
  /** All preferences and the topic's head. */
  get(user_id: string): Promise<Preferences & { epoch: string; seq: number }>
}

export const createPreferences = (database: Database, log: Log): PreferencesUseCases => ({
  async update(context, payload) {
    const appended = await log.append({
      context,
      topic: 'preferences',
      entity_id: context.user_id,
      identity: ['update', payload],
      decide: (held, decisionContext) => decidePreferences(held, payload, decisionContext),
    })
    return outcomeOf(appended, appended.state)
  },

  async get(user_id) {
    const head = await log.projectToHead(user_id, 'preferences')
    const stored = await readPreferences(database, user_id)
    if (!stored) throw new Fault('not_found', { detail: 'There is no such user' })
    return { ...stored, ...head }
  },
})
