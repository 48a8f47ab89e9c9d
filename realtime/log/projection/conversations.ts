// Brings conversations and their messages up to the log. Messages are written first, so that a
// conversation never counts messages that aren't there.
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import { stripEntity } from '../../store/changes.ts'
import { writeConversation } from '../../store/conversations.ts'
import type { Database } from '../../store/database.ts'
import { deleteMessages, writeMessages } from '../../store/messages.ts'
import { fold, readProjected } from '../projected-conversation.ts'
import { byEntity, type Project } from './projection.ts'

export const projectConversations: Project = async (database, user_id, entries) => {
  for (const [id, group] of byEntity(entries)) {
    const streamed = group.flatMap(({ data }) =>
      typeof data?.message_id === 'string' ? [data.message_id] : [],
    )
    const before = await readProjected(database, user_id, id, { ids: streamed })
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
    const document = isConversation(after.held) ? summaryOf(after.held) : after.held
    if (document) await writeConversation(database, document, last.seq)
    if (last.op === 'purged') await sweep(database, user_id, id, last.seq)
  }
}

/**
 * Removes what a purge leaves. Housekeeping repeats it, as a node that had stalled may have written
 * a message back.
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
