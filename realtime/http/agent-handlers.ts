// Handlers of the routes under /agents and /agent-runs.
import type { AgentUseCases } from '../commands/agents.ts'
import type { Handlers } from './route-handler.ts'

export function agentHandlers(agents: AgentUseCases) {
  return {
    listAgents: async (_input, { caller }) => ({
      items: await agents.agents(caller.user_id),
    }),
    listRuns: ({ query }, { caller }) => agents.list(caller.user_id, query),
    async createRun({ body }, { caller, response }) {
      const { data, changed } = await agents.run(caller, body)
      if (!changed) response.status(200)
      return data
    },
    getRun: ({ params }, { caller }) => agents.get(caller.user_id, params.id),
    async deleteRun({ params }, { caller }) {
      await agents.delete(caller, { run_id: params.id })
      return undefined
    },
    stopRun: async ({ params }, { caller }) =>
      (await agents.stop(caller, { run_id: params.id })).data,
  } satisfies Handlers
}
