// REST reads of agents and their runs. The commands go through the outbox, over sockets.
import type { Asking } from '@lockstep/protocol/rest'
import type { Call } from './call.ts'

/** The agents that can run. */
export const listAgents = async (call: Call) => (await call('listAgents')).items

/** A page of runs, newest `started_at` first. */
export const listRuns = (call: Call, query: NonNullable<Asking<'listRuns'>['query']>) =>
  call('listRuns', { query })

/** One run. Throws `not_found`. */
export const getRun = (call: Call, id: string) => call('getRun', { params: { id } })
