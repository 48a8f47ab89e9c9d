// Undoes the log of a conversation, entry by entry, with the values that each entry replaced. It
// starts from the documents and goes backwards. So a moment can be shown as long as all later
// entries have their content, whatever has become of earlier ones.
import type { DataOf } from '@lockstep/protocol/change'
import type { Conversation, ConversationBefore } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { isKnownOp } from '@lockstep/protocol/known-change'
import type { Message } from '@lockstep/protocol/message'
import { findLastEntryAt, readUndoable, type ReversibleEntry } from '../store/changes.ts'
import type { Database } from '../store/database.ts'

/** The fields of an entry's data that undoing needs. Only these are read from the database. */
interface UndoData {
  updated: { messages?: Pick<Message, 'id'>[] }
  extended: Pick<DataOf<'conversations', 'extended'>, 'message_id' | 'offset'>
  finished: Pick<DataOf<'conversations', 'finished'>, 'message_id'>
  deleted: object
  restored: object
  purged: object
}

/** An entry with the data that undoing it needs: a union over `op`. */
type Replaced = {
  [O in keyof ConversationBefore]: { op: O; before: ConversationBefore[O]; data: UndoData[O] }
}[keyof ConversationBefore]

/**
 * Narrows an entry that came from the database. False for a stripped entry, for one whose `before`
 * was too large to store, and for the first one.
 */
const isUndoable = (entry: ReversibleEntry): entry is ReversibleEntry & Replaced =>
  !entry.stripped &&
  entry.before !== undefined &&
  entry.data !== undefined &&
  entry.op !== 'created' &&
  isKnownOp({ topic: 'conversations', op: entry.op })

export const wasNotThere = () =>
  new Fault('not_found', { detail: 'No such conversation existed at that moment' })

/**
 * How to read the entries of a conversation in (seq, head], newest first. Throws `not_found` if the
 * conversation didn't exist at `seq`.
 */
export async function entriesSince(
  database: Database,
  user_id: string,
  id: string,
  { seq, head }: { seq: number; head: number },
): Promise<() => AsyncIterable<ReversibleEntry>> {
  const entity = { user_id, topic: 'conversations' as const, entity_id: id }
  if (seq > head || !(await findLastEntryAt(database, entity, { seq }))) throw wasNotThere()
  return () => readUndoable(database, entity, seq, head)
}

/**
 * The ids of messages that existed before these entries (newest first) and that the entries
 * changed.
 */
export async function changedBy(
  entries: AsyncIterable<ReversibleEntry> | Iterable<ReversibleEntry>,
): Promise<Set<string>> {
  const changed = new Set<string>()
  for await (const entry of entries) {
    if (!isUndoable(entry)) continue // undoing ends there
    if (entry.op === 'updated') {
      const replaced = new Set((entry.before.messages ?? []).map(({ id }) => id))
      for (const { id } of entry.data.messages ?? [])
        if (replaced.has(id)) changed.add(id)
        else changed.delete(id) // this entry added the message
    } else if (entry.op === 'extended' || entry.op === 'finished')
      changed.add(entry.data.message_id)
  }
  return changed
}

/**
 * The conversation before these entries, which are ordered newest first. Throws `not_found` if an
 * entry has lost the data that undoing it needs.
 */
export async function undoAll(
  held: Conversation,
  entries: AsyncIterable<ReversibleEntry>,
): Promise<Conversation> {
  let then = held
  for await (const entry of entries) then = undo(then, entry)
  return then
}

/**
 * Pure: the conversation before its newest entry. `held` may have any of the messages. Throws
 * `not_found` if the entry has lost the data that undoing it needs.
 */
export function undo(held: Conversation, entry: ReversibleEntry): Conversation {
  if (!isUndoable(entry)) throw wasNotThere()
  return { ...held, ...replacedBy(held, entry), version: entry.version - 1 }
}

function replacedBy(held: Conversation, entry: Replaced): Partial<Conversation> {
  switch (entry.op) {
    case 'updated': {
      const { messages: replaced = [], ...fields } = entry.before
      const written = new Set(entry.data.messages?.map(({ id }) => id))
      const earlier = new Map(replaced.map((message) => [message.id, message]))
      const messages = held.messages.flatMap((message) =>
        written.has(message.id) ? (earlier.get(message.id) ?? []) : [message],
      )
      return { ...fields, messages }
    }
    case 'extended': {
      const { message_id, offset } = entry.data
      const updated_at = entry.before.message_updated_at
      return withMessage(held, message_id, ({ content }) => ({
        content: content.slice(0, offset),
        updated_at,
      }))
    }
    case 'finished': {
      const { status, metadata, message_updated_at, ...fields } = entry.before
      const message = { status, metadata, updated_at: message_updated_at }
      return { ...fields, ...withMessage(held, entry.data.message_id, () => message) }
    }
    case 'deleted':
    case 'restored':
      return entry.before
    case 'purged':
      throw wasNotThere()
  }
}

/** Gives the message with this id its former value. A message that isn't held stays unheld. */
function withMessage(
  { messages }: Conversation,
  id: string,
  earlier: (message: Message) => Partial<Message>,
): Partial<Conversation> {
  const back = (message: Message) => ({
    ...message,
    ...earlier(message),
    version: message.version - 1,
  })
  return { messages: messages.map((message) => (message.id === id ? back(message) : message)) }
}
