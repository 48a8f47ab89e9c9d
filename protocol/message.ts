import * as z from 'zod'
import { Version } from './cursor.ts'
import { limits } from './limits.ts'
import { FreeForm, ReadOnly, sizedText, Time, Uuid } from './scalars.ts'

const Role = z.enum(['user', 'assistant', 'system', 'tool'])
/** Only the server sets `streaming`. The other statuses are final. */
export const MessageStatus = z.enum(['complete', 'streaming', 'stopped', 'interrupted', 'failed'])
export type MessageStatus = z.infer<typeof MessageStatus>
export const MessageContent = sizedText(limits.messageBytes)

/**
 * A message as it is stored and read. Positions are 1, 2, 3, … within the conversation and are
 * never used again.
 */
export const Message = z
  .object({
    id: Uuid,
    role: Role,
    content: MessageContent,
    position: z.int().min(1),
    version: Version,
    status: MessageStatus,
    /** The message that this one is another version of (regenerate, edit and resend). */
    replaces: Uuid.nullable(),
    /**
     * The message that this one continues, if that isn't the one before it by position: its author
     * was shown an older version of the thread. Absent otherwise.
     */
    follows: Uuid.optional(),
    created_at: Time,
    updated_at: Time,
    metadata: FreeForm,
  })
  .meta({ id: 'Message' })
export type Message = z.infer<typeof Message>

/**
 * A message as a client writes it. With a known id it is an edit, otherwise a new message
 * (contract: "PUT with `messages` merges by id"). A client may send back a whole message that it
 * got by GET: `position` and `updated_at` are then ignored.
 */
export const MessageInput = z
  .strictObject({
    id: Uuid.optional(),
    role: Role,
    content: MessageContent,
    status: MessageStatus.optional(),
    replaces: Uuid.nullable().optional(),
    follows: Uuid.nullable().optional(),
    version: Version.optional(),
    created_at: Time.optional(),
    metadata: FreeForm.optional(),
    position: ReadOnly,
    updated_at: ReadOnly,
  })
  .meta({ id: 'MessageInput' })
export type MessageInput = z.infer<typeof MessageInput>

/** The messages of one request. Each id occurs at most once. */
export const MessageInputs = z
  .array(MessageInput)
  .max(limits.messagesPerRequest)
  .refine((list) => {
    const ids = list.flatMap((message) => message.id ?? [])
    return new Set(ids).size === ids.length
  }, 'must not name a message twice')
