// Routes under /conversations.
import type { ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import type { Outcome } from '../commands/commands.ts'
import type { Conversations } from '../commands/conversations.ts'
import type { RewindUseCases } from '../commands/rewind.ts'
import type { Handlers } from './route-handler.ts'

export function conversationHandlers(conversations: Conversations, rewind: RewindUseCases) {
  /** What a change made, whole. A repeated one may find that the conversation has gone to the trash since. */
  function whole(user_id: string, { data }: Outcome<Summary | null>) {
    if (!data) throw new Fault('not_found', { detail: 'There is no such conversation' })
    return conversations.get(user_id, data.id, {
      state: data.deleted_at === null ? 'active' : 'trash',
    })
  }

  return {
    listConversations: ({ query }, { caller }) => conversations.list(caller.user_id, query),
    async createConversation({ body }, { caller, response }) {
      const outcome = await conversations.change('create', caller, body)
      if (!outcome.changed) response.status(200)
      return whole(caller.user_id, outcome)
    },
    getConversation: ({ params, query }, { caller }) =>
      conversations.get(caller.user_id, params.id, query),
    async putConversation({ params, body }, { caller, if_version }) {
      const { title, metadata, pinned, archived, messages } = body as Partial<
        ConversationCommands['update']
      >
      const update = {
        conversation_id: params.id,
        title,
        metadata,
        pinned,
        archived,
        messages,
        if_version,
      }
      return whole(caller.user_id, await conversations.change('update', caller, update))
    },
    async deleteConversation({ params }, { caller }) {
      await conversations.change('delete', caller, { conversation_id: params.id })
      return undefined
    },
    async restoreConversation({ params }, { caller }) {
      return whole(
        caller.user_id,
        await conversations.change('restore', caller, { conversation_id: params.id }),
      )
    },
    async purgeConversation({ params }, { caller }) {
      await conversations.change('purge', caller, { conversation_id: params.id })
      return undefined
    },
    getConversationAt: ({ params, query }, { caller }) =>
      rewind.at(caller.user_id, params.id, query),
    async rewindConversation({ params, body }, { caller }) {
      return whole(
        caller.user_id,
        await rewind.back(caller, { conversation_id: params.id, ...body }),
      )
    },
  } satisfies Handlers
}
