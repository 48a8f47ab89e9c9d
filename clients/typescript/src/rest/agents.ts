// REST reads of agents and their runs. The commands go through the outbox, over sockets.
import { Fault } from '@lockstep/protocol/errors'
import { isId } from '@lockstep/protocol/ids'
import type { Answer, Asking } from '@lockstep/protocol/rest'
import type { Call } from './call.ts'

/** The agents that can run. */
export const listAgents = async (call: Call) => (await call('listAgents')).items

/** A page of runs, newest `started_at` first. */
export const listRuns = (call: Call, query: NonNullable<Asking<'listRuns'>['query']>) =>
  call('listRuns', { query })

/** One run. Throws `not_found`. */
export async function getRun(call: Call, id: string): Promise<Answer<'getRun'>> {
  // A text that isn't an id names no run. The server would call it malformed instead.
  if (!isId(id)) throw new Fault('not_found', { detail: 'There is no such run' })
  return call('getRun', { params: { id } })
}
