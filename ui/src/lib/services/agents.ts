// REST reads of agents and their runs. Commands go through the engine's outbox, over sockets.
import type { Asking } from '@lockstep/protocol/rest'
import type { Call } from '@lockstep/client/call'

/** The agents that can run. */
export const listAgents = async (call: Call) => (await call('listAgents')).items

/** A page of runs, newest first. */
export const listRuns = (call: Call, query: NonNullable<Asking<'listRuns'>['query']>) =>
  call('listRuns', { query })

/** One run. Throws `not_found`. */
export const getRun = (call: Call, id: string) => call('getRun', { params: { id } })
