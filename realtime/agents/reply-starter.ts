// Starts replies and runs. The lease comes first, then the log, then the text. Whatever step a node
// dies at, another node finds the lease and ends what has begun.
import type { AgentCommands, Run } from '@lockstep/protocol/agents'
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Runs } from '../commands/agents.ts'
import type { ConversationOutcome } from '../commands/conversation-outcome.ts'
import type { Outcome } from '../commands/outcome.ts'
import type { CommandContext } from '../log/entry.ts'
import { byServer, type Replies, type ReplyAddress } from '../commands/replies.ts'
import type { Database } from '../store/database.ts'
import { countRunning } from '../store/leases.ts'
import type { AgentRegistry } from './agent-registry.ts'
import type { AgentSettings } from './agent-settings.ts'
import { reasons, type ProviderEvent, type ProviderMessage, type RequestIds } from './provider.ts'
import type { ReplyLeases } from './reply-leases.ts'
import type { Runner } from './runner.ts'
import { messageSink, runSink, sequentialSink, type ShowDelta } from './sinks.ts'
import { THREAD_MESSAGES, threadOf } from './thread.ts'
import { TokenMeter, type RunQuota } from './token-meter.ts'

/** A user may have this many replies and runs at the same time. */
export const MAX_RUNNING = 5

export interface ReplyStarterDeps {
  database: Database
  replies: Replies
  runs: Runs
  registry: AgentRegistry
  leases: ReplyLeases
  runner: Runner
  showDelta: ShowDelta
  /** Undefined: users may name any model. */
  allowedModels: ReadonlySet<string> | undefined
  quota: RunQuota | undefined
  /** Whether this node is stopping and so starts nothing new. */
  isStopping: () => boolean
}

export interface ReplyStarter {
  reply(
    context: CommandContext,
    payload: ConversationCommands['reply'],
  ): Promise<ConversationOutcome>
  run(context: CommandContext, payload: AgentCommands['run']): Promise<Outcome<Run>>
}

