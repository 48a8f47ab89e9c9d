// Pure: how a reply begins, grows and ends. The invariant: a message streams for one run only.
// Whatever another run sends, or the same run sends after the end, changes nothing.
//
// `held` must contain every streaming message of the conversation, and the messages that are named.
import type { Actor } from '../actor.ts'
import type { DecisionContext } from '../change.ts'
import type { Conversation, ConversationChanges } from '../conversations.ts'
import { unreadable } from '../encrypted-text.ts'
import { Fault } from '../errors.ts'
import { equalJson, type JsonObject } from '../free-form.ts'
import type { Message } from '../message.ts'
import { partsOf, putPart, recomposed, startsContent } from '../message-parts.ts'
import { openPart } from '../open-part.ts'
import { exceededBy, thinkingOf } from '../part-texts.ts'
import type { Part } from '../parts.ts'
import { isConversation, lastPosition, type HeldConversation } from '../reduce/conversation.ts'
import type { ReplyIds } from '../reply-ids.ts'
import { previewOf } from '../text.ts'
import { existing, isLast, live, next, type ConversationDecision } from './conversations.ts'
import { checkLength } from './messages.ts'

/** A reply that is about to be written. */
export interface ReplyStart {
  message_id: string
  run_id: string
  agent?: string
  model?: string
  /** A program of the host writes it, and not an agent of this server. */
  byHost?: true
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
  if (conversation.removed?.some(({ id }) => id === start.message_id))
    throw new Fault('id_taken', { detail: 'This message has been deleted: use another id' })
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
      position: lastPosition(conversation) + messages.length + 1,
      version: 1,
      created_at: context.at,
      updated_at: context.at,
    })
  const { message_id, run_id, agent, model, byHost } = start
  if (input)
    add({ ...input, role: 'user', status: 'complete', replaces: null, metadata: { run_id } })
  add({
    id: message_id,
    role: 'assistant',
    content: '',
    status: 'streaming',
    replaces: replaces ?? null,
    metadata: {
      run_id,
      ...(agent !== undefined && { agent }),
      ...(model !== undefined && { model }),
      ...(byHost && { [BY_HOST]: true }),
    },
  })
  checkLength(lastPosition(conversation) + messages.length)
  const data: ConversationChanges['updated'] = {
    messages,
    message_count: message_count + messages.length,
    preview: '',
    updated_at: context.at,
  }
  const before = { messages: [], message_count, preview, updated_at }
  return { op: 'updated', ...next(conversation), data, before }
}

/** The key in the metadata of a reply that a program of the host writes. */
const BY_HOST = 'by_host'
/** Whether a program of the host writes the reply, or has written it. */
export const isByHost = ({ role, metadata }: Pick<Message, 'role' | 'metadata'>): boolean =>
  role === 'assistant' && metadata[BY_HOST] === true && typeof metadata.run_id === 'string'

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
 * Extends the text of the message. If the message has parts and no text yet, this only adds the
 * part for the text, and the piece has to be decided again. undefined: the text is there already.
 * Throws `not_found` when this run doesn't write the message, or no longer does.
 */
export function decideExtend(
  held: HeldConversation,
  piece: ReplyPiece,
): ConversationDecision | undefined {
  const { conversation, message } = written(held, piece)
  const end = message.content.length
  if (piece.offset > end)
    throw new Fault('invalid', { detail: 'Text of this reply is missing before this piece' })
  const text = piece.text.slice(end - piece.offset)
  if (text === '') return undefined
  if (!message.parts) return extension(conversation, message, { offset: end, text })
  const open = openPart(message.parts, 'text')
  const isOpen = message.parts.some(({ id }) => id === open.id)
  if (!isOpen && message.content === '') return put(conversation, message, open)
  return put(conversation, message, { ...open, text: open.text + text })
}

/**
 * Adds a part to the message, or replaces the one with its id. undefined: the part is there
 * already. Throws as `decideExtend` does.
 */
