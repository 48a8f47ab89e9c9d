// The routes under /conversations: part of the table of rest.ts.
import * as z from 'zod'
import {
  Conversation,
  ConversationCreate,
  NewMessages,
  ReplyRequest,
  Rewind,
  StopRequest,
  Summary,
} from './conversations.ts'
import { at, before, ConversationPut, cursor, id, limit, page } from './route-parts.ts'
import { Produced, ProducedPiece, produceOptions } from './produce.ts'
import { ReplyIds } from './reply-ids.ts'
import { routePaths } from './route-paths.ts'
import { Text, Time, Uuid } from './scalars.ts'

const conversation = Conversation.extend(at)
const window = { messages: true, has_more: true } as const

export const conversationRoutes = {
  listConversations: {
    ...routePaths.listConversations,
    summary: 'Summaries, newest `updated_at` first',
    query: z.strictObject({
      limit: limit(50, 200),
      cursor,
      q: Text.max(500).optional().describe('Only conversations whose title or text contains this'),
      match: z
        .enum(['text', 'words'])
        .default('text')
        .describe('`words`: every word of `q` has to be there, in whatever order and message'),
      messages: z.coerce
        .number()
        .int()
        .min(1)
        .max(100)
        .optional()
        .describe('Each item comes with so many of its newest messages'),
      state: z
        .enum(['active', 'archived', 'trash'])
        .default('active')
        .describe('The list: active, archived, or in the trash'),
    }),
    status: 200,
    answer: page(Summary.extend(Conversation.pick(window).partial().shape)).extend({
      ...at,
      excerpts: z
        .array(
          z.object({
            conversation_id: Uuid.describe('A conversation of this page'),
            text: z.string().describe('Part of its newest message that matches'),
          }),
        )
        .optional()
        .describe('With `match=words`: what was found in messages'),
    }),
  },
  createConversation: {
    ...routePaths.createConversation,
    summary: 'Create a conversation; 200 with the present one when its id was used before',
    body: ConversationCreate,
    status: 201,
    answer: conversation,
  },
  getConversation: {
    ...routePaths.getConversation,
    summary: 'A conversation with its newest messages, or those before a position',
    params: id,
    query: z.strictObject({
      before,
      limit: limit(100, 500),
      state: z.enum(['active', 'trash']).optional().describe('Where it has to be'),
    }),
    status: 200,
    answer: conversation,
  },
  putConversation: {
    ...routePaths.putConversation,
    summary: 'Change fields, append and edit messages; messages merge by id',
    params: id,
    body: ConversationPut,
    status: 200,
    answer: conversation,
  },
  deleteConversation: {
    ...routePaths.deleteConversation,
    summary: 'Move it to the trash; it is purged after 30 days',
    params: id,
    status: 204,
  },
  restoreConversation: {
    ...routePaths.restoreConversation,
    summary: 'Take it back from the trash',
    params: id,
    status: 200,
    answer: conversation,
  },
  purgeConversation: {
    ...routePaths.purgeConversation,
    summary: 'Remove its content for ever',
    params: id,
    status: 204,
  },
  getConversationAt: {
    ...routePaths.getConversationAt,
    summary:
      'The conversation as it was at a `seq` or a time, with its newest messages then, or those before a position',
    params: id,
    query: z
      .strictObject({
        seq: z.coerce.number().int().min(1).optional().describe('After this change of the topic'),
        time: Time.optional().describe('At this time'),
        before,
        limit: limit(100, 500),
      })
      .refine(({ seq, time }) => (seq === undefined) !== (time === undefined), {
        path: ['seq'],
        message: 'must be given, or time, but not both',
      }),
    status: 200,
    answer: conversation,
  },
  rewindConversation: {
    ...routePaths.rewindConversation,
    summary: 'Bring back what it was at a `seq`, as a new change: messages that came later stay',
    params: id,
    body: Rewind,
    status: 200,
    answer: conversation,
  },
  appendMessages: {
    ...routePaths.appendMessages,
    summary: 'Append messages; those with a known id are left as they are',
    params: id,
    body: NewMessages,
    status: 200,
    answer: conversation,
  },
  deleteMessage: {
    ...routePaths.deleteMessage,
    summary: 'Delete a message; a rewind can bring it back',
    params: id.extend({ message_id: Uuid.describe('The message to delete') }),
    status: 204,
  },
  startReply: {
    ...routePaths.startReply,
    summary: 'Start an assistant’s reply; one that exists is answered with its ids',
    params: id,
    body: ReplyRequest,
    status: 202,
    answer: ReplyIds,
  },
  stopReply: {
    ...routePaths.stopReply,
    summary: 'Stop a reply that is being written; one that has ended stays as it is',
    params: id,
    body: StopRequest,
    status: 200,
    answer: conversation,
  },
  produceReply: {
    ...routePaths.produceReply,
    summary: 'Write a reply with a program of your own; the response comes when it has ended',
    params: id,
    query: z.strictObject({
      message_id: Uuid.optional().describe(
        'The reply; one that the conversation lacks is begun. If absent, it follows from the `Idempotency-Key`',
      ),
      ...produceOptions,
      offset: z.coerce
        .number()
        .int()
        .min(0)
        .default(0)
        .describe('Where the body’s text goes on, in UTF-16 units of the reply’s text'),
    }),
    body: ProducedPiece,
    streamed: true,
    status: 200,
    answer: Produced,
  },
  getConversationMarkdown: {
    ...routePaths.getConversationMarkdown,
    summary: 'The conversation as Markdown: the newest version of each message',
    params: id,
    status: 200,
    answer: z.string(),
    media: 'text/markdown',
  },
} as const
