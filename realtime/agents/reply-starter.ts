// How a reply or a run begins. The lease comes first, then the log, then the text: whatever step a node dies at, another one finds the lease
// and ends what there is.
import type { AgentCommands, Run } from '@lockstep/protocol/agents'
import type { ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Runs } from '../commands/agents.ts'
import type { Outcome, CommandContext } from '../commands/commands.ts'
import { byServer, type Replies, type ReplyAddress } from '../commands/replies.ts'
import type { Database } from '../store/database.ts'
import { countRunning } from '../store/leases.ts'
import type { AgentSettings } from './agent-settings.ts'
import type { AgentRegistry } from './agent-registry.ts'
import type { ReplyLeases } from './reply-leases.ts'
import { reasons, type ProviderEvent, type ProviderMessage } from './provider.ts'
import type { Runner } from './runner.ts'
import { sequentialSink, messageSink, runSink, type ShowDelta } from './sinks.ts'
import { THREAD_MESSAGES, threadOf } from './thread.ts'

/** Replies and runs of one user at the same time. */
const RUNNING_MAX = 5

interface ReplyStarterDeps {
  database: Database
  replies: Replies
  runs: Runs
  registry: AgentRegistry
  leases: ReplyLeases
  runner: Runner
  showDelta: ShowDelta
  isStopping: () => boolean
}

export interface ReplyStarter {
  reply(
    request: CommandContext,
    payload: ConversationCommands['reply'],
  ): Promise<Outcome<Summary | null>>
  run(request: CommandContext, payload: AgentCommands['run']): Promise<Outcome<Run>>
}

export function createReplyStarter(rooms: ReplyStarterDeps): ReplyStarter {
  const { database, replies, runs, registry, leases, runner, showDelta } = rooms

  /** Who answers, or why nobody does. */
  async function choose(user_id: string, id: string | undefined): Promise<AgentSettings | Fault> {
    const agent = await registry.find(user_id, id)
    const message = 'must be the id of an agent'
    if (!agent)
      return new Fault('invalid', {
        detail: `agent ${message}`,
        issues: [{ path: 'agent', message }],
      })
    if (rooms.isStopping())
      return new Fault('unavailable', {
        detail: 'This server is about to restart: try again',
        retry_after_ms: 1_000,
      })
    if ((await countRunning(database, user_id, RUNNING_MAX)) < RUNNING_MAX) return agent
    const detail = `At most ${RUNNING_MAX} replies can be written at the same time: wait for one, or stop it`
    return new Fault('rate_limited', { detail, retry_after_ms: 5_000 })
  }

  async function reply(request: CommandContext, payload: ConversationCommands['reply']) {
    const { user_id } = request
    const { conversation_id, replaces } = payload
    const agent = await choose(user_id, payload.agent)
    const address = { user_id, conversation_id, message_id: newId(), run_id: newId() }
    // a repeated command finds its first outcome, also when it would be refused now
    if (agent instanceof Fault) return replies.begin(request, payload, startOf(address), agent)
    const lease = await leases.take(address)
    const start = { ...startOf(address, agent), replaces }
    const begun = await replies
      .begin(request, payload, start)
      .catch((error: unknown) => unused(lease, error))
    if (begun.changed) {
      const source = (signal: AbortSignal) =>
        registry.stream(agent, () => threadTo(address), signal)
      const sink = messageSink(replies, address, showDelta)
      runner.start({ ...address, topics: ['conversations'], source, sink }, lease)
    } else await leases.drop(lease)
    return begun
  }

  async function run(request: CommandContext, payload: AgentCommands['run']) {
    const { user_id } = request
    const { conversation_id = null, input } = payload
    const agent = await choose(user_id, payload.agent)
    const run_id = payload.id ?? newId()
    const message_id = conversation_id === null ? null : newId()
    const start = {
      ...payload,
      id: run_id,
      message_id,
      model: agent instanceof Fault ? '' : agent.model,
    }
    const obstacle =
      conversation_id === null ? undefined : await replies.obstacle(user_id, conversation_id)
    if (agent instanceof Fault) return runs.begin(request, payload, start, agent)
    if (obstacle) return runs.begin(request, payload, start, obstacle)
    const address = { user_id, run_id, conversation_id, message_id }
    const lease = await leases.take(address)
    const begun = await runs
      .begin(request, payload, start)
      .catch((error: unknown) => unused(lease, error))
    if (!begun.changed) await leases.drop(lease)
    else if (conversation_id !== null && message_id !== null)
      await linked({ ...address, conversation_id, message_id }, agent, input, lease)
    else {
      const source = running(address, agent, () =>
        Promise.resolve([{ role: 'user', content: input }]),
      )
      const sink = runSink(runs, user_id, run_id, showDelta)
      runner.start({ ...address, topics: ['agents'], source, sink }, lease)
    }
    return begun
  }

  /** The run has begun: its question and its reply follow in the conversation. */
  async function linked(
    address: ReplyAddress,
    agent: AgentSettings,
    content: string,
    lease: string,
  ): Promise<void> {
    const { user_id, conversation_id, run_id } = address
    const start = { ...startOf(address, agent), input: { id: newId(), content } }
    try {
      await replies.begin(byServer(user_id, 'reply', run_id), { conversation_id }, start)
    } catch (error) {
      if (!(error instanceof Fault)) return leases.release(lease) // nobody knows whether it is there: recovery looks
      const code = error.code === 'already_replying' ? 'conversation_busy' : 'conversation_gone'
      await runs.finish(user_id, run_id, {
        status: 'failed',
        metadata: { reason: reasons[code], reason_code: code },
      })
      return leases.drop(lease)
    }
    const source = running(address, agent, () => threadTo(address))
    const sink = sequentialSink([
      runSink(runs, user_id, run_id, showDelta),
      messageSink(replies, address, showDelta),
    ])
    runner.start({ ...address, topics: ['agents', 'conversations'], source, sink }, lease)
  }

  /** A run says that it runs before it asks for the first piece. */
  const running = (
    { user_id, run_id }: Pick<ReplyAddress, 'user_id' | 'run_id'>,
    agent: AgentSettings,
    thread: () => Promise<ProviderMessage[]>,
  ) =>
    async function* (signal: AbortSignal): AsyncGenerator<ProviderEvent> {
      await runs.extend(user_id, run_id, { offset: 0, text: '' })
      yield* registry.stream(agent, thread, signal)
    }

  const threadTo = async ({ user_id, conversation_id, message_id }: ReplyAddress) =>
    threadOf(await replies.upTo(user_id, conversation_id, message_id, THREAD_MESSAGES), {
      id: message_id,
    })

  /** A refusal wrote nothing; of anything else nobody knows, so the lease stays until recovery has looked. */
  async function unused(lease: string, error: unknown): Promise<never> {
    if (error instanceof Fault) await leases.drop(lease)
    throw error
  }

  return { reply, run }
}

const startOf = ({ message_id, run_id }: ReplyAddress, agent?: AgentSettings) => ({
  message_id,
  run_id,
  agent: agent?.id ?? '',
  model: agent?.model ?? '',
})
