// The states, changes and commands of the preferences.
import { decidePreferences } from '@lockstep/protocol/decide/preferences'
import type { Preferences, PreferencesCommands } from '@lockstep/protocol/preferences'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { changeOf, context, type VectorSource } from './source.ts'

const change =
  (op: string, data?: Record<string, unknown>, ahead = 1) =>
  (held: Preferences) =>
    changeOf('preferences', op, context.user_id, held.version + ahead, data)
const patch = (fields: object) => ({ command: 'update', payload: { patch: fields } })

export const preferencesVectors: VectorSource<Preferences> = {
  topic: 'preferences',
  states: {
    'none yet': noPreferences,
    some: { preferences: { a: 1, b: { c: [1, 2], d: true }, e: 'x' }, version: 4 },
  },
  changes: {
    'a value': change('updated', { patch: { a: 2 } }),
    'an inner value': change('updated', { patch: { b: { d: false, f: {} } } }),
    'a value is removed': change('updated', { patch: { a: null, z: null } }),
    'a value becomes an object': change('updated', { patch: { a: { x: null, y: 1 } } }),
    'an object becomes a list': change('updated', { patch: { b: [null] } }),
    'the same version comes again': change('updated', { patch: { a: 9 } }, 0),
    'its content is stripped': change('updated'),
    'an op of the future': change('of_the_future', { patch: { a: 3 } }),
    'the account is closed': change('closed', {}),
  },
  commands: {
    'set a value': patch({ a: 2 }),
    'set what is there': patch({ a: 1 }),
    'set a number where true is': patch({ b: { d: 1 } }),
    'remove a value': patch({ e: null }),
    'remove what isn’t there': patch({ z: null }),
    'an empty patch': patch({}),
    'the present version': { command: 'update', payload: { patch: { a: 3 }, if_version: 4 } },
    'another version': { command: 'update', payload: { patch: { a: 3 }, if_version: 3 } },
  },
  reduce: reducePreferences,
  decide: (_command, state, payload) =>
    decidePreferences(state, payload as PreferencesCommands['update'], context),
}
