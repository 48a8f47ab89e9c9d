// Pure: how a reply begins, grows and ends. The invariant: a message streams for one run only.
// Whatever another run sends, or the same run sends after the end, changes nothing.
//
// `held` must contain every streaming message of the conversation, and the messages that are named.
import type { DecisionContext } from '../change.ts'
import type { Conversation, ConversationChanges, ReplyIds } from '../conversations.ts'
import { unreadable } from '../encrypted-text.ts'
import { Fault } from '../errors.ts'
import type { JsonObject } from '../free-form.ts'
import { limits } from '../limits.ts'
import type { Message } from '../message.ts'
import { isConversation, type HeldConversation } from '../reduce/conversation.ts'
import { byteLength, previewOf } from '../text.ts'
import { checkLength, existing, live, next, type ConversationDecision } from './conversations.ts'

/** A reply that is about to be written. */
export interface ReplyStart {
  message_id: string
  run_id: string
  agent: string
  model: string
  /** The assistant's message that this one is another version of. */
  replaces?: string
  /** The user's message that it answers, if the conversation doesn't have that message yet. */
  input?: { id: string; content: string }
}

/**
 * Appends the streaming message. undefined: the message is a reply already. Throws
 * `already_replying` while another one streams, `id_taken` if the message is no reply.
 */
export function decideReply(
  held: HeldConversation,
  start: ReplyStart,
  context: DecisionContext,
): ConversationDecision | undefined {
  const conversation = live(held)
  if (conversation.messages.some(({ id }) => id === start.message_id)) {
    if (findReply(conversation, start.message_id)) return undefined
    throw new Fault('id_taken', {
      detail: 'A message with this id exists and is no reply: use another id',
    })
  }
  if (conversation.messages.some(({ status }) => status === 'streaming'))
    throw new Fault('already_replying')
  if (conversation.encryption) throw noReplies()
  const { input, replaces } = start
  if (replaces !== undefined) replaceable(conversation, replaces)
  const { message_count, preview, updated_at } = conversation
  const messages: Message[] = []
  const add = (
    message: Pick<Message, 'id' | 'role' | 'content' | 'status' | 'replaces' | 'metadata'>,
  ) =>
    messages.push({
      ...message,
      position: message_count + messages.length + 1,
      version: 1,
      created_at: context.at,
      updated_at: context.at,
    })
  const { message_id, run_id, agent, model } = start
  if (input)
    add({ ...input, role: 'user', status: 'complete', replaces: null, metadata: { run_id } })
  add({
    id: message_id,
    role: 'assistant',
    content: '',
    status: 'streaming',
    replaces: replaces ?? null,
    metadata: { run_id, agent, model },
  })
  checkLength(message_count + messages.length)
  const data: ConversationChanges['updated'] = {
    messages,
    message_count: message_count + messages.length,
    preview: '',
    updated_at: context.at,
  }
  const before = { messages: [], message_count, preview, updated_at }
  return { op: 'updated', ...next(conversation), data, before }
}

/** The ids of a reply, whether or not it has ended. undefined: there is no such reply. */
export function findReply(held: HeldConversation, message_id: string): ReplyIds | undefined {
  const message = isConversation(held)
    ? held.messages.find(({ id }) => id === message_id)
    : undefined
  const run_id = message?.metadata.run_id
  return message?.role === 'assistant' && typeof run_id === 'string'
    ? { message_id, run_id }
    : undefined
}

/** Why there are no replies in a conversation that the server can't read. */
export const noReplies = (): Fault => unreadable('no agent can answer in it')

function replaceable(conversation: Conversation, id: string): void {
  const replaced = conversation.messages.find((message) => message.id === id)
  if (replaced?.role === 'assistant') return
  const message = 'must name an assistant message of this conversation'
  throw new Fault('invalid', {
    detail: `replaces ${message}`,
    issues: [{ path: 'replaces', message }],
  })
}

export interface ReplyPiece {
  message_id: string
  run_id: string
  /** UTF-16 units. */
  offset: number
  text: string
}

/**
 * Extends the message. undefined: the text is there already. Throws `not_found` when this run
 * doesn't write the message, or no longer does.
 */
export function decideExtend(
  held: HeldConversation,
  piece: ReplyPiece,
): ConversationDecision | undefined {
  const conversation = live(held)
  const message = streamedBy(conversation, piece)
  if (!message) throw new Fault('not_found', { detail: 'This reply is not being written any more' })
  const { message_id, run_id } = piece
  const end = message.content.length
  if (piece.offset > end)
    throw new Fault('invalid', { detail: 'Text of this reply is missing before this piece' })
  const text = piece.text.slice(end - piece.offset)
  if (text === '') return undefined
  if (byteLength(message.content) + byteLength(text) > limits.messageBytes)
    throw new Fault('too_large', {
      detail: 'The reply would become too large',
      limit_bytes: limits.messageBytes,
    })
  const data: ConversationChanges['extended'] = { message_id, run_id, offset: end, text }
  const before = { message_updated_at: message.updated_at }
  return { op: 'extended', ...next(conversation), data, before }
}

