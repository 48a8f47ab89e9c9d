// Pure: conversation + change -> conversation. The server projects with it, every client applies
// changes with it, and the tests use it as their model. It is idempotent: a change whose version
// isn't above the held entity's changes nothing.
import type { ChangeOf, WireChange } from '../change.ts'
import type { Conversation } from '../conversations.ts'
import { isKnownOf } from '../known-change.ts'
import type { Message, RemovedMessage } from '../message.ts'
import { partsOf, putPart, recomposed, replaceTexts, whole } from '../message-parts.ts'
import type { Part } from '../parts.ts'

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
  if (change.op === 'created') return { ...change.data, messages: change.data.messages.map(whole) }
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
      const { messages = [], removed_messages = [], ...fields } = change.data
      if (messages.length === 0 && removed_messages.length === 0) return fields
      const merged = mergeMessages(held, messages.map(whole))
      return { ...fields, ...afterRemoval(held, merged, new Set(removed_messages)) }
    }
    case 'extended': {
      const { message_id, ...piece } = change.data
      return {
        messages: replaceMessage(held.messages, message_id, (message) => ({
          ...extendMessage(message, piece),
          version: message.version + 1,
          updated_at: change.at,
        })),
      }
    }
    case 'part': {
      const { message_id, part } = change.data
      return {
        messages: replaceMessage(held.messages, message_id, (message) => ({
          ...recomposed(message, putPart(partsOf(message), part)),
          version: message.version + 1,
          updated_at: change.at,
        })),
      }
    }
    case 'finished': {
      const { message_id, status, metadata, preview, updated_at } = change.data
      const messages = replaceMessage(held.messages, message_id, (message) =>
        whole({ ...message, status, metadata, version: message.version + 1, updated_at }),
      )
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

interface Piece {
  offset: number
  text: string
  part_id?: string
}

/** A piece without a part goes on after the text of the message. */
function extendMessage(message: Message, { offset, text, part_id }: Piece): Message {
  if (!message.parts) return { ...message, content: extend(message.content, offset, text) }
  if (part_id === undefined) {
    const added = extend(message.content, offset, text).slice(message.content.length)
    if (added === '') return message
    const last = message.parts.findLast((part) => part.type === 'text')
    const parts = last
      ? putPart(message.parts, { ...last, text: last.text + added })
      : replaceTexts(message.parts, 'text', added)
    return recomposed(message, parts)
  }
  const extended = (part: Part): Part =>
    part.id === part_id && (part.type === 'text' || part.type === 'reasoning')
      ? { ...part, text: extend(part.text, offset, text) }
      : part
  return recomposed(message, message.parts.map(extended))
}

function replaceMessage(
  messages: Message[],
  id: string,
  change: (message: Message) => Message,
): Message[] {
  const at = messages.findLastIndex((message) => message.id === id)
  return at < 0 ? messages : messages.with(at, change(messages[at]!))
}

/** The highest position that the conversation has used; deleted messages keep theirs. */
export const lastPosition = ({
  message_count,
  removed_count = 0,
}: Pick<Conversation, 'message_count' | 'removed_count'>): number => message_count + removed_count

/** Deletes messages. A message that `messages` brings back isn't deleted any more. */
function afterRemoval(
  held: Conversation,
  messages: Message[],
  ids: ReadonlySet<string>,
): Pick<Conversation, 'messages' | 'removed'> {
  const present = new Set(messages.map(({ id }) => id))
  const former = (held.removed ?? []).filter(({ id }) => !present.has(id))
  const gone = messages.filter(({ id }) => ids.has(id)).map(removedOf)
  if (former.length + gone.length === 0 && !held.removed) return { messages }
  return {
    messages: messages.filter(({ id }) => !ids.has(id)),
    removed: [...former, ...gone].sort((a, b) => a.position - b.position),
  }
}

const removedOf = ({ id, position, version, replaces, follows }: Message): RemovedMessage => ({
  id,
  position,
  version: version + 1,
  replaces,
  ...(follows !== undefined && { follows }),
})

/** New and edited messages go to their positions. Messages before a partial window stay unheld. */
function mergeMessages(held: Conversation, changed: Message[]): Message[] {
  const messages = [...held.messages]
  const first = held.has_more ? (messages[0]?.position ?? lastPosition(held) + 1) : 1
  for (const message of changed) {
    if (message.position < first) continue
    const at = messages.findLastIndex((other) => other.position <= message.position)
    if (messages[at]?.position === message.position) messages[at] = message
    else messages.splice(at + 1, 0, message)
  }
  return messages
}
