// Agents: everything that has to do with replies and runs, put together. What comes in are commands and changes, what goes out is the log
// and streamed text.
import type { WireChange } from '@lockstep/protocol/change'
import type { ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { newId } from '@lockstep/protocol/ids'
import { createRuns, type AgentUseCases } from '../commands/agents.ts'
import type { Outcome, CommandContext } from '../commands/commands.ts'
import { createReplies } from '../commands/replies.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Database } from '../store/database.ts'
import { createAgentRegistry, type AgentRegistryDeps } from './agent-registry.ts'
import { ReplyLeases } from './reply-leases.ts'
import { startRecovery } from './recovery.ts'
import { Runner, type FollowedTopic } from './runner.ts'
import type { ShowDelta } from './sinks.ts'
import { createReplyStarter } from './reply-starter.ts'
import { stopReply } from './stop-reply.ts'
import { replyTimings as usual, type ReplyTimings } from './timings.ts'

export interface AgentsDeps extends AgentRegistryDeps {
  database: Database
  log: Log
  showDelta: ShowDelta
  /**
   * From now on `onChange` is told of this user's changes, whether or not a device of the user is here; until the answer is called. Absent:
   * it is told of everybody's.
   */
  follow?: (user_id: string, topic: FollowedTopic) => () => void
  logger: Logger
  metrics: Metrics
  timings?: Partial<ReplyTimings>
}

export interface Agents {
  /** Of /conversations: entries of the table that `createExecute` takes. */
  replies: {
    reply(
      request: CommandContext,
      payload: ConversationCommands['reply'],
    ): Promise<Outcome<Summary | null>>
    stop(
      request: CommandContext,
      payload: ConversationCommands['stop'],
    ): Promise<Outcome<Summary | null>>
  }
  useCases: AgentUseCases
  /** To be called with every change that this node delivers, in any order, any number of times. */
  onChange(user_id: string, change: WireChange): void
  /** Ends what this node produces as `interrupted`, with its text; new replies are `unavailable`. Waits `deadlineMs` at most. */
  stop(deadlineMs: number): Promise<void>
}

export function createAgents(options: AgentsDeps): Agents {
  const { database, log, showDelta, logger, metrics } = options
  const timings = { ...usual, ...options.timings }
  const owner = newId()
  const replies = createReplies(database, log)
  const runs = createRuns(database, log)
  const registry = createAgentRegistry(options)
  const leases = new ReplyLeases(database, owner, { timings, logger })
  const runner = new Runner(leases, { timings, logger, metrics, follow: options.follow })
  const recovery = startRecovery({ database, replies, runs }, { owner, timings, logger })
  let stopping = false
  const { reply, run } = createReplyStarter({
    database,
    replies,
    runs,
    registry,
    leases,
    runner,
    showDelta,
    isStopping: () => stopping,
  })

  return {
    replies: {
      reply,
      stop: (request, payload) =>
        stopReply(runner, request, {
          reply: { user_id: request.user_id, ...payload },
          requestStop: (request) => replies.askToStop(request, payload),
          isOpen: () => replies.isOpen({ user_id: request.user_id, ...payload }),
          end: (request, metadata) => replies.stop(request, payload, metadata),
        }),
    },
    useCases: {
      async agents(user_id) {
        const agents = await registry.list(user_id)
        return agents.map(({ id, name, description, model }) => ({ id, name, description, model }))
      },
      run,
      stop: (request, payload) =>
        stopReply(runner, request, {
          reply: { user_id: request.user_id, ...payload },
          requestStop: (request) => runs.askToStop(request, payload),
          isOpen: () => runs.isOpen(request.user_id, payload.run_id),
          end: (request, metadata) => runs.stop(request, payload, metadata),
        }),
      async delete(request, payload) {
        const outcome = await runs.delete(request, payload)
        runner
          .find({ user_id: request.user_id, ...payload })
          ?.end({ status: 'stopped', alreadyEnded: true })
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
