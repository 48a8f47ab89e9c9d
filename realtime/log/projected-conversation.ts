// A conversation as its documents have it, and the same with entries of the log applied. The
// documents of a conversation and of its messages are of different age, because they are written
// one after the other. Therefore each message carries the `seq` that last wrote it, and sees only
// the entries after that.
import type { Conversation } from '@lockstep/protocol/conversations'
import type { Message, RemovedMessage } from '@lockstep/protocol/message'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { ChangeDocument, ConversationDocument, MessageDocument } from '../store/documents.ts'
import { readMessages, readWindow, toHeldMessages } from '../store/messages.ts'
import { toChange } from './entry.ts'

/**
 * A conversation with some of its messages, and by message the `seq` of the change that last wrote
 * it.
 */
export interface Projected {
  held: HeldConversation
  seqs: ReadonlyMap<string, number>
}

/** Which messages of a conversation are read. */
export interface MessageSelection {
  ids?: readonly string[]
  /** How many of the newest messages. */
  newest?: number
}

/** The documents of a conversation: itself and the selected messages, in order of position. */
export async function readProjected(
  database: Database,
  user_id: string,
  id: string,
  { ids = [], newest = 0 }: MessageSelection,
): Promise<Projected> {
  // the conversation first: a projector writes messages first, so these are never older than it
  const document = await readConversation(database, user_id, id)
  if (!document) return { held: undefined, seqs: new Map() }
  const wanted = [...new Set(ids)].map((one) => ({ user_id, conversation_id: id, id: one }))
  const named = wanted.length > 0 ? await readMessages(database, wanted) : []
  const window = newest > 0 ? await readWindow(database, user_id, id, { limit: newest }) : []
  return toProjected(document, id, [...named, ...window])
}

/** A conversation whose documents have been read, in the order that `readProjected` has. */
export async function toProjected(
  document: ConversationDocument,
  id: string,
  found: readonly MessageDocument[],
): Promise<Projected> {
  const unique = new Map(found.map((message) => [message._id, message]))
  const read = [...unique.values()].sort((a, b) => a.position - b.position)
  return {
    held: await toHeld(document, id, read),
    seqs: new Map(read.map(({ _id, seq }) => [_id.slice(_id.lastIndexOf(':') + 1), seq])),
  }
}

async function toHeld(
  document: ConversationDocument,
  id: string,
  read: readonly MessageDocument[],
): Promise<HeldConversation> {
  if ('purged' in document)
    return { id, user_id: document.user_id, version: document.version, purged: true }
  const { messages, removed } = await toHeldMessages(read)
  const summary = toSummary(document)
  return { ...summary, messages, ...(removed.length > 0 && { removed }), has_more: false }
}

type Held = Message | RemovedMessage

/** The messages that are held, and what is left of deleted ones. */
const heldIn = (held: HeldConversation): Held[] =>
  isConversation(held) ? [...held.messages, ...(held.removed ?? [])] : []

/** Applies entries in order. A message that is already beyond an entry doesn't see it. */
export function fold(projected: Projected, entries: readonly ChangeDocument[]): Projected {
  let { held } = projected
  const seqs = new Map(projected.seqs)
  for (const entry of entries) {
    const present = heldIn(held)
    const ahead = present.filter(({ id }) => seqs.get(id)! >= entry.seq)
    const visible = isConversation(held) && ahead.length > 0 ? without(held, new Set(ahead)) : held
    const reduced = reduceConversation(visible, toChange(entry))
    if (reduced === visible) continue
    if (!isConversation(reduced)) {
      held = reduced
      continue
    }
    const known = new Set<Held>(present)
    for (const message of heldIn(reduced))
      if (!known.has(message)) bump(seqs, message.id, entry.seq)
    held = { ...withAhead(reduced, ahead), has_more: false }
  }
  return { held, seqs }
}

const bump = (seqs: Map<string, number>, id: string, seq: number) =>
  seqs.set(id, Math.max(seq, seqs.get(id) ?? 0))

/** The conversation without these of its messages. */
const without = (held: Conversation, gone: ReadonlySet<Held>): Conversation => ({
  ...held,
  messages: held.messages.filter((message) => !gone.has(message)),
  ...(held.removed && { removed: held.removed.filter((message) => !gone.has(message)) }),
})

function withAhead(held: Conversation, ahead: readonly Held[]): Conversation {
  if (ahead.length === 0) return held
  const ids = new Set(ahead.map(({ id }) => id))
  const stale = new Set(heldIn(held).filter(({ id }) => ids.has(id)))
  const { messages, removed = [], ...rest } = without(held, stale)
  const isThere = (message: Held): message is Message => 'content' in message
  const left = [...removed, ...ahead.filter((message) => !isThere(message))].sort(byPosition)
  return {
    ...rest,
    messages: [...messages, ...ahead.filter(isThere)].sort(byPosition),
    ...(left.length > 0 && { removed: left }),
  }
}

const byPosition = (one: Held, other: Held): number => one.position - other.position