export function createReplyStarter(deps: ReplyStarterDeps): ReplyStarter {
  const { database, replies, runs, registry, leases, runner, showDelta, allowedModels, quota } =
    deps

  /** The agent that will answer, or the Fault that refuses the command. */
  async function chooseAgent(
    user_id: string,
    agentId: string | undefined,
  ): Promise<AgentSettings | Fault> {
    const agent = await registry.find(user_id, agentId)
    if (!agent) {
      const message = 'must be the id of an agent'
      const issues = [{ path: 'agent', message }]
      return new Fault('invalid', { detail: `agent ${message}`, issues })
    }
    if (agent.provider === 'assistant' && allowedModels && !allowedModels.has(agent.model)) {
      const message = `must be an agent with one of the models ${[...allowedModels].join(', ')}`
      const issues = [{ path: 'agent', message }]
      return new Fault('invalid', {
        detail: `This server doesn’t offer the model ${agent.model}: agent ${message}`,
        issues,
      })
    }
    if (deps.isStopping())
      return new Fault('unavailable', {
        detail: 'This server is about to restart; try again',
        retry_after_ms: 1_000,
      })
    if ((await countRunning(database, user_id, MAX_RUNNING)) < MAX_RUNNING)
      return (await quota?.beginRun(user_id)) ?? agent
    return new Fault('rate_limited', {
      detail: `At most ${MAX_RUNNING} replies can be written at the same time; wait for one or stop one`,
      retry_after_ms: 5_000,
    })
  }

  async function reply(context: CommandContext, payload: ConversationCommands['reply']) {
    const { user_id } = context
    const { conversation_id, replaces } = payload
    const agent = await chooseAgent(user_id, payload.agent)
    const { message_id = newId() } = payload
    const address = { user_id, conversation_id, message_id, run_id: newId() }
    // a repeated command returns its first outcome, even if it would be refused now
    if (agent instanceof Fault) return replies.begin(context, payload, startOf(address), agent)
    const lease = await leases.take(address)
    const start = { ...startOf(address, agent), replaces }
    const outcome = await replies
      .begin(context, payload, start)
      .catch((error: unknown) => dropIfRefused(user_id, lease, error))
    if (outcome.changed) {
      const source = (signal: AbortSignal) =>
        metered(address, agent, () => threadBefore(address), signal)
      const sink = messageSink(replies, address, showDelta)
      runner.start({ ...address, topics: ['conversations'], source, sink }, lease)
    } else await dropUnused(user_id, lease)
    return outcome
  }

  async function run(context: CommandContext, payload: AgentCommands['run']) {
    const { user_id } = context
    const { conversation_id = null, input } = payload
    const agent = await chooseAgent(user_id, payload.agent)
    const run_id = payload.id ?? newId()
    const message_id = conversation_id === null ? null : newId()
    const model = agent instanceof Fault ? '' : agent.model
    const start = { ...payload, id: run_id, message_id, model }
    const obstacle =
      conversation_id === null ? undefined : await replies.obstacle(user_id, conversation_id)
    // a repeated command returns its first outcome, even if it would be refused now
    if (agent instanceof Fault) return runs.begin(context, payload, start, agent)
    if (obstacle) {
      await quota?.giveRunBack(user_id)
      return runs.begin(context, payload, start, obstacle)
    }
    const address = { user_id, run_id, conversation_id, message_id }
    const lease = await leases.take(address)
    const outcome = await runs
      .begin(context, payload, start)
      .catch((error: unknown) => dropIfRefused(user_id, lease, error))
    if (!outcome.changed) await dropUnused(user_id, lease)
    else if (conversation_id !== null && message_id !== null)
      await startInConversation({ ...address, conversation_id, message_id }, agent, input, lease)
    else {
      const source = sourceOfRun(address, agent, () =>
        Promise.resolve([{ role: 'user', content: input }]),
      )
      const sink = runSink(runs, address, showDelta)
      runner.start({ ...address, topics: ['agents'], source, sink }, lease)
    }
    return outcome
  }

  /**
   * Appends the question and the reply of a run that has begun to its conversation, then produces
   * the reply.
   */
  async function startInConversation(
    address: ReplyAddress,
    agent: AgentSettings,
    question: string,
    lease: string,
  ): Promise<void> {
    const { user_id, conversation_id, run_id } = address
    const start = { ...startOf(address, agent), input: { id: newId(), content: question } }
    try {
      await replies.begin(byServer(user_id, 'reply', run_id), { conversation_id }, start)
    } catch (error) {
      // It is unknown whether the reply was appended: recovery will look when the lease expires.
      if (!(error instanceof Fault)) return leases.release(lease)
      const code = error.code === 'already_replying' ? 'conversation_busy' : 'conversation_gone'
      await runs.finish(user_id, run_id, {
        status: 'failed',
        metadata: { reason: reasons[code], reason_code: code },
      })
      return leases.drop(lease)
    }
    const source = sourceOfRun(address, agent, () => threadBefore(address))
    const sink = sequentialSink([
      runSink(runs, address, showDelta),
      messageSink(replies, address, showDelta),
    ])
    runner.start({ ...address, topics: ['agents', 'conversations'], source, sink }, lease)
  }

  /** Marks the run as running with an empty extension, then asks the agent. */
  const sourceOfRun = (
    address: RequestIds,
    agent: AgentSettings,
    readThread: () => Promise<ProviderMessage[]>,
  ) =>
    async function* (signal: AbortSignal): AsyncGenerator<ProviderEvent> {
      await runs.extend(address.user_id, address.run_id, { offset: 0, text: '' })
      yield* metered(address, agent, readThread, signal)
    }

  /** Asks the agent, and counts the tokens of the answer however it ends. */
  async function* metered(
    { user_id, run_id, conversation_id, message_id }: RequestIds,
    agent: AgentSettings,
    readThread: () => Promise<ProviderMessage[]>,
    signal: AbortSignal,
  ): AsyncGenerator<ProviderEvent> {
    const meter = new TokenMeter()
    const ids = { user_id, run_id, conversation_id, message_id }
    const noted = async () => {
      const messages = await readThread()
      meter.noteThread(messages, agent.instructions)
      return messages
    }
    try {
      for await (const event of registry.stream(agent, noted, { signal, ids })) {
        meter.note(event)
        yield event
      }
    } finally {
      await quota?.noteTokens(user_id, meter.tokens)
    }
  }

  async function threadBefore({ user_id, conversation_id, message_id }: ReplyAddress) {
    const address = { user_id, conversation_id, message_id }
    const { messages, removed } = await replies.upTo(address, THREAD_MESSAGES)
    return threadOf(messages, { id: message_id }, removed)
  }

  /**
   * A refusal (Fault) wrote nothing, so the lease can go. After any other error it is unknown
   * whether the log has the entry, so the lease stays until it expires and recovery looks.
   */
  async function dropIfRefused(user_id: string, lease: string, error: unknown): Promise<never> {
    if (error instanceof Fault) await dropUnused(user_id, lease)
    throw error
  }

  async function dropUnused(user_id: string, lease: string): Promise<void> {
    await leases.drop(lease)
    await quota?.giveRunBack(user_id)
  }

  return { reply, run }
}

const startOf = ({ message_id, run_id }: ReplyAddress, agent?: AgentSettings) => ({
  message_id,
  run_id,
  agent: agent?.id ?? '',
  model: agent?.model ?? '',
})
