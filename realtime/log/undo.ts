// Undoes the log of a conversation, entry by entry, with the values that each entry replaced. It
// starts from the documents and goes backwards. So a moment can be shown as long as all later
// entries have their content, whatever has become of earlier ones.
import type { DataOf } from '@lockstep/protocol/change'
import type { Conversation, ConversationBefore } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { isKnownOp } from '@lockstep/protocol/known-change'
import type { Message, RemovedMessage } from '@lockstep/protocol/message'
import { partsOf, putPart, recomposed, replaceTexts, whole } from '@lockstep/protocol/message-parts'
import { thinkingOf } from '@lockstep/protocol/part-texts'
import { findLastEntryAt, readUndoable, type ReversibleEntry } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { unpackContent } from '../store/packed-parts.ts'

/** The fields of an entry's data that undoing needs. Only these are read from the database. */
interface UndoData {
  updated: { messages?: Pick<Message, 'id'>[]; removed_messages?: string[] }
  extended: Pick<DataOf<'conversations', 'extended'>, 'message_id' | 'offset' | 'part_id'>
  part: DataOf<'conversations', 'part'>
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
        else if (entry.before.removed?.some((one) => one.id === id)) changed.add(id)
        else changed.delete(id) // this entry added the message
      for (const id of entry.data.removed_messages ?? []) changed.add(id)
    } else if (entry.op === 'extended' || entry.op === 'part' || entry.op === 'finished')
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
export function undo(held: Conversation, stored: ReversibleEntry): Conversation {
  const { data, before } = stored
  const entry = {
    ...stored,
    ...(data && { data: unpackContent(data) }),
    ...(before && { before: unpackContent(before) }),
  }
  if (!isUndoable(entry)) throw wasNotThere()
  return { ...held, ...replacedBy(held, entry), version: entry.version - 1 }
}

function replacedBy(held: Conversation, entry: Replaced): Partial<Conversation> {
  switch (entry.op) {
    case 'updated': {
      const { messages: replaced = [], removed: wereRemoved = [], ...fields } = entry.before
      const written = new Set(entry.data.messages?.map(({ id }) => id))
      const earlier = new Map(replaced.map((message) => [message.id, whole(message)]))
      const messages = held.messages.flatMap((message) =>
        written.has(message.id) ? (earlier.get(message.id) ?? []) : [message],
      )
      if (!entry.data.removed_messages && wereRemoved.length === 0) return { ...fields, messages }
      return { ...fields, ...withRemovalUndone(held, messages, entry, wereRemoved) }
    }
    case 'extended': {
      const { message_id, offset, part_id } = entry.data
      const updated_at = entry.before.message_updated_at
      return withMessage(held, message_id, (message) => ({
        ...shortened(message, offset, part_id),
        updated_at,
      }))
    }
    case 'part': {
      const { message_id, part } = entry.data
      const { part: former, message_updated_at } = entry.before
      return withMessage(held, message_id, (message) => {
        // without parts, the message is the text of this one
        const present = message.parts ?? [part]
        const parts = former ? putPart(present, former) : present.filter(({ id }) => id !== part.id)
        return { ...recomposed(message, parts), updated_at: message_updated_at }
      })
    }
    case 'finished': {
      const { status, metadata, message_updated_at, ...fields } = entry.before
      // entries from before there were parts have the thinking only here
      const earlier = (message: Message) =>
        withThinkingOf(metadata, { ...message, status, updated_at: message_updated_at })
      return { ...fields, ...withMessage(held, entry.data.message_id, earlier) }
    }
    case 'deleted':
    case 'restored':
      return entry.before
    case 'purged':
      throw wasNotThere()
  }
}

/** Deleted messages come back, and those that the entry brought back are deleted. */
function withRemovalUndone(
  held: Conversation,
  messages: Message[],
  { data, before }: Extract<Replaced, { op: 'updated' }>,
  wereRemoved: readonly RemovedMessage[],
): Pick<Conversation, 'messages' | 'removed_count' | 'removed'> {
  const ids = new Set(data.removed_messages)
  const present = held.removed ?? []
  const isHeld = new Set([...held.messages, ...present].map(({ id }) => id))
  const removedNow = new Set(present.map(({ id }) => id))
  const back = before.messages.filter(({ id }) => ids.has(id) && removedNow.has(id)).map(whole)
  const order = (one: { position: number }, other: { position: number }) =>
    one.position - other.position
  const removed = [
    ...present.filter(({ id }) => !ids.has(id)),
    ...wereRemoved.filter(({ id }) => isHeld.has(id)),
  ]
  const { removed_count } = before
  return {
    messages: [...messages, ...back].sort(order),
    removed_count,
    removed: removed_count === undefined ? undefined : removed.sort(order),
  }
}

function withThinkingOf(metadata: JsonObject, message: Message): Message {
  const thinking = typeof metadata.thinking === 'string' ? metadata.thinking : ''
  const parts = partsOf(message)
  const then = { ...message, metadata }
  return thinkingOf(parts) === thinking
    ? then
    : recomposed(then, replaceTexts(parts, 'reasoning', thinking))
}

/** The message without the text from `offset` on. */
function shortened(message: Message, offset: number, part_id: string | undefined): Message {
  if (part_id === undefined) return { ...message, content: message.content.slice(0, offset) }
  const parts = partsOf(message).map((part) =>
    part.id === part_id && 'text' in part ? { ...part, text: part.text.slice(0, offset) } : part,
  )
  return recomposed(message, parts)
}

/** Gives the message with this id its former value. A message that isn't held stays unheld. */
function withMessage(
  { messages }: Conversation,
  id: string,
  earlier: (message: Message) => Message,
): Partial<Conversation> {
  const back = (message: Message) => ({ ...earlier(message), version: message.version - 1 })
  return { messages: messages.map((message) => (message.id === id ? back(message) : message)) }
}
