// Topic `conversations` for the engine: how conversations are loaded and how changes fold into
// them.
import type { Conversation, Summary } from '@lockstep/protocol/conversations'
import type { Cursor } from '@lockstep/protocol/cursor'
import { errors } from '@lockstep/protocol/error-codes'
import { Fault } from '@lockstep/protocol/errors'
import * as limits from '@lockstep/protocol/limit-values'
import {
  isConversation,
  reduceConversation,
  type Tombstone,
} from '@lockstep/protocol/reduce/conversation'
import { isRetryable, type Call } from './rest/call.ts'
import { getConversation } from './rest/conversations.ts'
import { actionByVersion, type LoadedEntity, type TopicModel } from './topic-model.ts'

export type ConversationState = Conversation | Tombstone

/** How many messages are read at once. */
export const PAGE_LIMIT = 100

export interface ConversationModelDeps {
  call: Call
  /** The conversations whose messages are loaded when the whole topic is. */
  keepOpen(): Iterable<string>
  /** Whether the messages of a conversation are kept, and not only its summary. */
  isWindowed(id: string): boolean
  /** Reads the first page of each list that is shown, and resolves with the first one's cursor. */
  loadLists(put: (summary: Summary) => void): Promise<Cursor>
}

export function conversationModel({
  call,
  keepOpen,
  isWindowed,
  loadLists,
}: ConversationModelDeps): TopicModel<ConversationState> {
  async function loadOne(
    id: string,
    held: ConversationState | undefined,
  ): Promise<LoadedEntity<ConversationState>> {
    const known = held && isConversation(held) ? held.messages.length : 0
    const wanted = Math.min(Math.max(PAGE_LIMIT, known), limits.messagesPerRequest)
    const limit = isWindowed(id) ? wanted : 1
    const { epoch, seq: _seq, ...state } = await getConversation(call, id, { limit })
    return { state, epoch }
  }

  return {
    topic: 'conversations',
    async loadAll(put) {
      const cursor = await loadLists((summary) => put(summary.id, withoutMessages(summary)))
      const open = await Promise.all(
        [...keepOpen()].map((id) =>
          loadOne(id, undefined).catch((error: unknown) => {
            // A conversation that can't be read must not keep the others from being loaded.
            if (error instanceof Fault && !isRetryable(error) && !errors[error.code].closes)
              return undefined
            throw error
          }),
        ),
      )
      for (const loaded of open) if (loaded) put(loaded.state.id, loaded.state)
      return cursor
    },
    loadOne,
    keyOf: (change) => change.entity_id,
    actionFor: (held, change) =>
      actionByVersion(held, change, {
        isWhole:
          change.op === 'created' || (change.op === 'restored' && !isWindowed(change.entity_id)),
        isLast: change.op === 'purged',
        isEntity: isConversation(held),
      }),
    reduce: reduceConversation,
    versionOf: ({ version }) => version,
    tombstone: (id, version) =>
      version > 0 ? { id, user_id: '', version, purged: true } : undefined,
    trim: (id, state) =>
      !isConversation(state) || isWindowed(id) ? state : withoutMessages(state),
  }
}

export function withoutMessages(summary: Summary): Conversation {
  return { ...summary, messages: [], has_more: summary.message_count > 0 }
}
