// What happens to a run of an agent: it begins, grows, ends, is deleted, is read. Writes go through
// the log of topic `agents`.
import type { Agent, AgentChanges, AgentCommands, Run, RunStatus } from '@lockstep/protocol/agents'
import type { DecisionContext } from '@lockstep/protocol/change'
import {
  decideRun,
  decideRunDelete,
  decideRunExtend,
  decideRunFinish,
  decideRunStopRequest,
  existingRun,
  type RunDecision,
  type RunEnding,
  type RunStart,
} from '@lockstep/protocol/decide/runs'
import type { Fault } from '@lockstep/protocol/errors'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { isRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import type { CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { listRuns, readRun, toRun } from '../store/agent-runs.ts'
import type { Database } from '../store/database.ts'
import { outcomeOf, type Outcome } from './outcome.ts'
import { cursorsOf } from './cursor.ts'
import { byServer } from './replies.ts'

export interface RunsQuery {
  limit: number
  cursor?: string
  agent?: string
  status?: RunStatus
  conversation_id?: string
}

/** What HTTP and sockets can do with agents and runs. */
export interface AgentUseCases {
  /** The agents that can answer. The first one is the default. */
  agents(user_id: string): Promise<Agent[]>
  /**
   * Starts a run. If there is a run with the command's id, it answers with that run and `changed:
   * false`.
   */
  run(context: CommandContext, payload: AgentCommands['run']): Promise<Outcome<Run>>
  stop(context: CommandContext, payload: AgentCommands['stop']): Promise<Outcome<Run>>
  /** `data` is null. */
  delete(context: CommandContext, payload: AgentCommands['delete']): Promise<Outcome<null>>
  /** Newest `started_at` first. Throws `invalid` for a foreign cursor. */
  list(
    user_id: string,
    query: RunsQuery,
  ): Promise<{ items: Run[]; next_cursor: string | null; epoch: string; seq: number }>
  /** Throws `not_found`. */
  get(user_id: string, run_id: string): Promise<Run>
}

/** Runs as the log has them, whoever produces their text. */
export interface Runs extends Pick<AgentUseCases, 'delete' | 'list' | 'get'> {
  /** Throws `id_taken`, or `refusal` if one is given. A known id finds its run all the same. */
  begin(
    context: CommandContext,
    payload: AgentCommands['run'],
    start: RunStart,
    refusal?: Fault,
  ): Promise<Outcome<Run>>
  /** Throws `not_found` when the run has ended. */
  extend(user_id: string, run_id: string, piece: AgentChanges['extended']): Promise<void>
  /** Ends the run, once per `cause` (who ends it). Throws `not_found` when the run is deleted. */
  finish(user_id: string, run_id: string, ending: RunEnding, cause?: string): Promise<void>
  /** Ends the run, whichever node produces it. `metadata` is added to the run's own. */
  stop(
    context: CommandContext,
    payload: AgentCommands['stop'],
    metadata?: JsonObject,
  ): Promise<Outcome<Run>>
  /** Asks the producer to end the run. */
  askToStop(context: CommandContext, payload: AgentCommands['stop']): Promise<Outcome<Run>>
  /** Whether the run may still grow, as far as the documents have followed the log. */
  isOpen(user_id: string, run_id: string): Promise<boolean>
}

type Decide = (held: HeldRun, context: DecisionContext) => RunDecision | undefined

export function createRuns(database: Database, log: Log): Runs {
  const append = (context: CommandContext, run_id: string, identity: unknown, decide: Decide) =>
    log.append({ context, topic: 'agents', entity_id: run_id, identity, decide })

  return {
    async begin(context, payload, start, refusal) {
      const appended = await append(context, start.id, ['run', payload], (held, context) => {
        if (refusal && !isRun(held)) throw refusal
        return decideRun(held, start, context)
      })
      return outcomeOf(appended, existingRun(appended.state))
    },

    async extend(user_id, run_id, piece) {
      const context = byServer(
        user_id,
        'extended',
        run_id,
        piece.offset,
        piece.text === '' ? 'running' : '',
      )
      await append(context, run_id, ['extended', piece], (held) => decideRunExtend(held, piece))
    },

    async finish(user_id, run_id, ending, cause = 'producer') {
      const context = byServer(user_id, 'finished', cause, run_id)
      await append(context, run_id, ['finished', cause], (held, context) =>
        decideRunFinish(held, ending, context),
      )
    },

    async stop(context, payload, metadata = {}) {
      const appended = await append(context, payload.run_id, ['stop', payload], (held, context) =>
        decideRunFinish(held, { status: 'stopped', metadata }, context),
      )
      return outcomeOf(appended, existingRun(appended.state))
    },

    async askToStop(context, payload) {
      // it has the identity of `stop`: a repetition may reach another node, where `stop` is called
      // instead
      const appended = await append(
        context,
        payload.run_id,
        ['stop', payload],
        decideRunStopRequest,
      )
      return outcomeOf(appended, existingRun(appended.state))
    },

    async delete(context, payload) {
      const appended = await append(context, payload.run_id, ['delete', payload], decideRunDelete)
      return outcomeOf(appended, null)
    },

    async list(user_id, { limit, cursor, ...matching }) {
      const cursors = cursorsOf('agents', user_id, matching)
      const after = cursor === undefined ? undefined : cursors.read(cursor)
      const head = await log.projectToHead(user_id, 'agents')
      const { items, more } = await listRuns(database, user_id, { ...matching, limit, after })
      const last = items.at(-1)
      const next_cursor =
        last && more ? cursors.write({ at: last.started_at, _id: last._id }) : null
      return { items: items.map(toRun), next_cursor, ...head }
    },

    async isOpen(user_id, run_id) {
      const run = await readRun(database, user_id, run_id)
      return run === undefined || (isRun(run) && run.ended_at === null)
    },

    get: async (user_id, run_id) =>
      existingRun(await log.stateAtHead({ user_id, topic: 'agents', entity_id: run_id })),
  }
}
