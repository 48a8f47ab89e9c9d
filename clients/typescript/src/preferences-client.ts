// Topic `preferences`: one free-form object.
import { predictPreferences } from '@lockstep/protocol/decide/preferences'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Preferences, PreferencesCommands } from '@lockstep/protocol/preferences'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { createCommand, type OutgoingCommand } from './outgoing-command.ts'
import { predictedChange } from './predicted-change.ts'
import type { Call } from './rest/call.ts'
import { getPreferences } from './rest/preferences.ts'
import { TopicClient } from './topic-client.ts'
import { actionByVersion, singleEntity, type TopicModel } from './topic-model.ts'
import { TopicReplica } from './topic-replica.ts'
import type { IssuedCommand, PreferencesTopic } from './views.ts'

/** The only entity. */
const KEY = 'preferences'

export class PreferencesClient
  extends TopicClient<Preferences, PreferencesCommands>
  implements PreferencesTopic
{
  protected readonly topic: TopicReplica<Preferences>
  protected readonly commands = { update: updateCommand }

  constructor(call: Call, changed: () => void) {
    super()
    this.topic = new TopicReplica(preferencesModel(call), { changed })
  }

  get value(): JsonObject {
    return (this.topic.view(KEY) ?? noPreferences).preferences
  }
  get version(): number {
    return (this.topic.view(KEY) ?? noPreferences).version
  }

  update(patch: JsonObject, { if_version }: { if_version?: number } = {}): IssuedCommand {
    return this.issue('update', { patch, if_version })
  }
}

function updateCommand(payload: PreferencesCommands['update']): OutgoingCommand<Preferences> {
  return createCommand<Preferences>({
    name: 'update',
    payload,
    entity_id: KEY,
    predict(held = noPreferences, context) {
      const decision = predictPreferences(held, payload, context)
      if (!decision) return held
      return reducePreferences(held, predictedChange('preferences', decision, context))
    },
    withoutVersionCheck: () => updateCommand({ patch: payload.patch }),
  })
}

function preferencesModel(call: Call): TopicModel<Preferences> {
  const read = async () => {
    const { preferences, version, epoch, seq } = await getPreferences(call)
    return { state: { preferences, version }, epoch, seq }
  }
  return {
    topic: 'preferences',
    ...singleEntity(KEY, read),
    actionFor: (held, change) =>
      actionByVersion(held, change, { isWhole: false, isLast: false, isEntity: true }),
    reduce: (held = noPreferences, change) => reducePreferences(held, change),
    versionOf: ({ version }) => version,
  }
}
