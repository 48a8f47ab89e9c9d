import * as z from 'zod'
import { Version } from './cursor.ts'
import * as limits from './limit-values.ts'
import { fitsMessage } from './encrypted-text.ts'
import { contentOf, exceededBy, thinkingOf } from './part-texts.ts'
import { Parts } from './parts.ts'
import { MessageMetadata, ReadOnly, Text, Time, Uuid } from './scalars.ts'

const Role = z.enum(['user', 'assistant', 'system', 'tool']).describe('Who wrote the message')
/** Only the server sets `streaming`. The other statuses are final. */
export const MessageStatus = z
  .enum(['complete', 'streaming', 'stopped', 'interrupted', 'failed'])
  .describe('How the message ended; `streaming` while it is being written')
export type MessageStatus = z.infer<typeof MessageStatus>
export const MessageContent = Text.refine(fitsMessage, {
  message: `must have at most ${limits.messageBytes} bytes`,
  params: { limit_bytes: limits.messageBytes },
}).describe('The text of the message')

/**
 * A message as it is stored and read. Positions are 1, 2, 3, … within the conversation and are
 * never used again.
 */
export const Message = z
  .object({
    id: Uuid.describe('The message’s id'),
    role: Role,
    content: MessageContent,
    parts: Parts.optional(),
    position: z.int().min(1).describe('Its place in the conversation; never used again'),
    version: Version,
    status: MessageStatus,
    replaces: Uuid.nullable().describe(
      'The message that this one is another version of (regenerate, edit and resend)',
    ),
    /** Present if the author was shown an older version of the thread, and continued that one. */
    follows: Uuid.optional().describe(
      'The message that this one continues, if that is not the one before it by position',
    ),
    created_at: Time.describe('When the message was written'),
    updated_at: Time.describe('When the message last changed'),
    metadata: MessageMetadata,
  })
  .meta({ id: 'Message' })
export type Message = z.infer<typeof Message>

/**
 * What is left of a deleted message: its id, which stays known, and its place among the others, so
 * that its versions and the messages that continue it stay in their threads.
 */
export const RemovedMessage = Message.pick({
  id: true,
  position: true,
  version: true,
  replaces: true,
  follows: true,
}).meta({ id: 'RemovedMessage' })
export type RemovedMessage = z.infer<typeof RemovedMessage>

/**
 * A message as a client writes it. With a known id it is an edit, otherwise a new message
 * (contract: "PUT with `messages` merges by id"). A client may send back a whole message that it
 * got by GET: `position` and `updated_at` are then ignored.
 */
export const MessageInput = z
  .strictObject({
    id: Uuid.optional().describe(
      'A known id makes this an edit; the server makes one if it is absent',
    ),
    role: Role,
    content: MessageContent.optional().describe(
      'The text of the message; it may be left out if `parts` is given',
    ),
    parts: Parts.optional(),
    status: MessageStatus.optional().describe('How the message ended; default `complete`'),
    replaces: Uuid.nullable()
      .optional()
      .describe('The message that this one is another version of'),
    follows: Uuid.nullable()
      .optional()
      .describe('The message that this one continues, if that is not the newest one'),
    version: Version.optional().describe('The version that the message must have, for an edit'),
    created_at: Time.optional().describe('When the message was written; default now'),
    metadata: MessageMetadata.optional(),
    position: ReadOnly,
    updated_at: ReadOnly,
  })
  .superRefine(({ content, metadata = {}, parts }, context) => {
    const refuse = (path: string[], message: string, params?: { limit_bytes: number }) =>
      context.addIssue({ code: 'custom', path, message, params })
    const texts = parts
      ? { content: contentOf(parts), metadata: { thinking: thinkingOf(parts) }, parts }
      : { content: '', metadata }
    const limit_bytes = exceededBy(texts)
    if (limit_bytes)
      return refuse(['parts'], `must have at most ${limit_bytes} bytes`, { limit_bytes })
    if (!parts) {
      if (content === undefined) refuse(['content'], 'must be given, or parts')
      return
    }
    if (content !== undefined && content !== contentOf(parts))
      refuse(['content'], 'must be the joined text of the text parts, or be left out')
    const { thinking } = metadata
    if (thinking !== undefined && (thinking ?? '') !== thinkingOf(parts))
      refuse(
        ['metadata', 'thinking'],
        'must be the joined text of the reasoning parts, or be left out',
      )
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
