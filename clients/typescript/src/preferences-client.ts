// The topic `preferences`: one free-form object.
import { decidePreferences } from '@lockstep/protocol/decide/preferences'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Preferences, PreferencesCommands } from '@lockstep/protocol/preferences'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import type { Call } from './rest/call.ts'
import { getPreferences } from './rest/preferences.ts'
import { actionByVersion, type TopicModel } from './topic-model.ts'
import { predictedChange } from './predicted-change.ts'
import { TopicClient } from './topic-client.ts'
import { TopicReplica } from './topic-replica.ts'
import type { PreferencesTopic, IssuedCommand } from './views.ts'

/** The only entity. */
const KEY = 'preferences'

export class PreferencesClient extends TopicClient<Preferences> implements PreferencesTopic {
  protected readonly topic: TopicReplica<Preferences>

  constructor(call: Call, onChange: () => void) {
    super()
    this.topic = new TopicReplica(preferencesModel(call), {}, onChange)
  }

  get value(): JsonObject {
    return (this.topic.view(KEY) ?? noPreferences).preferences
  }
  get version(): number {
    return (this.topic.view(KEY) ?? noPreferences).version
  }

  update(patch: JsonObject, { if_version }: { if_version?: number } = {}): IssuedCommand {
    const payload: PreferencesCommands['update'] = {
      patch,
      ...(if_version !== undefined && { if_version }),
    }
    return this.topic.send({ name: 'update', payload, entity_id: KEY, message_ids: [] })
  }
}

function preferencesModel(call: Call): TopicModel<Preferences> {
  const read = async () => {
    const { preferences, version, epoch, seq } = await getPreferences(call)
    return { held: { preferences, version }, epoch, seq }
  }
  return {
    topic: 'preferences',
    async loadAll(put) {
      const { held, epoch, seq } = await read()
      put(KEY, held)
      return { epoch, seq }
    },
    loadOne: read,
    keyOf: () => KEY,
    actionFor: (held, change) =>
      actionByVersion(held, change, { whole: false, last: false, stands: true }),
    reduce: (held = noPreferences, change) => reducePreferences(held, change),
    versionOf: ({ version }) => version,
    tombstone: () => undefined,
    predict(held = noPreferences, { payload }, context) {
      const decision = decidePreferences(held, payload as PreferencesCommands['update'], context)
      return decision
        ? reducePreferences(held, predictedChange('preferences', decision, context))
        : held
    },
    showsWhenFailed: () => false,
    withoutVersionCheck: (command) => ({
      ...command,
      payload: { patch: (command.payload as { patch: JsonObject }).patch },
    }),
  }
}
