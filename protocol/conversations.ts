// Topic `conversations`: the entity, the data of its changes, and its commands. decide/ turns a
// command into a change, reduce/ turns a change into state.
import * as z from 'zod'
import { Seq, Version } from './cursor.ts'
import { isEncryptedText } from './encrypted-text.ts'
import { Encryption } from './encryption.ts'
import * as limits from './limit-values.ts'
import { Message, MessageInput, MessageInputs, MessageStatus, RemovedMessage } from './message.ts'
import { Part } from './parts.ts'
import { PIECES_MAX, ProducedPiece, produceOptions } from './produce.ts'
import { FreeForm, MessageMetadata, Text, Time, Uuid } from './scalars.ts'
import { hasAtMost } from './text.ts'

/**
 * An encrypted title may be longer than its plain text. decide/encryption.ts says where it may
 * stand.
 */
const Title = Text.refine(
  (title) =>
    hasAtMost(title, limits.titleMax) ||
    (title.length <= limits.encryptedTitleMax && isEncryptedText(title)),
  `must have at most ${limits.titleMax} characters`,
).describe('The title of the conversation')

/** Key in the metadata of a conversation whose import isn't complete yet. */
export const UNFINISHED = 'import_unfinished'

const removedCount = z
  .int()
  .min(0)
  .optional()
  .describe('How many messages have been deleted; absent if none ever was')

/** A conversation in a list. Only a change of the title or of messages moves `updated_at`. */
export const Summary = z
  .object({
    id: Uuid.describe('The conversation’s id'),
    user_id: Uuid.describe('The user to whom the conversation belongs'),
    title: Title,
    message_count: z.int().min(0).describe('How many messages the conversation has'),
    removed_count: removedCount,
    preview: z.string().describe('The first 140 characters of the last message'),
    metadata: FreeForm,
    pinned: z.boolean().describe('Whether the user has pinned the conversation'),
    archived: z.boolean().describe('Whether the conversation is in the archive'),
    created_at: Time.describe('When the conversation was created'),
    updated_at: Time.describe('When its title or a message last changed'),
    deleted_at: Time.nullable().describe(
      'When the conversation went to the trash; null outside the trash',
    ),
    version: Version,
    encryption: Encryption.optional().describe(
      'Present if the clients hold the key: title, metadata and texts are encrypted',
    ),
  })
  .meta({ id: 'Summary' })
export type Summary = z.infer<typeof Summary>

/**
 * A conversation with a window of its messages that ends with the newest. `has_more`: older
 * messages exist before the window.
 */
export const Conversation = Summary.extend({
  messages: z.array(Message).describe('A window of the messages, in order of position'),
  removed: z
    .array(RemovedMessage)
    .optional()
    .describe('What is left of the deleted messages of the window, in order of position'),
  has_more: z.boolean().describe('Whether there are older messages before the window'),
}).meta({
  id: 'Conversation',
})
export type Conversation = z.infer<typeof Conversation>

/** `data` of each `op`. */
export const conversationChanges = {
  created: Conversation,
  updated: z.object({
    title: Title.optional(),
    metadata: FreeForm.optional().describe('The resulting object, not a patch'),
    pinned: z.boolean().optional().describe('Whether the user has pinned the conversation'),
    archived: z.boolean().optional().describe('Whether the conversation is in the archive'),
    messages: z.array(Message).optional().describe('New and edited messages, each complete'),
    removed_messages: z.array(Uuid).optional().describe('The messages that are deleted'),
    message_count: z.int().describe('How many messages the conversation has now'),
    removed_count: removedCount,
    preview: z.string().describe('The first 140 characters of the last message'),
    updated_at: Time.describe('When its title or a message last changed'),
  }),
  extended: z.object({
    message_id: Uuid.describe('The message that is being written'),
    run_id: Uuid.describe('The run that writes it'),
    offset: z
      .int()
      .min(0)
      .describe('Where `text` begins in `content` or in the part `part_id`, in UTF-16 units'),
    text: Text.describe('The new text'),
    part_id: Part.options[0].shape.id.optional().describe('The part that is being written'),
  }),
  /** A whole part, which is new or replaces the one with its id. */
  part: z.object({
    message_id: Uuid.describe('The message that is being written'),
    part: Part.describe('The whole part'),
  }),
  finished: z.object({
    message_id: Uuid.describe('The message that was written'),
    run_id: Uuid.describe('The run that wrote it'),
    status: MessageStatus.exclude(['streaming']).describe('How the message ended'),
    length: z.int().min(0).describe('The length of `content`, in UTF-16 units'),
    metadata: MessageMetadata.describe('The metadata of the message'),
    preview: z.string().describe('The first 140 characters of the last message'),
    updated_at: Time.describe('When its title or a message last changed'),
  }),
  deleted: z.object({ deleted_at: Time.describe('When the conversation went to the trash') }),
  restored: Summary,
  purged: z.object({}),
}
export type ConversationChanges = {
  [Op in keyof typeof conversationChanges]: z.infer<(typeof conversationChanges)[Op]>
}

