// What happens to a run of an agent: it begins, grows, ends, is removed, is read. Writes go through the log of topic `agents`.
import type { Agent, AgentChanges, AgentCommands, Run } from '@lockstep/protocol/agents'
import type { Decision, DecisionContext } from '@lockstep/protocol/change'
import {
  decideRun,
  decideRunDelete,
  decideRunExtend,
  decideRunFinish,
  decideRunStopRequest,
  existingRun,
  type RunEnding,
  type RunStart,
} from '@lockstep/protocol/decide/runs'
import type { Fault } from '@lockstep/protocol/errors'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { isRun, reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import { fingerprintOf, toChange } from '../log/entry.ts'
import type { Appended, Hot, Log } from '../log/log.ts'
import { listRuns, readRun, toRun } from '../store/agent-runs.ts'
import type { Database } from '../store/database.ts'
import type { Outcome, CommandContext } from './commands.ts'
import { cursorsOf } from './cursor.ts'
import { byServer } from './replies.ts'

export interface RunsQuery {
  limit: number
  cursor?: string
  agent?: string
  conversation_id?: string
}

/** What can be done with agents from outside, by HTTP and sockets alike. */
export interface AgentUseCases {
  /** Those that can answer; the first one does when none is named. */
  agents(user_id: string): Promise<Agent[]>
  /** Starts a run; with a known id: the one that is there, `changed: false`. */
  run(request: CommandContext, payload: AgentCommands['run']): Promise<Outcome<Run>>
  stop(request: CommandContext, payload: AgentCommands['stop']): Promise<Outcome<Run>>
  /** `data` is null. */
  delete(request: CommandContext, payload: AgentCommands['delete']): Promise<Outcome<null>>
  /** Newest `started_at` first. Throws `invalid` for a foreign cursor. */
  list(
    user_id: string,
    query: RunsQuery,
  ): Promise<{ items: Run[]; next_cursor: string | null; epoch: string; seq: number }>
  /** Throws `not_found`. */
  get(user_id: string, run_id: string): Promise<Run>
}

/** The log's side of the runs; who produces their text doesn't matter here. */
export interface Runs extends Pick<AgentUseCases, 'delete' | 'list' | 'get'> {
  /** Throws `id_taken`, or `refusal` when there is one (a known id finds its run all the same). */
  begin(
    request: CommandContext,
    payload: AgentCommands['run'],
    start: RunStart,
    refusal?: Fault,
  ): Promise<Outcome<Run>>
  /** Throws `not_found` when the run has ended. */
  extend(user_id: string, run_id: string, piece: AgentChanges['extended']): Promise<void>
  /** Ends the run, once. Throws `not_found` when it is removed. `cause` tells apart who ends it. */
  finish(user_id: string, run_id: string, ending: RunEnding, cause?: string): Promise<void>
  /** Ends the run, whoever produces it, from any node; `metadata` joins the run's own. */
  stop(
    request: CommandContext,
    payload: AgentCommands['stop'],
    metadata?: JsonObject,
  ): Promise<Outcome<Run>>
  /** Asks whoever produces the run to end it. */
  askToStop(request: CommandContext, payload: AgentCommands['stop']): Promise<Outcome<Run>>
  /** Whether the run may still grow, as far as documents have followed the log. */
  isOpen(user_id: string, run_id: string): Promise<boolean>
}

type Decide = (held: HeldRun, context: DecisionContext) => Decision | undefined

export function createRuns(database: Database, log: Log): Runs {
  const load = (run_id: string) => async (hot: Hot) => {
    const entries = hot.tail.filter(({ entity_id }) => entity_id === run_id)
    return entries
      .map(toChange)
      .reduce<HeldRun>(reduceRun, await readRun(database, hot.user_id, run_id))
  }

  const append = (request: CommandContext, run_id: string, command: unknown, decide: Decide) =>
    log.append<HeldRun>({
      caller: request,
      topic: 'agents',
      mutation_id: request.mutation_id,
      fingerprint: fingerprintOf(command),
      load: load(run_id),
      decide,
    })

  async function present(user_id: string, run_id: string): Promise<HeldRun> {
    await log.projectToHead(user_id, 'agents')
    return readRun(database, user_id, run_id)
  }

  async function outcomeOf(appended: Appended<HeldRun>, user_id: string): Promise<Outcome<Run>> {
    if (appended.kind === 'unchanged') {
      const run = existingRun(appended.state)
      return { data: run, seq: appended.seq, version: run.version, changed: false }
    }
    const { entry } = appended
    const held =
      appended.kind === 'appended'
        ? reduceRun(appended.state, toChange(entry))
        : await present(user_id, entry.entity_id)
    const changed = appended.kind === 'appended'
    return { data: existingRun(held), seq: entry.seq, version: entry.version, changed }
  }

  return {
    async begin(request, payload, start, refusal) {
      const appended = await append(request, start.id, ['run', payload], (held, context) => {
        if (refusal && !isRun(held)) throw refusal
        return decideRun(held, start, context)
      })
      return outcomeOf(appended, request.user_id)
    },

    async extend(user_id, run_id, piece) {
      const request = byServer(
        user_id,
        'extended',
        run_id,
        piece.offset,
        piece.text === '' ? 'running' : '',
      )
      await append(request, run_id, ['extended', piece], (held) => decideRunExtend(held, piece))
    },

    async finish(user_id, run_id, ending, cause = 'producer') {
      const request = byServer(user_id, 'finished', cause, run_id)
      await append(request, run_id, ['finished', cause], (held, context) =>
        decideRunFinish(held, ending, context),
      )
    },

    async stop(request, payload, metadata = {}) {
      const appended = await append(request, payload.run_id, ['stop', payload], (held, context) =>
        decideRunFinish(held, { status: 'stopped', metadata }, context),
      )
      return outcomeOf(appended, request.user_id)
    },

    async askToStop(request, payload) {
      // the same command as `stop`: it may be repeated on a node where the other thing is to be done
      const appended = await append(
        request,
        payload.run_id,
        ['stop', payload],
        decideRunStopRequest,
      )
      return outcomeOf(appended, request.user_id)
    },

    async delete(request, payload) {
      const appended = await append(request, payload.run_id, ['delete', payload], decideRunDelete)
      if (appended.kind === 'unchanged')
        return {
          data: null,
          seq: appended.seq,
          version: appended.state?.version ?? 1,
          changed: false,
        }
      const { seq, version } = appended.entry
      return { data: null, seq, version, changed: appended.kind === 'appended' }
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

    get: async (user_id, run_id) => existingRun(await present(user_id, run_id)),
  }
}
