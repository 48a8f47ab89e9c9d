// Brings conversations and their messages up to the log. Messages are written first, so that a
// conversation never counts messages that aren't there.
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { stripEntity } from '../../store/changes.ts'
import {
  readConversations,
  writeConversations,
  type ConversationWrite,
} from '../../store/conversations.ts'
import type { Database } from '../../store/database.ts'
import type { MessageDocument } from '../../store/documents.ts'
import {
  deleteMessages,
  readMessages,
  writeMessages,
  type MessageWrite,
} from '../../store/messages.ts'
import { fold, toProjected, type Projected } from '../projected-conversation.ts'
import { changedInPart, touchedBy } from '../state/kept-conversation.ts'
import type { ConversationState } from '../state/conversation-state.ts'
import type { EntityEntries, Project } from './projection.ts'

type ConversationEntries = EntityEntries<ConversationState>

export const projectConversations: Project<ConversationState> = async (
  database,
  entities,
  writes,
) => {
  const written: Written = { messages: [], conversations: [] }
  const unknown: ConversationEntries[] = []
  for (const entity of entities) {
    const seqs = seqsOf(entity)
    const held = entity.state?.held
    if (held && hasAll(held, seqs.keys())) add(written, entity, { held, seqs })
    else unknown.push(entity)
  }
  const stored = unknown.length > 0 ? await readStored(database, unknown) : undefined
  for (const entity of unknown)
    add(written, entity, fold(stored?.get(keyOf(entity)) ?? nothing, entity.entries))
  writes.documents.push((to) => writeMessages(to, written.messages))
  writes.counting.push((to) => writeConversations(to, written.conversations))
  for (const { user_id, id, entries } of entities) {
    const { op, seq } = entries.at(-1)!
    if (op === 'purged') writes.removals.push((to) => sweep(to, user_id, id, seq))
  }
}

interface Written {
  messages: MessageWrite[]
  conversations: ConversationWrite[]
}

const nothing: Projected = { held: undefined, seqs: new Map() }
const keyOf = ({ user_id, id }: { user_id: string; id: string }): string => `${user_id}:${id}`

/** By message, the last of the entries that wrote it. */
function seqsOf({ entries }: ConversationEntries): Map<string, number> {
  const seqs = new Map<string, number>()
  for (const entry of entries) for (const id of touchedBy(entry)) seqs.set(id, entry.seq)
  return seqs
}

function hasAll(held: HeldConversation, ids: Iterable<string>): boolean {
  if (!isConversation(held)) return true
  const has = new Set([...held.messages, ...(held.removed ?? [])].map(({ id }) => id))
  return [...ids].every((id) => has.has(id))
}

/** The documents that the entries change, of all entities by two look-ups. */
async function readStored(
  database: Database,
  entities: readonly ConversationEntries[],
): Promise<Map<string, Projected>> {
  // the conversations first: a projector writes messages first, so these are never older
  const conversations = await readConversations(database, entities)
  const named = entities.flatMap(({ user_id, id: conversation_id, entries }) => {
    // only these are read: an entry contains its other messages as a whole
    const changed = entries.flatMap(changedInPart)
    return [...new Set(changed)].map((id) => ({ user_id, conversation_id, id }))
  })
  const found = named.length > 0 ? await readMessages(database, named) : []
  const byConversation = Map.groupBy(found, ({ user_id, conversation_id: id }: MessageDocument) =>
    keyOf({ user_id, id }),
  )
  const projected = new Map<string, Projected>()
  for (const document of conversations) {
    const id = document._id.slice(document.user_id.length + 1)
    const messages = byConversation.get(document._id) ?? []
    projected.set(document._id, await toProjected(document, id, messages))
  }
  return projected
}

/** Adds the documents of a conversation as it is after the entries. */
function add(written: Written, { user_id, id, entries }: ConversationEntries, after: Projected) {
  const { held, seqs } = after
  const [first, last] = [entries[0]!.seq, entries.at(-1)!]
  if (isConversation(held)) {
    const isWritten = ({ id }: { id: string }) => (seqs.get(id) ?? 0) >= first
    for (const message of [...held.messages, ...(held.removed ?? [])].filter(isWritten))
      written.messages.push({
        user_id,
        conversation_id: id,
        message,
        seq: seqs.get(message.id)!,
      })
    written.conversations.push({ held: summaryOf(held), seq: last.seq })
  } else if (held) written.conversations.push({ held, seq: last.seq })
}

/**
 * Removes the messages of a purged conversation and the content of its entries. Housekeeping
 * repeats this, because a node that had stalled may have written a message back.
 */
export async function sweep(
  database: Database,
  user_id: string,
  id: string,
  seq: number,
): Promise<void> {
  await deleteMessages(database, user_id, id)
  await stripEntity(database, { user_id, topic: 'conversations', entity_id: id }, seq)
}
