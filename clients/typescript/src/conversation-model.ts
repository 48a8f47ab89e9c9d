// Topic `conversations` for the engine: how it is loaded, how its changes fold, what its commands will do.
import type { DecisionContext } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Conversation, ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { decideConversations } from '@lockstep/protocol/decide/conversations'
import { Fault } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import { limits } from '@lockstep/protocol/limits'
import type { MessageInput } from '@lockstep/protocol/message'
import {
  isConversation,
  reduceConversation,
  type Tombstone,
} from '@lockstep/protocol/reduce/conversation'
import { getConversation } from './rest/conversations.ts'
import type { Call } from './rest/call.ts'
import {
  actionByVersion,
  type OutgoingCommand,
  type LoadedEntity,
  type TopicModel,
} from './topic-model.ts'
import { conflictWith } from './outbox.ts'
import { predictedChange } from './predicted-change.ts'

export type ConversationState = Conversation | Tombstone

export const PAGE = 100

export interface ConversationModelDeps {
  call: Call
  /** At a load of everything: the conversations to load with messages. */
  toLoad(): Iterable<string>
  /** Whether messages are kept, and not only the summary. */
  isWindowed(id: string): boolean
  /** Reads the first page of each list that is shown; the first one's cursor counts. */
  loadLists(put: (summary: Summary) => void): Promise<Cursor>
}

export function conversationModel({
  call,
  toLoad,
  isWindowed,
  loadLists,
}: ConversationModelDeps): TopicModel<ConversationState> {
  async function read(id: string, limit: number): Promise<LoadedEntity<ConversationState>> {
    const { epoch, seq: _seq, ...held } = await getConversation(call, id, { limit })
    return { held, epoch }
  }

  const loadOne = (id: string, held: ConversationState | undefined) => {
    const messages = held && isConversation(held) ? held.messages.length : 0
    return read(
      id,
      isWindowed(id) ? Math.min(Math.max(PAGE, messages), limits.messagesPerRequest) : 1,
    )
  }

  return {
    topic: 'conversations',
    async loadAll(put) {
      const cursor = await loadLists((summary) => put(summary.id, withoutMessages(summary)))
      const open = await Promise.all(
        [...toLoad()].map((id) =>
          loadOne(id, undefined).catch((error: unknown) => {
            if (error instanceof Fault && error.code === 'not_found') return undefined
            throw error
          }),
        ),
      )
      for (const read of open) if (read) put(read.held.id, read.held)
      return cursor
    },
    loadOne,
    keyOf: (change) => change.entity_id,
    actionFor: (held, change) =>
      actionByVersion(held, change, {
        whole:
          change.op === 'created' || (change.op === 'restored' && !isWindowed(change.entity_id)),
        last: change.op === 'purged',
        stands: isConversation(held),
      }),
    reduce: reduceConversation,
    versionOf: ({ version }) => version,
    tombstone: (id, version) =>
      version > 0 ? { id, user_id: '', version, purged: true } : undefined,
    predict,
    showsWhenFailed: ({ message_ids, name }) => message_ids.length > 0 || name === 'create',
    findIgnoredEdit: leftUndone,
    withoutVersionCheck: overwriting,
    trim: (id, held) => (!isConversation(held) || isWindowed(id) ? held : withoutMessages(held)),
  }
}

export function withoutMessages(summary: Summary): Conversation {
  return { ...summary, messages: [], has_more: summary.message_count > 0 }
}

function predict(
  held: ConversationState | undefined,
  { name, payload }: OutgoingCommand,
  context: DecisionContext,
): ConversationState | undefined {
  if (!Object.hasOwn(decideConversations, name)) return held // reply, stop: only the server knows
  const decide = decideConversations[name as 'update']
  const command =
    name === 'update' ? editsOf(held, payload as ConversationCommands['update']) : payload
  const decision = decide(held, command as ConversationCommands['update'], context)
  return decision
    ? reduceConversation(held, predictedChange('conversations', decision, context))
    : held
}

/** Without edits of messages before the window: they can't be shown and must not be taken for new ones. */
function editsOf(
  held: ConversationState | undefined,
  command: ConversationCommands['update'],
): ConversationCommands['update'] {
  if (!command.messages || !held || !isConversation(held)) return command
  const known = new Set(held.messages.map(({ id }) => id))
  return {
    ...command,
    messages: command.messages.filter(({ id }) => id !== undefined && known.has(id)),
  }
}

/** A stale edit is left as it is by the server, without a fault (contract: "PUT with `messages` merges by id"). */
function leftUndone(
  held: ConversationState | undefined,
  { payload }: OutgoingCommand,
): Problem | undefined {
  const { messages = [] } = payload as { messages?: MessageInput[] }
  if (!held || !isConversation(held)) return undefined
  for (const { id, content } of messages) {
    const present = held.messages.find((message) => message.id === id)
    if (present && present.content !== content) return conflictWith(present)
  }
  return undefined
}

function overwriting(command: OutgoingCommand): OutgoingCommand {
  const {
    if_version: _if,
    messages,
    ...payload
  } = command.payload as Partial<ConversationCommands['update']>
  const edits = messages?.map(({ version: _version, ...message }) => message)
  return {
    ...command,
    checksVersion: false,
    payload: edits ? { ...payload, messages: edits } : payload,
  }
}