/**
 * Takes back all text of the message, which goes on streaming: its producer has learned that the
 * text was thinking. undefined: the message has no text. Throws `not_found` if this run doesn't
 * write the message.
 */
export function decideRetract(
  held: HeldConversation,
  { message_id, run_id }: Pick<ReplyPiece, 'message_id' | 'run_id'>,
  context: DecisionContext,
): ConversationDecision | undefined {
  const conversation = live(held)
  const message = streamedBy(conversation, { message_id, run_id })
  if (!message) throw new Fault('not_found', { detail: 'This reply is not being written any more' })
  if (message.content === '') return undefined
  const { message_count, preview, updated_at } = conversation
  const retracted: Message = {
    ...message,
    content: '',
    version: message.version + 1,
    updated_at: context.at,
  }
  const data: ConversationChanges['updated'] = {
    messages: [retracted],
    message_count,
    preview,
    updated_at,
  }
  const before = { messages: [message], message_count, preview, updated_at }
  return { op: 'updated', ...next(conversation), data, before }
}

export interface ReplyEnding {
  message_id: string
  run_id: string
  status: ConversationChanges['finished']['status']
  /** Added to the message's metadata. */
  metadata: JsonObject
}

/**
 * Ends the message, also in the trash. undefined: the message has ended, or another run writes it.
 * Throws `not_found` after a purge.
 */
export function decideFinish(
  held: HeldConversation,
  ending: ReplyEnding,
  context: DecisionContext,
): ConversationDecision | undefined {
  const conversation = existing(held)
  const message = streamedBy(conversation, ending)
  return message && finish(conversation, message, ending, context)
}

/**
 * Ends the message as stopped, whichever run writes it. undefined: the message has ended. Throws
 * `not_found` for a message that doesn't exist.
 */
export function decideStop(
  held: HeldConversation,
  {
    message_id,
    metadata = {},
  }: Pick<ReplyEnding, 'message_id'> & Partial<Pick<ReplyEnding, 'metadata'>>,
  context: DecisionContext,
): ConversationDecision | undefined {
  const found = streaming(held, message_id)
  return (
    found && finish(found.conversation, found.message, { status: 'stopped', metadata }, context)
  )
}

/**
 * Asks the producer to end the message: by an empty `extended`, which every version knows and which
 * changes nothing. The actor is the user who asks. undefined: the message has ended. Throws
 * `not_found` for a message that doesn't exist.
 */
export function decideStopRequest(
  held: HeldConversation,
  message_id: string,
): ConversationDecision | undefined {
  const found = streaming(held, message_id)
  if (!found) return undefined
  const { conversation, message } = found
  const run_id = String(message.metadata.run_id)
  const data: ConversationChanges['extended'] = {
    message_id,
    run_id,
    offset: message.content.length,
    text: '',
  }
  const before = { message_updated_at: message.updated_at }
  return { op: 'extended', ...next(conversation), data, before }
}

function streaming(held: HeldConversation, message_id: string) {
  const conversation = existing(held)
  const message = conversation.messages.find(({ id }) => id === message_id)
  if (!message) throw new Fault('not_found', { detail: 'There is no such message' })
  return message.status === 'streaming' ? { conversation, message } : undefined
}

/** The run that writes the message; undefined when the message isn't streaming. */
function runOf(held: HeldConversation, message_id: string): string | undefined {
  const message = isConversation(held)
    ? held.messages.find(({ id }) => id === message_id)
    : undefined
  const run_id = message?.metadata.run_id
  return message?.status === 'streaming' && typeof run_id === 'string' ? run_id : undefined
}

const streamedBy = (
  conversation: Conversation,
  { message_id, run_id }: Pick<ReplyPiece, 'message_id' | 'run_id'>,
) =>
  runOf(conversation, message_id) === run_id
    ? conversation.messages.find(({ id }) => id === message_id)
    : undefined

function finish(
  conversation: Conversation,
  message: Message,
  { status, metadata }: Pick<ReplyEnding, 'status' | 'metadata'>,
  context: DecisionContext,
): ConversationDecision {
  const isLast = message.position >= conversation.message_count
  const data: ConversationChanges['finished'] = {
    message_id: message.id,
    run_id: String(message.metadata.run_id),
    status,
    length: message.content.length,
    metadata: { ...message.metadata, ...metadata },
    preview: isLast ? previewOf(message.content) : conversation.preview,
    updated_at: context.at,
  }
  const { preview, updated_at } = conversation
  const before = {
    status: message.status,
    metadata: message.metadata,
    message_updated_at: message.updated_at,
    preview,
    updated_at,
  }
  return { op: 'finished', ...next(conversation), data, before }
}
