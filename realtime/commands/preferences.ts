import { decidePreferences } from '@lockstep/protocol/decide/preferences'
import { Fault } from '@lockstep/protocol/errors'
import type { Preferences, PreferencesCommands } from '@lockstep/protocol/preferences'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { fingerprintOf, toChange } from '../log/entry.ts'
import type { Hot, Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import { readPreferences } from '../store/preferences.ts'
import type { Outcome, CommandContext } from './commands.ts'

export interface PreferencesUseCases {
  /** Merges a patch. Faults: `version_conflict` with `current`, `too_large` when the result is. */
  update(
    request: CommandContext,
    payload: PreferencesCommands['update'],
  ): Promise<Outcome<Preferences>>
  /** All preferences and the topic's head. */
  get(user_id: string): Promise<Preferences & { epoch: string; seq: number }>
}

export function createPreferences(database: Database, log: Log): PreferencesUseCases {
  const load = async (hot: Hot): Promise<Preferences> => {
    const stored = (await readPreferences(database, hot.user_id)) ?? noPreferences
    return hot.tail.map(toChange).reduce(reducePreferences, stored)
  }

  async function get(user_id: string) {
    const head = await log.projectToHead(user_id, 'preferences')
    const stored = await readPreferences(database, user_id)
    if (!stored) throw new Fault('not_found', { detail: 'There is no such user' })
    return { ...stored, ...head }
  }

  return {
    async update(request, payload) {
      const appended = await log.append<Preferences>({
        caller: request,
        topic: 'preferences',
        mutation_id: request.mutation_id,
        fingerprint: fingerprintOf(['update', payload]),
        load,
        decide: (held, context) => decidePreferences(held, payload, context),
      })
      if (appended.kind === 'repeated') {
        const { seq: _seq, epoch: _epoch, ...data } = await get(request.user_id)
        return { data, seq: appended.entry.seq, version: appended.entry.version, changed: false }
      }
      if (appended.kind === 'unchanged')
        return {
          data: appended.state,
          seq: appended.seq,
          version: appended.state.version,
          changed: false,
        }
      const data = reducePreferences(appended.state, toChange(appended.entry))
      return { data, seq: appended.entry.seq, version: data.version, changed: true }
    },
    get,
  }
}
