// The agents that can answer a user, and how each of them is asked. Agents differ in their
// settings, not in their address: all of them use this server's own providers.
import type { PreferencesUseCases } from '../commands/preferences.ts'
import { agentsOf, chooseAgent, type AgentSettings } from './agent-settings.ts'
import { createDemoProvider } from './demo.ts'
import { createOpenAiProvider, type OpenAiSettings } from './openai.ts'
import type { ProviderEvent, ProviderMessage, ProviderRequest } from './provider.ts'

export interface AgentRegistryDeps {
  preferences: Pick<PreferencesUseCases, 'get'>
  /** If left out, only the demo agent answers. */
  assistant?: OpenAiSettings & { model: string }
  demo?: { tokensPerSecond: number }
}

export interface AgentRegistry {
  list(user_id: string): Promise<AgentSettings[]>
  /** The agent with this id; without an id, the user's default agent. */
  find(user_id: string, id: string | undefined): Promise<AgentSettings | undefined>
  /**
   * Asks the agent to continue a thread. The thread is read when the caller begins to read the
   * events.
   */
  stream(
    agent: AgentSettings,
    readThread: () => Promise<ProviderMessage[]>,
    request: Pick<ProviderRequest, 'signal' | 'ids'>,
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
    assistant: assistant ? createOpenAiProvider(assistant) : demoProvider,
  }

  return {
    async list(user_id) {
      return agentsOf((await preferences.get(user_id)).preferences, assistant?.model)
    },
    async find(user_id, id) {
      const { preferences: stored } = await preferences.get(user_id)
      return chooseAgent(agentsOf(stored, assistant?.model), stored, id)
    },
    async *stream({ provider, instructions, model, temperature }, readThread, request) {
      const messages = await readThread()
      yield* providers[provider].stream({
        ...{ instructions, model, temperature, messages },
        ...request,
      })
    },
  }
}
