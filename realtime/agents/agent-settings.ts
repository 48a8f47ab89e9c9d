// The agents of a user: the server's built-in agents with the user's settings applied, and the
// agents that the user has made. The settings are in `preferences.agent_settings`, one object per
// agent id:
//   {<id>: {name, description?, instructions?, model?, temperature?, provider?}}
// `preferences.default_agent` is the id of the agent that answers when a command names none.
// Preferences are free-form, so a value of an unexpected shape counts as left out. A setting can
// choose between this server's providers but can't name an address.
import * as z from 'zod'
import type { Agent } from '@lockstep/protocol/agents'
import type { JsonObject } from '@lockstep/protocol/free-form'

export interface AgentSettings extends Agent {
  instructions: string
  temperature?: number
  provider: 'assistant' | 'demo'
}

const text = (max: number) => z.string().max(max).optional().catch(undefined)
const Settings = z.object({
  name: text(200),
  description: text(2_000),
  instructions: text(60_000),
  model: text(200),
  temperature: z.number().min(0).max(2).optional().catch(undefined),
  provider: z.enum(['assistant', 'demo']).optional().catch(undefined),
})

/**
 * All agents of a user: the built-in ones first, then the user's own by name.
 * @param model the configured assistant's model; undefined if no assistant is configured
 */
export function agentsOf(preferences: JsonObject, model: string | undefined): AgentSettings[] {
  const own = new Map<string, z.infer<typeof Settings>>()
  const settings = z.record(z.string(), z.unknown()).safeParse(preferences.agent_settings)
  for (const [id, value] of Object.entries(settings.data ?? {})) {
    const parsed = Settings.safeParse(value)
    if (parsed.success && id !== '' && id.length <= 100) own.set(id, parsed.data)
  }
  const served = builtIn(model).map((agent) => withSettings(agent, own.get(agent.id) ?? {}))
  const fallback = served[0]!.provider
  const made = [...own]
    .filter(([id]) => !served.some((agent) => agent.id === id))
    .map(([id, { provider = fallback, ...given }]) => {
      const base = model !== undefined && provider === 'assistant' ? assistant(model) : demo
      return withSettings({ ...base, id, name: 'Unnamed agent', description: '' }, given)
    })
  return [...served, ...made.sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1))]
}

/**
 * The agent with this id. Without an id: the user's default agent, else the first one. undefined if
 * there is no agent with this id.
 */
export function chooseAgent(
  agents: readonly AgentSettings[],
  preferences: JsonObject,
  id: string | undefined,
): AgentSettings | undefined {
  const named = agents.find((agent) => agent.id === (id ?? preferences.default_agent))
  return named ?? (id === undefined ? agents[0] : undefined)
}

const demo: AgentSettings = {
  id: 'demo',
  name: 'Demo',
  description:
    'Works without any set-up and shows what replies can look like. Send “/demo help” to see what it can do.',
  model: 'demo',
  instructions: '',
  provider: 'demo',
}

const assistant = (model: string): AgentSettings => ({
  id: 'assistant',
  name: 'Assistant',
  description: 'The assistant of this server',
  model,
  instructions: '',
  provider: 'assistant',
})

const builtIn = (model: string | undefined): AgentSettings[] =>
  model === undefined ? [demo] : [assistant(model), demo]

/** Empty texts count as left out. The demo agent keeps its own model. */
function withSettings(
  agent: AgentSettings,
  given: Partial<z.infer<typeof Settings>>,
): AgentSettings {
  return {
    ...agent,
    name: given.name || agent.name,
    description: given.description || agent.description,
    instructions: given.instructions || agent.instructions,
    model: (agent.provider === 'assistant' && given.model) || agent.model,
    ...(given.temperature !== undefined && { temperature: given.temperature }),
  }
}
