// Agents and their runs as runes. An agent is either the server's, possibly with changes by the
// user, or the user's own. Both kinds of settings are in `preferences.agent_settings`, by the
// agent's id.
import { listAgents } from '../services/agents.ts'
import { createSubscriber } from 'svelte/reactivity'
import type { Agent } from '@lockstep/protocol/agents'
import type { Json, JsonObject } from '@lockstep/protocol/free-form'
import type { RunFilter, RunsView, RunView } from '@lockstep/client'
import { engine } from './engine.ts'
import { preferences } from './preferences.svelte.ts'
import { t } from '../texts.ts'

const topic = engine.agents
const track = createSubscriber((update) => topic.subscribe(update))

/** The fields that the editor changes. */
export interface AgentSettings {
  name: string
  description: string
  instructions: string
  /** Empty if the server chooses the model. */
  model: string
  /** Undefined for the model's default. */
  temperature: number | undefined
}

export interface AgentView extends AgentSettings {
  id: string
  /** Made by the user, who can also remove it. */
  own: boolean
  /** The user has changed something of the server's agent. */
  changed: boolean
}

/** The ids of users' agents are UUIDs; the server's agents have names as ids. */
const isOwn = (id: string): boolean => /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id)
/** An empty text counts as absent, as on the server. */
const text = (value: Json | undefined, fallback: string): string =>
  typeof value === 'string' && value !== '' ? value : fallback

function view(
  id: string,
  settings: JsonObject,
  served?: { name: string; description: string; model: string },
) {
  const { temperature } = settings
  return {
    id,
    name: text(settings.name, served?.name ?? t('common.unnamedAgent')),
    description: text(settings.description, served?.description ?? ''),
    instructions: text(settings.instructions, ''),
    model: text(settings.model, served?.model ?? ''),
    temperature: typeof temperature === 'number' ? temperature : undefined,
    own: isOwn(id),
    changed: !isOwn(id) && Object.keys(settings).length > 0,
  }
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

class Agents {
  /**
   * The server's list, requested again after the settings have changed; undefined until then, when
   * the engine's list counts.
   */
  #served = $state.raw<readonly Agent[]>()
  #seen: string | undefined

  constructor() {
    engine.preferences.subscribe(() => void this.#follow())
  }

  async #follow(): Promise<void> {
    if (!engine.preferences.settled) return
    const settings = JSON.stringify(engine.preferences.value.agent_settings ?? {})
    if (settings === this.#seen) return
    const isFirst = this.#seen === undefined
    this.#seen = settings
    if (isFirst) return
    try {
      this.#served = await listAgents(engine.call)
    } catch {
      // Without the server, the new settings over the old list are the best there is. The next
      // change tries again.
    }
  }

  /** The server's agents first, then the user's own by name. */
  get all(): AgentView[] {
    track()
    const settings = preferences.agentSettings
    const served = new Map((this.#served ?? topic.agents).map((agent) => [agent.id, agent]))
    // The server's list also contains the user's own agents as of the request.
    const own = Object.entries(settings)
      .filter(([id, value]) => !served.has(id) && isObject(value))
      .map(([id, value]) => view(id, value as JsonObject))
      .sort((a, b) => a.name.localeCompare(b.name))
    const listed = [...served.values()].flatMap((agent) => {
      const changes = settings[agent.id]
      if (isOwn(agent.id) && !isObject(changes)) return []
      return [view(agent.id, isObject(changes) ? changes : {}, agent)]
    })
    return [...listed, ...own]
  }

  get(id: string): AgentView | undefined {
    return this.all.find((agent) => agent.id === id)
  }

  nameOf(id: string): string {
    return this.get(id)?.name ?? id
  }

  /** The agent of a chat that has chosen one; otherwise the one for new chats. */
  of(chosen: Json | undefined): AgentView | undefined {
    return (typeof chosen === 'string' ? this.get(chosen) : undefined) ?? this.preferred
  }

  /** The agent of new chats; undefined if the server decides. */
  get preferred(): AgentView | undefined {
    const wanted = preferences.defaultAgent
    return wanted === undefined ? this.all[0] : (this.get(wanted) ?? this.all[0])
  }

  /** Removes a user's agent, or restores a server's agent to the server's settings. */
  reset(id: string): void {
    preferences.update({ agent_settings: { [id]: null } })
  }

  /** The runs that match, as far as they are loaded. */
  runs(filter: RunFilter): RunsView {
    track()
    return topic.list(filter)
  }

  run(id: string): RunView | undefined {
    track()
    return topic.get(id)
  }

  get loaded(): boolean {
    track()
    return topic.loaded
  }
}
export const agents = new Agents()

/** The engine's commands (`run`, `stop`, `delete`, `loadMore`, `open`). */
export const agentCommands = topic
