// Pure: what is particular about replies that a program of the host writes. Such a program may
// lose its connection and go on, on any node, so a reply of it that was interrupted can stream
// again. The invariant of replies.ts holds: each time a new run writes it, and the former one is
// refused.
import type { DecisionContext } from '../change.ts'
import type { Conversation, ConversationChanges } from '../conversations.ts'
import { Fault } from '../errors.ts'
import { equalJson, exceedsMetadata, mergePatch, type JsonObject } from '../free-form.ts'
import * as limits from '../limit-values.ts'
import type { Message } from '../message.ts'
import type { HeldConversation } from '../reduce/conversation.ts'
import { existing, live, next, type ConversationDecision } from './conversations.ts'
import { isByHost, written, type ReplyPiece } from './replies.ts'

/** What the server itself says of a reply in its metadata; no patch changes it. */
const ofServer: ReadonlySet<string> = new Set([
  'run_id',
  'by_host',
  'stopped_by',
  'thinking',
  'reason_code',
])
/** What an ending says in the metadata. */
const ofEnding = ['reason', 'reason_code', 'stopped_by', 'duration_ms']

/**
 * The reply that a program of the host writes. undefined: there is no such message yet. Throws
 * `id_taken` if the message is another one, or was deleted.
 */
export function findHostReply(held: HeldConversation, message_id: string): Message | undefined {
  const { messages, removed } = existing(held)
  const message = messages.find(({ id }) => id === message_id)
  if (message ? !isByHost(message) : removed?.some(({ id }) => id === message_id))
    throw new Fault('id_taken', {
      detail: 'A message with this id exists and is no reply of a program: use another id',
    })
  return message
}

/** Throws `invalid` if text, or thinking, would be missing before the offset. */
export function checkOffset(
  offset: number,
  length: number,
  path: 'offset' | 'thinking_offset' = 'offset',
): void {
  if (offset <= length) return
  const message = `must be at most ${length}, the present length of the reply`
  throw new Fault('invalid', { detail: `${path} ${message}`, issues: [{ path, message }] })
}

/**
 * Lets another run go on with the reply. undefined: the reply has ended otherwise than by an
 * interruption. Throws `invalid` if text would be missing before `offset`, and `already_replying`
 * while another reply streams.
 */
export function decideResume(
  held: HeldConversation,
  { message_id, run_id, offset }: Pick<ReplyPiece, 'message_id' | 'run_id' | 'offset'>,
  context: DecisionContext,
): ConversationDecision | undefined {
  const conversation = live(held)
  const message = findHostReply(held, message_id)
  if (!message) throw new Fault('not_found', { detail: 'There is no such message' })
  if (message.status !== 'streaming' && message.status !== 'interrupted') return undefined
  checkOffset(offset, message.content.length)
  if (conversation.messages.some(({ id, status }) => status === 'streaming' && id !== message_id))
    throw new Fault('already_replying')
  const metadata = Object.fromEntries(
    Object.entries(message.metadata).filter(([key]) => !ofEnding.includes(key)),
  )
  return rewritten(
    conversation,
    message,
    { status: 'streaming', metadata: { ...metadata, run_id } },
    context,
  )
}

/** The metadata after a program's patch. Throws `too_large`. */
export function patchedMetadata(metadata: JsonObject, patch: JsonObject): JsonObject {
  const allowed = Object.entries(patch).filter(([key]) => !ofServer.has(key))
  const patched = mergePatch(metadata, Object.fromEntries(allowed))
  if (exceedsMetadata(patched))
    throw new Fault('too_large', {
      detail: `The metadata may have at most ${limits.freeFormBytes} bytes`,
      limit_bytes: limits.freeFormBytes,
    })
  return patched
}

/** Patches the metadata of the message. undefined: nothing would change. Throws as `written`. */
export function decideMetadata(
  held: HeldConversation,
  { patch, ...reply }: Pick<ReplyPiece, 'message_id' | 'run_id'> & { patch: JsonObject },
  context: DecisionContext,
): ConversationDecision | undefined {
  const { conversation, message } = written(held, reply)
  const metadata = patchedMetadata(message.metadata, patch)
  if (equalJson(metadata, message.metadata)) return undefined
  return rewritten(conversation, message, { metadata }, context)
}

/** The message with other fields, as a whole: devices that know no host replies take it too. */
function rewritten(
  conversation: Conversation,
  message: Message,
  fields: Partial<Pick<Message, 'status' | 'metadata'>>,
  { at }: DecisionContext,
): ConversationDecision {
  const { message_count, preview, updated_at } = conversation
  const data: ConversationChanges['updated'] = {
    messages: [{ ...message, ...fields, version: message.version + 1, updated_at: at }],
    message_count,
    preview,
    updated_at,
  }
  const before = { messages: [message], message_count, preview, updated_at }
  return { op: 'updated', ...next(conversation), data, before }
}
