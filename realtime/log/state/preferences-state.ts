import type { Preferences } from '@lockstep/protocol/preferences'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { readPreferences } from '../../store/preferences.ts'
import { toChange } from '../entry.ts'
import type { TopicState } from './topic-state.ts'

export const preferencesState: TopicState<Preferences, object> = {
  async load(database, { user_id, tail }, _user, _needs, kept) {
    if (kept) return kept
    const stored = (await readPreferences(database, user_id)) ?? noPreferences
    return tail.map(toChange).reduce(reducePreferences, stored)
  },
  apply: reducePreferences,
  versionOf: ({ version }) => version,
  keep: (state) => ({ state, bytes: 2 * JSON.stringify(state).length }),
}
