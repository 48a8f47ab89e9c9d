// Handlers of the routes under /conversations.
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import type { CommandHandlers } from '../commands/commands.ts'
import type { ConversationOutcome } from '../commands/conversation-outcome.ts'
import { NEWEST, type Conversations } from '../commands/conversations.ts'
import { noSuchConversation } from '../commands/live-conversation.ts'
import type { RewindUseCases } from '../commands/rewind.ts'
import type { Produce } from '../commands/uploads.ts'
import { readProduced } from './produced-lines.ts'
import type { Handlers } from './route-handler.ts'

/**
 * Responses contain the conversation with its newest messages, as a GET without parameters does.
 */
const withNewest = { newest: NEWEST }

export function conversationHandlers(
  commands: CommandHandlers['conversations'],
  conversations: Pick<Conversations, 'list' | 'get'>,
  rewind: Pick<RewindUseCases, 'at'>,
  produce: Produce,
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

  /** The fault of a request for another version. Throws `not_found` if there is no conversation. */
  const conflict = async (user_id: string, id: string): Promise<Fault> =>
    new Fault('version_conflict', { current: await conversations.get(user_id, id) })

  /** Adds the conversation as it is now to a `version_conflict`. */
  const withCurrent = async <T>(
    user_id: string,
    id: string,
    command: () => Promise<T>,
  ): Promise<T> =>
    command().catch(async (error: unknown) => {
      throw error instanceof Fault && error.code === 'version_conflict'
        ? await conflict(user_id, id)
        : error
    })

  return {
    listConversations: ({ query }, { caller }) => conversations.list(caller.user_id, query),
    async createConversation({ body }, { caller, response }) {
      const outcome = await commands.create(caller, body, withNewest)
      if (!outcome.changed) response.status(200)
      return conversationOf(caller.user_id, outcome)
    },
    getConversation: ({ params, query }, { caller }) =>
      conversations.get(caller.user_id, params.id, query),
    async putConversation({ params, body }, { caller, if_version, only_if_absent }) {
      if (only_if_absent) throw await conflict(caller.user_id, params.id)
      const { title, metadata, pinned, archived, messages } = body as Partial<
        ConversationCommands['update']
      >
      const fields = { title, metadata, pinned, archived, messages, if_version }
      const update = { conversation_id: params.id, ...fields }
      return conversationOf(caller.user_id, await commands.update(caller, update, withNewest))
    },
    async deleteConversation({ params }, { conditional }) {
      await commands.delete(conditional, { conversation_id: params.id })
      return undefined
    },
    async restoreConversation({ params }, { conditional }) {
      const target = { conversation_id: params.id }
      const outcome = await commands.restore(conditional, target, withNewest)
      return conversationOf(conditional.user_id, outcome)
    },
    async purgeConversation({ params }, { conditional }) {
      await commands.purge(conditional, { conversation_id: params.id })
      return undefined
    },
    getConversationAt: ({ params, query }, { caller }) =>
      rewind.at(caller.user_id, params.id, query),
    async rewindConversation({ params, body }, { conditional }) {
      const target = { conversation_id: params.id, ...body }
      const outcome = await withCurrent(conditional.user_id, params.id, () =>
        commands.rewind(conditional, target, withNewest),
      )
      return conversationOf(conditional.user_id, outcome)
    },
    async appendMessages({ params, body }, { conditional }) {
      const command = { conversation_id: params.id, ...body }
      return conversationOf(
        conditional.user_id,
        await commands.append(conditional, command, withNewest),
      )
    },
    async deleteMessage({ params: { id, message_id } }, { caller, if_version }) {
      const command = { conversation_id: id, message_ids: [message_id] }
      await commands.delete_messages(caller, command, { message_version: if_version })
      return undefined
    },
    async startReply({ params, body }, { conditional }) {
      const command = { conversation_id: params.id, ...body }
      const { reply } = await withCurrent(conditional.user_id, params.id, () =>
        commands.reply(conditional, command),
      )
      if (!reply) throw noSuchConversation()
      return reply
    },
    async stopReply({ params, body }, { caller, if_version }) {
      // compared here and not at the end of the reply, whose producer changes the conversation
      // until then
      if (if_version !== undefined) {
        const current = await conversations.get(caller.user_id, params.id)
        if (current.version !== if_version) throw new Fault('version_conflict', { current })
      }
      const command = { conversation_id: params.id, ...body }
      return conversationOf(caller.user_id, await commands.stop(caller, command))
    },
    produceReply: ({ params, query, body }, { caller }) =>
      produce(
        caller,
        { conversation_id: params.id, ...query },
        {
          read: (upload) => readProduced(body, upload),
          stopping: body.stopping,
        },
      ),
  } satisfies Handlers
}