/** The fields of a conversation that `updated` contains only if they changed. */
export type ConversationFields = Pick<
  ConversationChanges['updated'],
  'title' | 'metadata' | 'pinned' | 'archived'
>

/** The values that each `op` replaced. They are stored for rewind and never go on the wire. */
export interface ConversationBefore {
  updated: ConversationFields &
    Pick<Summary, 'message_count' | 'removed_count' | 'preview' | 'updated_at'> & {
      /** What edited and deleted messages were before; new messages replaced nothing. */
      messages: Message[]
      /** What was left of messages that the change brings back. */
      removed?: RemovedMessage[]
    }
  /** `updated_at` of the message. */
  extended: { message_updated_at: string }
  /** `part` is null if it was new. */
  part: { part: Part | null; message_updated_at: string }
  finished: Pick<Message, 'status' | 'metadata'> &
    Pick<Summary, 'preview' | 'updated_at'> & { message_updated_at: string }
  deleted: Pick<Summary, 'deleted_at'>
  restored: Pick<Summary, 'deleted_at'> & Partial<Pick<Summary, 'metadata'>>
  purged: Record<string, never>
}

const content = {
  title: Title.optional(),
  metadata: FreeForm.optional().describe(
    'A merge patch (RFC 7396); of a new one, the whole object',
  ),
  messages: MessageInputs.optional().describe('New messages, and edits of those with a known id'),
}
const flags = {
  pinned: z.boolean().optional().describe('Pins the conversation, or not any more'),
  archived: z.boolean().optional().describe('Moves it to the archive, or back'),
}
const one = { conversation_id: Uuid.describe('The conversation that the command is about') }
const ifVersion = Version.optional().describe('The version that the conversation must have')

export const ConversationCreate = z
  .strictObject({
    id: Uuid.optional().describe(
      'The id of the new conversation; the server makes one if it is absent',
    ),
    encryption: Encryption.optional().describe('The clients hold the key; this can’t be changed'),
    ...content,
  })
  .meta({ id: 'ConversationCreate' })
/**
 * The moment to which a conversation is brought back: right after the change `seq` of the topic.
 */
export const Rewind = z
  .strictObject({
    seq: Seq.min(1).describe('The change of the topic after which the state was so'),
  })
  .meta({ id: 'Rewind' })
export const ConversationUpdate = z
  .strictObject({ ...content, ...flags })
  .meta({ id: 'ConversationUpdate' })

/** The body of `POST /conversations/{id}/messages`. */
export const NewMessages = z
  .strictObject({ messages: MessageInputs.min(1).describe('The messages to append, in order') })
  .meta({ id: 'NewMessages' })
const messageIds = z
  .array(Uuid)
  .min(1)
  .max(limits.messagesPerRequest)
  .describe('The messages to delete; one that is deleted already stays so')
/** The body of `POST /conversations/{id}/reply`. */
export const ReplyRequest = z
  .strictObject({
    message_id: Uuid.optional().describe(
      'The id of the reply: one that exists is not written again. The server makes one if it is absent',
    ),
    agent: Text.max(100).optional().describe('The agent that answers'),
    replaces: Uuid.optional().describe('The message that the reply is another version of'),
  })
  .meta({ id: 'ReplyRequest' })
/** The body of `POST /conversations/{id}/stop`. */
export const StopRequest = z
  .strictObject({ message_id: Uuid.describe('The reply to stop') })
  .meta({ id: 'StopRequest' })

/** The payload of each command, without its `mutation_id`. */
export const conversationCommands = {
  create: ConversationCreate,
  update: ConversationUpdate.extend({ ...one, if_version: ifVersion }),
  append: z
    .strictObject({
      ...one,
      message: MessageInput.optional().describe('The message to append'),
      messages: NewMessages.shape.messages.optional(),
    })
    .refine(({ message, messages }) => (message === undefined) !== (messages === undefined), {
      path: ['message'],
      message: 'must be given, or messages, but not both',
    }),
  delete: z.strictObject(one),
  delete_messages: z.strictObject({ ...one, message_ids: messageIds }),
  restore: z.strictObject(one),
  rewind: Rewind.extend(one),
  purge: z.strictObject(one),
  reply: ReplyRequest.extend(one),
  produce: z.strictObject({
    ...one,
    message_id: Uuid.describe('The reply; one that the conversation lacks is begun'),
    ...produceOptions,
    offset: z
      .int()
      .min(0)
      .default(0)
      .describe('Where the first text goes on, in UTF-16 units of the reply’s text'),
    thinking_offset: z
      .int()
      .min(0)
      .optional()
      .describe(
        'The same for thinking, without white space; if absent, all thinking is taken as new',
      ),
    pieces: z
      .array(ProducedPiece)
      .max(PIECES_MAX)
      .describe('What comes next; none only says that the program is still there'),
  }),
  stop: StopRequest.extend(one),
}
export type ConversationCommands = {
  [Name in keyof typeof conversationCommands]: z.infer<(typeof conversationCommands)[Name]>
}
