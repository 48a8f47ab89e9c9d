// REST reads of agents. Their runs, and all commands, go through the engine.
import type { Call } from '@lockstep/client'

/** The agents that can run, with the user's settings as the server has them now. */
export const listAgents = async (call: Call) => (await call('listAgents')).items
