// Routes under /conversations.
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import type { CommandHandlers } from '../commands/commands.ts'
import type { ConversationOutcome } from '../commands/conversation-outcome.ts'
import { NEWEST, type Conversations } from '../commands/conversations.ts'
import { noSuchConversation } from '../commands/live-conversation.ts'
import type { RewindUseCases } from '../commands/rewind.ts'
import type { Handlers } from './route-handler.ts'

/** Answers with the conversation and its newest messages, as a GET without parameters does. */
const whole = { newest: NEWEST }

export function conversationHandlers(
  commands: CommandHandlers['conversations'],
  conversations: Pick<Conversations, 'list' | 'get'>,
  rewind: Pick<RewindUseCases, 'at'>,
) {
  /** A command that changed nothing is answered by a read: a repeated one may find the conversation in the trash by now. */
  function answerOf(user_id: string, { data, conversation }: ConversationOutcome) {
    if (conversation) return conversation
    if (!data) throw noSuchConversation()
    const state = data.deleted_at === null ? 'active' : 'trash'
    return conversations.get(user_id, data.id, { state })
  }

  return {
    listConversations: ({ query }, { caller }) => conversations.list(caller.user_id, query),
    async createConversation({ body }, { caller, response }) {
      const outcome = await commands.create(caller, body, whole)
      if (!outcome.changed) response.status(200)
      return answerOf(caller.user_id, outcome)
    },
    getConversation: ({ params, query }, { caller }) =>
      conversations.get(caller.user_id, params.id, query),
    async putConversation({ params, body }, { caller, if_version }) {
      const { title, metadata, pinned, archived, messages } = body as Partial<
        ConversationCommands['update']
      >
      const fields = { title, metadata, pinned, archived, messages, if_version }
      const update = { conversation_id: params.id, ...fields }
      return answerOf(caller.user_id, await commands.update(caller, update, whole))
    },
    async deleteConversation({ params }, { caller }) {
      await commands.delete(caller, { conversation_id: params.id })
      return undefined
    },
    async restoreConversation({ params }, { caller }) {
      const target = { conversation_id: params.id }
      return answerOf(caller.user_id, await commands.restore(caller, target, whole))
    },
    async purgeConversation({ params }, { caller }) {
      await commands.purge(caller, { conversation_id: params.id })
      return undefined
    },
    getConversationAt: ({ params, query }, { caller }) =>
      rewind.at(caller.user_id, params.id, query),
    async rewindConversation({ params, body }, { caller }) {
      const target = { conversation_id: params.id, ...body }
      return answerOf(caller.user_id, await commands.rewind(caller, target, whole))
    },
  } satisfies Handlers
}
