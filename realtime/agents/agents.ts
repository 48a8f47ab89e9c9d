// Agents: everything that has to do with replies and runs, put together. What comes in are commands and changes, what goes out is the log
// and streamed text.
import { setTimeout as pause } from 'node:timers/promises'
import type { Change } from '../../protocol/change.ts'
import type { ConversationCommands, Summary } from '../../protocol/conversations.ts'
import { newId } from '../../protocol/ids.ts'
import { createRuns, type AgentUseCases } from '../commands/agents.ts'
import type { Outcome, Request } from '../commands/commands.ts'
import { createReplies } from '../commands/replies.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Database } from '../store/database.ts'
import { createDirectory, type DirectoryOptions } from './directory.ts'
import { Leases } from './leases.ts'
import { startRecovery } from './recovery.ts'
import { Runner, type What } from './runner.ts'
import type { ShowDelta } from './sinks.ts'
import { createStarting } from './starting.ts'
import { timings as usual, type Timings } from './timings.ts'

/** A stop waits this long for the last words; without them it stops all the same (ms). */
const FLUSH_MS = 2_000

export interface AgentsOptions extends DirectoryOptions {
  database: Database
  log: Log
  delta: ShowDelta
  logger: Logger
  metrics: Metrics
  timings?: Partial<Timings>
}

export interface Agents {
  /** Of /conversations: entries of the table that `createExecute` takes. */
  replies: {
    reply(request: Request, payload: ConversationCommands['reply']): Promise<Outcome<Summary | null>>
    stop(request: Request, payload: ConversationCommands['stop']): Promise<Outcome<Summary | null>>
  }
  useCases: AgentUseCases
  /** To be called with every change that this node delivers, in any order, any number of times. */
  onChange(user_id: string, change: Change): void
  /** Ends what this node produces as `interrupted`, with its text; new replies are `unavailable`. Waits `deadlineMs` at most. */
  stop(deadlineMs: number): Promise<void>
}

export function createAgents(options: AgentsOptions): Agents {
  const { database, log, delta, logger, metrics } = options
  const timings = { ...usual, ...options.timings }
  const owner = newId()
  const replies = createReplies(database, log)
  const runs = createRuns(database, log)
  const directory = createDirectory(options)
  const leases = new Leases(database, owner, { timings, logger })
  const runner = new Runner(leases, { timings, logger, metrics })
  const recovery = startRecovery({ database, replies, runs }, { owner, timings, logger })
  let stopping = false
  const rooms = { database, replies, runs, directory, leases, runner, delta }
  const { reply, run } = createStarting({ ...rooms, draining: () => stopping })

  /** Where it is produced here, what is still to be written comes first; then the command's own entry. */
  async function stopped<T>(what: What, stop: () => Promise<T>): Promise<T> {
    const production = runner.find(what)
    if (!production) return stop()
    const closer = Promise.withResolvers<void>()
    production.end({ status: 'stopped', closer: closer.promise })
    await Promise.race([production.flushed, pause(FLUSH_MS, undefined, { ref: false })])
    return stop().finally(closer.resolve)
  }

  return {
    replies: {
      reply,
      stop: (request, payload) =>
        stopped({ user_id: request.user_id, ...payload }, () => replies.stop(request, payload)),
    },
    useCases: {
      async agents(user_id) {
        const agents = await directory.list(user_id)
        return agents.map(({ id, name, description, model }) => ({ id, name, description, model }))
      },
      run,
      stop: (request, payload) => stopped({ user_id: request.user_id, ...payload }, () => runs.stop(request, payload)),
      async delete(request, payload) {
        const outcome = await runs.delete(request, payload)
        runner.find({ user_id: request.user_id, ...payload })?.end({ status: 'stopped', elsewhere: true })
        return outcome
      },
      list: runs.list,
      get: runs.get,
    },
    onChange: (user_id, change) => runner.onChange(user_id, change),
    async stop(deadlineMs) {
      stopping = true
      await Promise.all([runner.stop(deadlineMs), recovery.stop()])
      leases.stop()
    },
  }
}
