// Handlers of the routes under /conversations.
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import type { CommandHandlers } from '../commands/commands.ts'
import type { ConversationOutcome } from '../commands/conversation-outcome.ts'
import { NEWEST, type Conversations } from '../commands/conversations.ts'
import { noSuchConversation } from '../commands/live-conversation.ts'
import type { RewindUseCases } from '../commands/rewind.ts'
import type { Handlers } from './route-handler.ts'

/**
 * Responses contain the conversation with its newest messages, as a GET without parameters does.
 */
const withNewest = { newest: NEWEST }

export function conversationHandlers(
  commands: CommandHandlers['conversations'],
  conversations: Pick<Conversations, 'list' | 'get'>,
  rewind: Pick<RewindUseCases, 'at'>,
) {
  /**
   * The conversation in an outcome. A command that changed nothing has none, so the conversation is
   * read; a repeated command may find it in the trash.
   */
  function conversationOf(user_id: string, { data, conversation }: ConversationOutcome) {
    if (conversation) return conversation
    if (!data) throw noSuchConversation()
    const state = data.deleted_at === null ? 'active' : 'trash'
    return conversations.get(user_id, data.id, { state })
  }

  return {
    listConversations: ({ query }, { caller }) => conversations.list(caller.user_id, query),
    async createConversation({ body }, { caller, response }) {
      const outcome = await commands.create(caller, body, withNewest)
      if (!outcome.changed) response.status(200)
      return conversationOf(caller.user_id, outcome)
    },
    getConversation: ({ params, query }, { caller }) =>
      conversations.get(caller.user_id, params.id, query),
    async putConversation({ params, body }, { caller, if_version }) {
      const { title, metadata, pinned, archived, messages } = body as Partial<
        ConversationCommands['update']
      >
      const fields = { title, metadata, pinned, archived, messages, if_version }
      const update = { conversation_id: params.id, ...fields }
      return conversationOf(caller.user_id, await commands.update(caller, update, withNewest))
    },
    async deleteConversation({ params }, { caller }) {
      await commands.delete(caller, { conversation_id: params.id })
      return undefined
    },
    async restoreConversation({ params }, { caller }) {
      const target = { conversation_id: params.id }
      return conversationOf(caller.user_id, await commands.restore(caller, target, withNewest))
    },
    async purgeConversation({ params }, { caller }) {
      await commands.purge(caller, { conversation_id: params.id })
      return undefined
    },
    getConversationAt: ({ params, query }, { caller }) =>
      rewind.at(caller.user_id, params.id, query),
    async rewindConversation({ params, body }, { caller }) {
      const target = { conversation_id: params.id, ...body }
      return conversationOf(caller.user_id, await commands.rewind(caller, target, withNewest))
    },
  } satisfies Handlers
}
