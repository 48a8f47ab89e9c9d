// The messages of a conversation that a client gets at once. Where messages are deleted, the window
// also tells what is left of them, because threads lead through them.
import type { Conversation } from '@lockstep/protocol/conversations'
import { conversationIdOf } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { LiveConversationDocument } from '../store/documents.ts'
import { readRemoved, readWindow, toMessages } from '../store/messages.ts'

export type MessageWindow = Pick<Conversation, 'messages' | 'removed' | 'has_more'>

/** The newest messages, or those before a position. */
export async function readWindowOf(
  database: Database,
  { _id, user_id, removed_count }: LiveConversationDocument,
  { before, limit }: { before?: number; limit: number },
): Promise<MessageWindow> {
  const id = conversationIdOf(_id)
  const window = await readWindow(database, user_id, id, { before, limit })
  const messages = await toMessages(window)
  const first = messages[0]?.position ?? 1
  if (removed_count === undefined) return { messages, has_more: first > 1 }
  const earlier = await readWindow(database, user_id, id, { before: first, limit: 1 })
  const has_more = earlier.length > 0
  const from = has_more ? first : 1
  const removed = await readRemoved(database, user_id, id, { from, before })
  return { messages, removed, has_more }
}
