// Routes under /agents and /agent-runs.
import type { AgentUseCases } from '../commands/agents.ts'
import type { Handlers } from './handler.ts'

export function agentHandlers(agents: AgentUseCases) {
  return {
    listAgents: async (_asked, { request }) => ({ items: await agents.agents(request.user_id) }),
    listRuns: ({ query }, { request }) => agents.list(request.user_id, query),
    async createRun({ body }, { request, answer }) {
      const { data, changed } = await agents.run(request, body)
      if (!changed) answer.status(200)
      return data
    },
    getRun: ({ params }, { request }) => agents.get(request.user_id, params.id),
    async deleteRun({ params }, { request }) {
      await agents.delete(request, { run_id: params.id })
      return undefined
    },
    stopRun: async ({ params }, { request }) =>
      (await agents.stop(request, { run_id: params.id })).data,
  } satisfies Handlers
}
