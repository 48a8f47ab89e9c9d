// Whether the server has no model. Every agent then answers as the demo does.
import { agentCommands, agents } from '../../lib/stores/agents.svelte.ts'

/** Reactive. The settings of an agent may name any model, so only the server's list counts. */
export const lacksModel = (): boolean =>
  agents.loaded && agentCommands.agents.every(({ model }) => model === 'demo')
