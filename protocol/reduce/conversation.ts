// Pure: conversation + change -> conversation. The server projects with it, every client applies with it, tests take it as the model.
// Idempotent: a change whose version isn't above the entity's changes nothing.
import type { Change } from '../change.ts'
import type { Conversation, ConversationChanges } from '../conversations.ts'
import type { Message } from '../message.ts'

/** What is left of a purged conversation: its id stays used and its version keeps late changes out. */
export interface Tombstone {
  id: string
  user_id: string
  version: number
  purged: true
}

/** A conversation as somebody holds it; undefined: not held. A `Conversation` may hold any window of messages. */
export type HeldConversation = Conversation | Tombstone | undefined

export const isConversation = (held: HeldConversation): held is Conversation =>
  held !== undefined && !('purged' in held)

/** What is held after `change`. Changes of something that isn't held leave it unheld, unless they carry it whole. */
export function reduceConversation(held: HeldConversation, change: Change): HeldConversation {
  if (held && change.version <= held.version) return held
  if (change.op === 'purged') {
    const user_id = held?.user_id ?? ''
    return { id: change.entity_id, user_id, version: change.version, purged: true }
  }
  if (change.stripped || !change.data) return held
  const data = change.data as ConversationChanges[keyof ConversationChanges]
  if (change.op === 'created') return data as ConversationChanges['created']
  if (change.op === 'restored') {
    const summary = data as ConversationChanges['restored']
    if (!isConversation(held))
      return { ...summary, messages: [], has_more: summary.message_count > 0 }
    return { ...held, ...summary, version: change.version }
  }
  if (!isConversation(held)) return held
  return { ...held, ...changesOf(held, change), version: change.version }
}

function changesOf(held: Conversation, change: Change): Partial<Conversation> {
  switch (change.op) {
    case 'updated': {
      const { messages, ...fields } = change.data as ConversationChanges['updated']
      return messages ? { ...fields, messages: mergeMessages(held, messages) } : fields
    }
    case 'extended': {
      const { message_id, offset, text } = change.data as ConversationChanges['extended']
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
      const { message_id, status, metadata, preview, updated_at } =
        change.data as ConversationChanges['finished']
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
      return { deleted_at: (change.data as ConversationChanges['deleted']).deleted_at }
    default:
      return {}
  }
}

/** `content` with `text` at `offset`: only what reaches beyond the present end is added, so that a repeated piece changes nothing. */
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

/** New and edited messages go to their positions; those before a partial window stay unheld. */
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
