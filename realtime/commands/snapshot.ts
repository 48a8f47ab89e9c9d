// A page of conversations with their newest messages, for a device that wants everything at once
// and would otherwise ask for each conversation by itself.
import type { Conversation } from '@lockstep/protocol/conversations'
import { limits } from '@lockstep/protocol/limits'
import type { Message } from '@lockstep/protocol/message'
import { byteLength } from '@lockstep/protocol/text'
import { conversationIdOf, readConversations, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { ConversationDocument, LiveConversationDocument } from '../store/documents.ts'
import { readWindow, toMessage } from '../store/messages.ts'

/** So many conversations are read at the same time. */
const READ_TOGETHER = 8

/**
 * The conversations with at most `newest` messages each, about 4 MB in all, but at least one
 * conversation. `read` says how many of the documents they are made of; those that have been purged
 * in the meantime are left out.
 */
export async function withNewestMessages(
  database: Database,
  user_id: string,
  documents: readonly LiveConversationDocument[],
  newest: number,
): Promise<{ items: Conversation[]; read: number }> {
  const items: Conversation[] = []
  let bytes = 0
  for (let read = 0; read < documents.length; ) {
    const together = documents.slice(read, read + READ_TOGETHER)
    for (const item of await readTogether(database, user_id, together, newest)) {
      bytes += item ? byteLength(JSON.stringify(item)) : 0
      if (items.length > 0 && bytes > limits.answerBytes) return { items, read }
      if (item) items.push(item)
      read++
    }
  }
  return { items, read: documents.length }
}

/**
 * The messages belong to a version of their conversation: whatever changed between the two reads is
 * read again.
 */
async function readTogether(
  database: Database,
  user_id: string,
  documents: readonly LiveConversationDocument[],
  newest: number,
): Promise<(Conversation | undefined)[]> {
  const read = new Map<string, Conversation>()
  let open = documents
  while (open.length > 0) {
    const ids = open.map(({ _id }) => conversationIdOf(_id))
    const windows = await Promise.all(
      ids.map((id) => readWindow(database, user_id, id, { limit: newest })),
    )
    const after = await readConversations(
      database,
      ids.map((id) => ({ user_id, id })),
    )
    const present = new Map(after.filter(isKept).map((document) => [document._id, document]))
    const changed: LiveConversationDocument[] = []
    for (const [index, document] of open.entries()) {
      const now = present.get(document._id)
      if (now?.version === document.version)
        read.set(document._id, conversationOf(document, windows[index]!.map(toMessage)))
      else if (now) changed.push(now)
    }
    open = changed
  }
  return documents.map(({ _id }) => read.get(_id))
}

const isKept = (document: ConversationDocument): document is LiveConversationDocument =>
  !('purged' in document)

const conversationOf = (
  document: LiveConversationDocument,
  messages: Message[],
): Conversation => ({
  ...toSummary(document),
  messages,
  has_more: (messages[0]?.position ?? 1) > 1,
})
