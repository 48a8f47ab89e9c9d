// Conversations follow the log: messages first, then their conversation, so that a conversation never promises what isn't there.
import type { Conversation } from '@lockstep/protocol/conversations'
import type { Message } from '@lockstep/protocol/message'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { stripEntity, type ChangeDocument } from '../../store/changes.ts'
import {
  readConversation,
  toSummary,
  writeConversation,
  type ConversationDocument,
} from '../../store/conversations.ts'
import type { Database } from '../../store/database.ts'
import { deleteMessages, readMessages, toMessage, writeMessages } from '../../store/messages.ts'
import { toChange } from '../entry.ts'
import { byEntity, type Project } from './projection.ts'

/** A conversation with some of its messages, each at the `seq` that last wrote it. */
export interface Projected {
  held: HeldConversation
  seqs: ReadonlyMap<string, number>
}

export const projectConversations: Project = async (database, user_id, entries) => {
  for (const [id, group] of byEntity(entries)) {
    const streamed = group.flatMap(({ data }) =>
      typeof data?.message_id === 'string' ? [data.message_id] : [],
    )
    const before = await readProjected(database, user_id, id, streamed)
    const after = fold(before, group)
    if (isConversation(after.held)) {
      const first = group[0]!.seq
      const written = after.held.messages.flatMap((message) => {
        const seq = after.seqs.get(message.id)!
        return seq >= first ? [{ message, seq }] : []
      })
      await writeMessages(database, user_id, id, written)
    }
    const last = group.at(-1)!
    if (after.held) await writeConversation(database, summarise(after.held), last.seq)
    if (last.op === 'purged') await sweep(database, user_id, id, last.seq)
  }
}

/** Removes what a purge leaves. Repeated by housekeeping, as a node that stalled may have written a message back. */
export async function sweep(
  database: Database,
  user_id: string,
  id: string,
  seq: number,
): Promise<void> {
  await deleteMessages(database, user_id, id)
  await stripEntity(database, { user_id, topic: 'conversations', entity_id: id }, seq)
}

/** The documents of a conversation: itself and the messages named. */
export async function readProjected(
  database: Database,
  user_id: string,
  id: string,
  messageIds: readonly string[],
): Promise<Projected> {
  const ids = [...new Set(messageIds)]
  // the conversation first: a projector writes messages first, so these are never older than it
  const document = await readConversation(database, user_id, id)
  const messages = document && ids.length > 0 ? await readMessages(database, user_id, id, ids) : []
  messages.sort((a, b) => a.position - b.position)
  return {
    held: document ? toHeld(document, id, messages.map(toMessage)) : undefined,
    seqs: new Map(messages.map((message) => [toMessage(message).id, message.seq])),
  }
}

function toHeld(document: ConversationDocument, id: string, messages: Message[]): HeldConversation {
  if ('purged' in document)
    return { id, user_id: document.user_id, version: document.version, purged: true }
  return { ...toSummary(document), messages, has_more: false }
}

/** Applies entries in order. A message that is already beyond an entry doesn't see it. */
export function fold(projected: Projected, entries: readonly ChangeDocument[]): Projected {
  let { held } = projected
  const seqs = new Map(projected.seqs)
  for (const entry of entries) {
    const present = isConversation(held) ? held.messages : []
    const ahead = present.filter(({ id }) => seqs.get(id)! >= entry.seq)
    const visible =
      ahead.length === 0
        ? held
        : {
            ...(held as Conversation),
            messages: present.filter((message) => !ahead.includes(message)),
          }
    const reduced = reduceConversation(visible, toChange(entry))
    if (reduced === visible) continue
    if (!isConversation(reduced)) {
      held = reduced
      continue
    }
    const known = new Set(present)
    for (const message of reduced.messages)
      if (!known.has(message)) bump(seqs, message.id, entry.seq)
    held = { ...reduced, has_more: false, messages: withAhead(reduced.messages, ahead) }
  }
  return { held, seqs }
}

const bump = (seqs: Map<string, number>, id: string, seq: number) =>
  seqs.set(id, Math.max(seq, seqs.get(id) ?? 0))

function withAhead(messages: Message[], ahead: Message[]): Message[] {
  if (ahead.length === 0) return messages
  const ids = new Set(ahead.map(({ id }) => id))
  return [...messages.filter(({ id }) => !ids.has(id)), ...ahead].sort(
    (a, b) => a.position - b.position,
  )
}

function summarise(held: NonNullable<HeldConversation>) {
  if (!isConversation(held)) return held
  const { messages: _messages, has_more: _hasMore, ...summary } = held
  return summary
}
