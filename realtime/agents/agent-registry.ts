// Who can answer a user, and how each of them is asked. Agents differ in their settings, not in where they are: the providers are this
// server's own.
import type { PreferencesUseCases } from '../commands/preferences.ts'
import { agentsOf, chooseAgent, type AgentSettings } from './agent-settings.ts'
import { createDemoProvider } from './demo.ts'
import type { OpenAiSettings } from './openai.ts'
import type { ProviderEvent, Provider, ProviderMessage } from './provider.ts'

export interface AgentRegistryDeps {
  preferences: Pick<PreferencesUseCases, 'get'>
  /** Unset: only the demo agent. */
  assistant?: OpenAiSettings & { model: string }
  demo?: { tokensPerSecond: number }
}

export interface AgentRegistry {
  list(user_id: string): Promise<AgentSettings[]>
  /** The agent with this id, or the one that answers when none is named. */
  find(user_id: string, id: string | undefined): Promise<AgentSettings | undefined>
  /** What the agent says to a thread, which is read when it is asked. */
  stream(
    agent: AgentSettings,
    thread: () => Promise<ProviderMessage[]>,
    signal: AbortSignal,
  ): AsyncIterable<ProviderEvent>
}

export function createAgentRegistry({
  preferences,
  assistant,
  demo,
}: AgentRegistryDeps): AgentRegistry {
  const demoProvider = createDemoProvider(demo)
  const providers = {
    demo: demoProvider,
    assistant: assistant ? loadProvider(assistant) : demoProvider,
  }

  return {
    async list(user_id) {
      return agentsOf((await preferences.get(user_id)).preferences, assistant?.model)
    },
    async find(user_id, id) {
      const { preferences: settings } = await preferences.get(user_id)
      return chooseAgent(agentsOf(settings, assistant?.model), settings, id)
    },
    async *stream({ provider, instructions, model, temperature }, thread, signal) {
      yield* providers[provider].stream({
        instructions,
        model,
        temperature,
        signal,
        messages: await thread(),
      })
    },
  }
}

/** A server with the demo agent alone never loads the client library, and no server waits for it before it serves. */
function loadProvider(settings: OpenAiSettings): Provider {
  const loading = import('./openai.ts').then(({ createOpenAiProvider }) =>
    createOpenAiProvider(settings),
  )
  return {
    async *stream(request) {
      yield* (await loading).stream(request)
    },
  }
}
