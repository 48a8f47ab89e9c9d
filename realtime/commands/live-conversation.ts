// A conversation that can be read and written is there and not in the trash. For everybody else it
// is `not_found`.
import { Fault } from '@lockstep/protocol/errors'
import { readConversation } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { ConversationDocument, LiveConversationDocument } from '../store/documents.ts'

export const isLive = (
  document: ConversationDocument | null | undefined,
): document is LiveConversationDocument => isIn('active', document)

const isIn = (
  state: 'active' | 'trash',
  document: ConversationDocument | null | undefined,
): document is LiveConversationDocument =>
  !!document && !('purged' in document) && (document.deleted_at === null) === (state === 'active')

/**
 * The document of a conversation that is live, or in the trash if `state` says so. Throws
 * `not_found` for any other.
 */
export async function existingConversation(
  database: Database,
  user_id: string,
  id: string,
  state: 'active' | 'trash' = 'active',
): Promise<LiveConversationDocument> {
  const document = await readConversation(database, user_id, id)
  if (!isIn(state, document)) throw noSuchConversation()
  return document
}

export const noSuchConversation = () =>
  new Fault('not_found', { detail: 'There is no such conversation' })