export function decidePart(
  held: HeldConversation,
  { part, ...reply }: Pick<ReplyPiece, 'message_id' | 'run_id'> & { part: Part },
): ConversationDecision | undefined {
  const { conversation, message } = written(held, reply)
  return put(conversation, message, part)
}

/** The message that the run writes. Throws `not_found` if it doesn't, or no longer does. */
export function written(
  held: HeldConversation,
  reply: Pick<ReplyPiece, 'message_id' | 'run_id'>,
): { conversation: Conversation; message: Message } {
  const conversation = live(held)
  const message = streamedBy(conversation, reply)
  if (!message) throw new Fault('not_found', { detail: 'This reply is not being written any more' })
  return { conversation, message }
}

/**
 * Devices that don't know parts take a piece of a part for text of the message. So a part is
 * written by pieces only where that is right. Elsewhere it is written as a whole, by an op that
 * they don't know, and they load the message.
 */
function put(
  conversation: Conversation,
  message: Message,
  part: Part,
): ConversationDecision | undefined {
  const parts = partsOf(message)
  const present = parts.find(({ id }) => id === part.id)
  if (equalJson(present, part)) return undefined
  const isLonger =
    part.type === 'text' && present?.type === 'text' && part.text.startsWith(present.text)
  if (isLonger && startsContent(parts, part.id)) {
    const offset = present.text.length
    const part_id = message.parts ? part.id : undefined
    return extension(conversation, message, { offset, text: part.text.slice(offset), part_id })
  }
  if (!present && parts.length === 0 && part.type === 'text')
    return extension(conversation, message, { offset: 0, text: part.text })
  checkSize(recomposed(message, putPart(parts, part)))
  const before = { part: present ?? null, message_updated_at: message.updated_at }
  return { op: 'part', ...next(conversation), data: { message_id: message.id, part }, before }
}

function extension(
  conversation: Conversation,
  message: Message,
  piece: { offset: number; text: string; part_id?: string },
): ConversationDecision {
  checkSize({ ...message, content: message.content + piece.text })
  const data: ConversationChanges['extended'] = {
    message_id: message.id,
    run_id: String(message.metadata.run_id),
    offset: piece.offset,
    text: piece.text,
    ...(piece.part_id !== undefined && { part_id: piece.part_id }),
  }
  const before = { message_updated_at: message.updated_at }
  return { op: 'extended', ...next(conversation), data, before }
}

function checkSize(message: Message): void {
  const limit_bytes = exceededBy(message)
  if (limit_bytes)
    throw new Fault('too_large', { detail: 'The reply would become too large', limit_bytes })
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
  const { conversation, message } = written(held, { message_id, run_id })
  if (message.content === '') return undefined
  const { message_count, preview, updated_at } = conversation
  const retracted: Message = {
    ...recomposed(
      message,
      partsOf(message).filter(({ type }) => type !== 'text'),
    ),
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
  /** Who has stopped it. A program that writes the reply is told. */
  by?: Actor
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
    by,
  }: Pick<ReplyEnding, 'message_id' | 'by'> & Partial<Pick<ReplyEnding, 'metadata'>>,
  context: DecisionContext,
): ConversationDecision | undefined {
  const found = streaming(held, message_id)
  return (
    found && finish(found.conversation, found.message, { status: 'stopped', metadata, by }, context)
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
  { status, metadata, by }: Pick<ReplyEnding, 'status' | 'metadata' | 'by'>,
  context: DecisionContext,
): ConversationDecision {
  const { thinking: _thinking, ...known } = metadata
  const thinking = thinkingOf(partsOf(message))
  const data: ConversationChanges['finished'] = {
    message_id: message.id,
    run_id: String(message.metadata.run_id),
    status,
    length: message.content.length,
    metadata: {
      ...message.metadata,
      ...known,
      ...(thinking !== '' && { thinking }),
      ...(by && status === 'stopped' && isByHost(message) && { stopped_by: { ...by } }),
    },
    preview: isLast(conversation, message) ? previewOf(message.content) : conversation.preview,
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
