// A conversation as it was: backwards from the documents, undoing entry after entry with the values that each replaced. So a moment can be seen
// for as long as everything since then has its content, whatever has become of what was before.
import type { Conversation } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import type { Message } from '@lockstep/protocol/message'
import { findLastEntryAt, readUndoable, type HistoryPoint, type ReversibleEntry } from '../store/changes.ts'
import { readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { readWindow, toMessage } from '../store/messages.ts'
import type { Log } from './log.ts'

export interface RewindWindow {
  /** Messages before this position. */
  before?: number
  limit: number
}

/**
 * The conversation at a moment, with a window of the messages that it had; `seq` is of its last change until then. Throws `not_found` when
 * it didn't exist yet, is purged, or is older than what the log still tells; also for a `seq` that is still to come.
 */
export async function conversationAt(
  database: Database,
  log: Log,
  user_id: string,
  id: string,
  moment: HistoryPoint,
  { before = Infinity, limit }: RewindWindow,
): Promise<Conversation & { epoch: string; seq: number }> {
  const entity = { user_id, topic: 'conversations' as const, entity_id: id }
  for (;;) {
    const head = await log.projectToHead(user_id, 'conversations')
    if ('seq' in moment && moment.seq > head.seq) throw notThen()
    const last = await findLastEntryAt(database, entity, moment)
    const document = await readConversation(database, user_id, id)
    if (!last || !document || 'purged' in document) throw notThen()
    if (document.seq > head.seq) continue // it moved meanwhile
    const undoable = () => readUndoable(database, entity, last.seq, head.seq)
    const then = await undoAll(
      { ...toSummary(document), messages: [], has_more: false },
      undoable(),
    )
    const upTo = Math.min(then.message_count, before - 1)
    const messages = await readWindow(database, user_id, id, { before: upTo + 1, limit })
    if (messages.some(({ seq }) => seq > head.seq)) continue
    const has_more = (messages[0]?.position ?? 1) > 1
    const window = { ...toSummary(document), messages: messages.map(toMessage), has_more }
    return { ...(await undoAll(window, undoable())), has_more, epoch: head.epoch, seq: last.seq }
  }
}

const notThen = () =>
  new Fault('not_found', { detail: 'There is no such conversation at that moment' })

/** How to read what has to be undone of a conversation at `head` to come back to `seq`, newest first. Throws `not_found` when it wasn't there then. */
export async function entriesSince(
  database: Database,
  user_id: string,
  id: string,
  { seq, head }: { seq: number; head: number },
): Promise<() => AsyncIterable<ReversibleEntry>> {
  const entity = { user_id, topic: 'conversations' as const, entity_id: id }
  if (seq > head || !(await findLastEntryAt(database, entity, { seq }))) throw notThen()
  return () => readUndoable(database, entity, seq, head)
}

/** Ids of the messages that were there before these entries, newest first, and that they changed. */
export async function changedBy(
  entries: AsyncIterable<ReversibleEntry> | Iterable<ReversibleEntry>,
): Promise<Set<string>> {
  const changed = new Set<string>()
  for await (const { data, before } of entries) {
    const { messages = [], message_id } = (data ?? {}) as {
      messages?: { id: string }[]
      message_id?: string
    }
    const replaced = new Set((before?.messages as Message[] | undefined)?.map(({ id }) => id))
    for (const { id } of messages)
      if (replaced.has(id)) changed.add(id)
      else changed.delete(id) // it began here
    if (message_id !== undefined) changed.add(message_id)
  }
  return changed
}

/** The conversation before these entries, newest first. Throws `not_found` when nobody knows. */
export async function undoAll(
  held: Conversation,
  entries: AsyncIterable<ReversibleEntry>,
): Promise<Conversation> {
  let then = held
  for await (const entry of entries) then = undo(then, entry)
  return then
}

/** Pure: the conversation before the entry that made it what it is. `held` may have any of the messages. Throws `not_found` when nobody knows. */
export function undo(held: Conversation, entry: ReversibleEntry): Conversation {
  const { op, before, data } = entry
  if (entry.stripped || !before || !data || op === 'created') throw notThen()
  return { ...held, ...undone(held, op, before, data), version: entry.version - 1 }
}

type Content = Record<string, unknown>

function undone(
  held: Conversation,
  op: string,
  before: Content,
  data: Content,
): Partial<Conversation> {
  switch (op) {
    case 'updated': {
      const { messages: replaced = [], ...fields } = before as Partial<Conversation>
      const written = new Set((data.messages as Message[] | undefined)?.map(({ id }) => id))
      const earlier = new Map(replaced.map((message) => [message.id, message]))
      const messages = held.messages.flatMap((message) =>
        written.has(message.id) ? (earlier.get(message.id) ?? []) : [message],
      )
      return { ...fields, messages }
    }
    case 'extended': {
      const { message_updated_at: updated_at } = before as { message_updated_at: string }
      return withMessage(held, data, ({ content }) => ({
        content: content.slice(0, data.offset as number),
        updated_at,
      }))
    }
    case 'finished': {
      const { status, metadata, message_updated_at, ...fields } = before as Pick<
        Message,
        'status' | 'metadata'
      > &
        Pick<Conversation, 'preview' | 'updated_at'> & { message_updated_at: string }
      return {
        ...fields,
        ...withMessage(held, data, () => ({ status, metadata, updated_at: message_updated_at })),
      }
    }
    case 'deleted':
    case 'restored':
      return before
    default:
      throw notThen()
  }
}

/** The message that `data` names becomes what it was; one that isn't held stays unheld. */
function withMessage(
  { messages }: Conversation,
  { message_id }: Content,
  earlier: (message: Message) => Partial<Message>,
): Partial<Conversation> {
  const back = (message: Message) => ({
    ...message,
    ...earlier(message),
    version: message.version - 1,
  })
  return {
    messages: messages.map((message) => (message.id === message_id ? back(message) : message)),
  }
}
