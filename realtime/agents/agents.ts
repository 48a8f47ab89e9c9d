// Puts together everything that concerns replies and runs. Commands and delivered changes come in;
// entries of the log and streamed text (deltas) go out.
//
//   command ─► reply-starter ─► runner ─► producer (one per running reply) ─► reply sinks ─► log
//                                │            ▲
//                      reply-leases          provider (demo, OpenAI-compatible)
//
// recovery ends what other nodes left running when they died.
import type { WireChange } from '@lockstep/protocol/change'
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import { newId } from '@lockstep/protocol/ids'
import { createRuns, type AgentUseCases } from '../commands/agents.ts'
import type { ConversationOutcome } from '../commands/conversation-outcome.ts'
import type { CommandContext } from '../log/entry.ts'
import { createReplies } from '../commands/replies.ts'
import type { Produce } from '../commands/uploads.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Database } from '../store/database.ts'
import { createAgentRegistry, type AgentRegistryDeps } from './agent-registry.ts'
import { createHostReplies, type HostReplies } from './host-replies.ts'
import { startRecovery } from './recovery.ts'
import { createReplyLeases } from './reply-leases.ts'
import { createReplyStarter } from './reply-starter.ts'
import type { RunQuota } from './token-meter.ts'
import { startRunner, type FollowTopic } from './runner.ts'
import type { ShowDelta } from './sinks.ts'
import { stopReply } from './stop-reply.ts'
import { replyTimings, type ReplyTimings } from './timings.ts'

export interface AgentsDeps extends AgentRegistryDeps {
  database: Database
  log: Log
  showDelta: ShowDelta
  /** The models that users may name besides the assistant's own. Default: any. */
  allowedModels?: readonly string[]
  /** Default: none. */
  dailyQuota?: RunQuota
  /** If left out, `onChange` must be called for the changes of every user. */
  follow?: FollowTopic
  logger: Logger
  metrics: Metrics
  /** These replace the usual `replyTimings`. */
  timings?: Partial<ReplyTimings>
}

export interface Agents {
  /** The models that users may name. Undefined: any. */
  allowedModels: ReadonlySet<string> | undefined
  /** Handlers of three commands in /conversations. */
  replies: {
    reply(
      context: CommandContext,
      payload: ConversationCommands['reply'],
    ): Promise<ConversationOutcome>
    stop(
      context: CommandContext,
      payload: ConversationCommands['stop'],
    ): Promise<ConversationOutcome>
    produce: HostReplies['take']
  }
  /** Takes a reply as a stream of pieces. */
  produce: Produce
  useCases: AgentUseCases
  /**
   * Must be called with every change that this node delivers, in any order and any number of times.
   */
  onChange(user_id: string, change: WireChange): void
  /**
   * Ends every reply and run of this node as `interrupted` and keeps its text. From this call on,
   * new ones are `unavailable`. Resolves after `deadlineMs` at the latest.
   */
  stop(deadlineMs: number): Promise<void>
}

export function createAgents(deps: AgentsDeps): Agents {
  const { database, log, showDelta, follow, logger, metrics } = deps
  const timings = { ...replyTimings, ...deps.timings }
  const owner = newId()
  const replies = createReplies(database, log)
  const runs = createRuns(database, log)
  const registry = createAgentRegistry(deps)
  const leases = createReplyLeases({ database, owner, timings, logger })
  const runner = startRunner({ leases, timings, logger, metrics, follow })
  const recovery = startRecovery({ database, replies, runs, owner, timings, logger })
  const { assistant } = deps
  const allowedModels =
    assistant && deps.allowedModels && new Set([assistant.model, ...deps.allowedModels])
  let stopping = false
  const { reply, run } = createReplyStarter({
    database,
    replies,
    runs,
    registry,
    leases,
    runner,
    showDelta,
    allowedModels,
    quota: deps.dailyQuota,
    isStopping: () => stopping,
  })

  const hostReplies = createHostReplies({
    ...{ database, replies, leases, runner, showDelta, timings },
    isStopping: () => stopping,
  })

  return {
    allowedModels,
    produce: hostReplies.produce,
    replies: {
      reply,
      produce: hostReplies.take,
      stop: (context, payload) =>
        stopReply(runner, context, {
          reply: { user_id: context.user_id, ...payload },
          requestStop: (context) => replies.askToStop(context, payload),
          isOpen: () => replies.isOpen({ user_id: context.user_id, ...payload }),
          end: (context, metadata) => replies.stop(context, payload, metadata),
        }),
    },
    useCases: {
      async agents(user_id) {
        const agents = await registry.list(user_id)
        return agents.map(({ id, name, description, model }) => ({ id, name, description, model }))
      },
      run,
      stop: (context, payload) =>
        stopReply(runner, context, {
          reply: { user_id: context.user_id, ...payload },
          requestStop: (context) => runs.askToStop(context, payload),
          isOpen: () => runs.isOpen(context.user_id, payload.run_id),
          end: (context, metadata) => runs.stop(context, payload, metadata),
        }),
      async delete(context, payload) {
        const outcome = await runs.delete(context, payload)
        const producer = runner.find({ user_id: context.user_id, ...payload })
        producer?.end({ status: 'stopped', alreadyEnded: true })
        return outcome
      },
      list: runs.list,
      get: runs.get,
    },
    onChange: runner.onChange,
    async stop(deadlineMs) {
      stopping = true
      await Promise.all([runner.stop(deadlineMs), recovery.stop()])
      leases.stop()
    },
  }
}
