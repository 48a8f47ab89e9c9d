// Routes under /conversations.
import type { ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import type { Outcome } from '../commands/commands.ts'
import type { Conversations } from '../commands/conversations.ts'
import type { RewindUseCases } from '../commands/rewind.ts'
import type { Handlers } from './handler.ts'

export function conversationHandlers(conversations: Conversations, rewind: RewindUseCases) {
  /** What a change made, whole. A repeated one may find that the conversation has gone to the trash since. */
  function whole(user_id: string, { data }: Outcome<Summary | null>) {
    if (!data) throw new Fault('not_found', { detail: 'There is no such conversation' })
    return conversations.get(user_id, data.id, {
      state: data.deleted_at === null ? 'active' : 'trash',
    })
  }

  return {
    listConversations: ({ query }, { request }) => conversations.list(request.user_id, query),
    async createConversation({ body }, { request, answer }) {
      const outcome = await conversations.change('create', request, body)
      if (!outcome.changed) answer.status(200)
      return whole(request.user_id, outcome)
    },
    getConversation: ({ params, query }, { request }) =>
      conversations.get(request.user_id, params.id, query),
    async putConversation({ params, body }, { request, if_version }) {
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
      return whole(request.user_id, await conversations.change('update', request, update))
    },
    async deleteConversation({ params }, { request }) {
      await conversations.change('delete', request, { conversation_id: params.id })
      return undefined
    },
    async restoreConversation({ params }, { request }) {
      return whole(
        request.user_id,
        await conversations.change('restore', request, { conversation_id: params.id }),
      )
    },
    async purgeConversation({ params }, { request }) {
      await conversations.change('purge', request, { conversation_id: params.id })
      return undefined
    },
    getConversationAt: ({ params, query }, { request }) =>
      rewind.at(request.user_id, params.id, query),
    async rewindConversation({ params, body }, { request }) {
      return whole(
        request.user_id,
        await rewind.back(request, { conversation_id: params.id, ...body }),
      )
    },
  } satisfies Handlers
}
