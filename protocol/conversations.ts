// Topic `conversations`: the entity, the data of its changes, and its commands. decide/ turns a
// command into a change, reduce/ turns a change into state.
import * as z from 'zod'
import { Seq, Version } from './cursor.ts'
import { limits } from './limits.ts'
import { Message, MessageInput, MessageInputs, MessageStatus } from './message.ts'
import { FreeForm, shortText, Text, Time, Uuid } from './scalars.ts'

const Title = shortText(limits.titleMax)

/** Key in the metadata of a conversation whose import isn't complete yet. */
export const UNFINISHED = 'import_unfinished'

/** A conversation in a list. Only a change of the title or of messages moves `updated_at`. */
export const Summary = z
  .object({
    id: Uuid,
    user_id: Uuid,
    title: Title,
    message_count: z.int().min(0),
    /** The first 140 characters of the last message. */
    preview: z.string(),
    metadata: FreeForm,
    pinned: z.boolean(),
    archived: z.boolean(),
    created_at: Time,
    updated_at: Time,
    /** When the conversation went to the trash; null outside the trash. */
    deleted_at: Time.nullable(),
    version: Version,
  })
  .meta({ id: 'Summary' })
export type Summary = z.infer<typeof Summary>

/**
 * A conversation with a window of its messages that ends with the newest. `has_more`: older
 * messages exist before the window.
 */
export const Conversation = Summary.extend({
  messages: z.array(Message),
  has_more: z.boolean(),
}).meta({
  id: 'Conversation',
})
export type Conversation = z.infer<typeof Conversation>

/** `data` of each `op`. */
export const conversationChanges = {
  created: Conversation,
  updated: z.object({
    title: Title.optional(),
    /** The resulting object, not a patch. */
    metadata: FreeForm.optional(),
    pinned: z.boolean().optional(),
    archived: z.boolean().optional(),
    /** New and edited messages, each complete. */
    messages: z.array(Message).optional(),
    message_count: z.int(),
    preview: z.string(),
    updated_at: Time,
  }),
  /** New text of a streaming message from `offset` (UTF-16 units) on. */
  extended: z.object({ message_id: Uuid, run_id: Uuid, offset: z.int().min(0), text: Text }),
  finished: z.object({
    message_id: Uuid,
    run_id: Uuid,
    status: MessageStatus.exclude(['streaming']),
    length: z.int().min(0),
    metadata: FreeForm,
    preview: z.string(),
    updated_at: Time,
  }),
  deleted: z.object({ deleted_at: Time }),
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
    Pick<Summary, 'message_count' | 'preview' | 'updated_at'> & {
      /** The replaced versions of edited messages; new messages replaced nothing. */
      messages: Message[]
    }
  /** `updated_at` of the message. */
  extended: { message_updated_at: string }
  finished: Pick<Message, 'status' | 'metadata'> &
    Pick<Summary, 'preview' | 'updated_at'> & { message_updated_at: string }
  deleted: Pick<Summary, 'deleted_at'>
  restored: Pick<Summary, 'deleted_at'> & Partial<Pick<Summary, 'metadata'>>
  purged: Record<string, never>
}

const content = {
  title: Title.optional(),
  metadata: FreeForm.optional(),
  messages: MessageInputs.optional(),
}
const flags = { pinned: z.boolean().optional(), archived: z.boolean().optional() }
const one = { conversation_id: Uuid }

export const ConversationCreate = z
  .strictObject({ id: Uuid.optional(), ...content })
  .meta({ id: 'ConversationCreate' })
/**
 * The moment to which a conversation is brought back: right after the change `seq` of the topic.
 */
export const Rewind = z.strictObject({ seq: Seq.min(1) }).meta({ id: 'Rewind' })
export const ConversationUpdate = z
  .strictObject({ ...content, ...flags })
  .meta({ id: 'ConversationUpdate' })

/** The payload of each command, without its `mutation_id`. */
export const conversationCommands = {
  create: ConversationCreate,
  update: ConversationUpdate.extend({ ...one, if_version: Version.optional() }),
  append: z.strictObject({ ...one, message: MessageInput }),
  delete: z.strictObject(one),
  restore: z.strictObject(one),
  rewind: Rewind.extend(one),
  purge: z.strictObject(one),
  reply: z.strictObject({ ...one, agent: Text.max(100).optional(), replaces: Uuid.optional() }),
  stop: z.strictObject({ ...one, message_id: Uuid }),
}
export type ConversationCommands = {
  [Name in keyof typeof conversationCommands]: z.infer<(typeof conversationCommands)[Name]>
}
