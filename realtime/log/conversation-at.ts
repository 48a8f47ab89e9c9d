// A conversation as it was at a moment, derived backwards from its documents (undo.ts).
import type { Conversation } from '@lockstep/protocol/conversations'
import { lastPosition } from '@lockstep/protocol/reduce/conversation'
import { findLastEntryAt, readUndoable, type HistoryPoint } from '../store/changes.ts'
import { readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { readPlaces, toHeldMessages } from '../store/messages.ts'
import type { Log } from './log.ts'
import { undoAll, wasNotThere } from './undo.ts'

export interface WindowAt {
  /** Messages before this position; default: the newest that the conversation had. */
  before?: number
  limit: number
}

/**
 * The conversation at a moment, with a window of the messages that it had. `seq` is the position of
 * its last change up to then. Throws `not_found` if the conversation didn't exist yet or is purged,
 * if the log no longer reaches back to the moment, and for a `seq` above the head.
 */
export async function conversationAt(
  database: Database,
  log: Pick<Log, 'projectToHead'>,
  entity: { user_id: string; conversation_id: string },
  moment: HistoryPoint,
  { before = Infinity, limit }: WindowAt,
): Promise<Conversation & { epoch: string; seq: number }> {
  const { user_id, conversation_id: id } = entity
  const query = { user_id, topic: 'conversations' as const, entity_id: id }
  for (;;) {
    const head = await log.projectToHead(user_id, 'conversations')
    if ('seq' in moment && moment.seq > head.seq) throw wasNotThere()
    const last = await findLastEntryAt(database, query, moment)
    const document = await readConversation(database, user_id, id)
    if (!last || !document || 'purged' in document) throw wasNotThere()
    if (document.seq > head.seq) continue // another change came between the two reads
    const entries = () => readUndoable(database, query, last.seq, head.seq)
    const summary = toSummary(document)
    const then = await undoAll({ ...summary, messages: [], has_more: false }, entries())
    const upTo = Math.min(lastPosition(then), before - 1)
    const places = await readPlaces(database, user_id, id, { before: upTo + 1, limit })
    if (places.some(({ seq }) => seq > head.seq)) continue
    const has_more = (places[0]?.position ?? 1) > 1
    const window = { ...summary, ...(await toHeldMessages(places)), has_more }
    const { removed = [], ...found } = await undoAll(window, entries())
    const known = removed.length > 0 && { removed }
    return { ...found, ...known, has_more, epoch: head.epoch, seq: last.seq }
  }
}
