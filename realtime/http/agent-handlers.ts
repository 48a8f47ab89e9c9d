// Handlers of the routes under /agents and /agent-runs.
import { Fault } from '@lockstep/protocol/errors'
import type { AgentUseCases } from '../commands/agents.ts'
import type { Handlers } from './route-handler.ts'

export function agentHandlers(agents: AgentUseCases) {
  /** The fault of a request that names an older version. Throws `not_found` if there is no run. */
  const conflict = async (user_id: string, run_id: string): Promise<Fault> =>
    new Fault('version_conflict', { current: await agents.get(user_id, run_id) })

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
    async deleteRun({ params }, { conditional }) {
      await agents.delete(conditional, { run_id: params.id }).catch(async (error: unknown) => {
        throw error instanceof Fault && error.code === 'version_conflict'
          ? await conflict(conditional.user_id, params.id)
          : error
      })
      return undefined
    },
    async stopRun({ params }, { caller, if_version }) {
      // compared here and not at the end of the run, which its producer changes until then
      if (if_version !== undefined) {
        const run = await agents.get(caller.user_id, params.id)
        if (run.version !== if_version) throw new Fault('version_conflict', { current: run })
      }
      return (await agents.stop(caller, { run_id: params.id })).data
    },
  } satisfies Handlers
}
