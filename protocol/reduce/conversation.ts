// Pure: conversation + change -> conversation. The server projects with it, every client applies
// changes with it, and the tests use it as their model. It is idempotent: a change whose version
// isn't above the held entity's changes nothing.
import type { ChangeOf, WireChange } from '../change.ts'
import type { Conversation } from '../conversations.ts'
import { isKnownOf } from '../known-change.ts'
import type { Message } from '../message.ts'

/**
 * What is left of a purged conversation. Its id stays used, and its version keeps late changes out.
 */
export interface Tombstone {
  id: string
  user_id: string
  version: number
  purged: true
}

/**
 * A conversation as somebody holds it; undefined: not held. A `Conversation` may hold any window of
 * its messages.
 */
export type HeldConversation = Conversation | Tombstone | undefined

export const isConversation = (held: HeldConversation): held is Conversation =>
  held !== undefined && !('purged' in held)

/**
 * A change of a conversation that isn't held leaves it unheld, unless the change carries the whole
 * conversation.
 */
export function reduceConversation(held: HeldConversation, change: WireChange): HeldConversation {
  if (held && change.version <= held.version) return held
  if (!isKnownOf('conversations', change)) return passOver(held, change)
  if (change.op === 'purged') {
    const user_id = held?.user_id ?? ''
    return { id: change.entity_id, user_id, version: change.version, purged: true }
  }
  if (change.stripped || !change.data) return held
  if (change.op === 'created') return change.data
  if (change.op === 'restored') {
    const summary = change.data
    if (!isConversation(held))
      return { ...summary, messages: [], has_more: summary.message_count > 0 }
    return { ...held, ...summary, version: change.version }
  }
  if (!isConversation(held)) return held
  return { ...held, ...changedFields(held, change), version: change.version }
}

/** A newer server has made this change, so only its version is taken over. */
const passOver = (held: HeldConversation, { version, data }: WireChange): HeldConversation =>
  isConversation(held) && data ? { ...held, version } : held

/** The changes that a held conversation is needed for, with their data. */
type PartialChange = Exclude<
  Extract<ChangeOf<'conversations'>, { data: object }>,
  { op: 'created' | 'restored' | 'purged' }
>

function changedFields(held: Conversation, change: PartialChange): Partial<Conversation> {
  switch (change.op) {
    case 'updated': {
      const { messages, ...fields } = change.data
      return messages ? { ...fields, messages: mergeMessages(held, messages) } : fields
    }
    case 'extended': {
      const { message_id, offset, text } = change.data
      return {
        messages: replaceMessage(held.messages, message_id, (message) => ({
          ...message,
          content: extend(message.content, offset, text),
          version: message.version + 1,
          updated_at: change.at,
        })),
      }
    }
    case 'finished': {
      const { message_id, status, metadata, preview, updated_at } = change.data
      const messages = replaceMessage(held.messages, message_id, (message) => ({
        ...message,
        status,
        metadata,
        version: message.version + 1,
        updated_at,
      }))
      return { messages, preview, updated_at }
    }
    case 'deleted':
      return { deleted_at: change.data.deleted_at }
    case 'closed':
      return {}
    default:
      change satisfies never
      return {}
  }
}

/**
 * `content` with `text` at `offset`. Only text beyond the present end is added, so a repeated piece
 * of text changes nothing.
 */
export function extend(content: string, offset: number, text: string): string {
  return offset <= content.length ? content + text.slice(content.length - offset) : content
}

function replaceMessage(
  messages: Message[],
  id: string,
  change: (message: Message) => Message,
): Message[] {
  const at = messages.findLastIndex((message) => message.id === id)
  return at < 0 ? messages : messages.with(at, change(messages[at]!))
}

/** New and edited messages go to their positions. Messages before a partial window stay unheld. */
function mergeMessages(held: Conversation, changed: Message[]): Message[] {
  const messages = [...held.messages]
  const first = held.has_more ? (messages[0]?.position ?? held.message_count + 1) : 1
  for (const message of changed) {
    if (message.position < first) continue
    const at = messages.findLastIndex((other) => other.position <= message.position)
    if (messages[at]?.position === message.position) messages[at] = message
    else messages.splice(at + 1, 0, message)
  }
  return messages
}
