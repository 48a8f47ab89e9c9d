// A page of conversations with their newest messages, for a device that wants everything at once
// and would otherwise ask for each conversation by itself.
import type { Conversation } from '@lockstep/protocol/conversations'
import { limits } from '@lockstep/protocol/limits'
import { conversationIdOf, readConversations, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type {
  ConversationDocument,
  LiveConversationDocument,
  MessageDocument,
} from '../store/documents.ts'
import { jsonInTurns } from '../concurrency/json-in-turns.ts'
import { readNewest, toMessages } from '../store/messages.ts'
import { readWindowOf, type MessageWindow } from './message-window.ts'

/** How many conversations are read by one command, unless they are large. */
const READ_TOGETHER = 50

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
  let read = 0
  let together = READ_TOGETHER
  while (read < documents.length) {
    const next = documents.slice(read, read + together)
    const found = await readTogether(database, user_id, next, newest)
    if (!found) together = Math.ceil(together / 4)
    for (const item of found ?? []) {
      if (item) for await (const piece of jsonInTurns(item)) bytes += Buffer.byteLength(piece)
      if (items.length > 0 && bytes > limits.answerBytes) return { items, read }
      if (item) items.push(item)
      read++
    }
  }
  return { items, read }
}

/**
 * Reads conversations and their messages. A conversation that changed between the two reads is read
 * again, so that its messages belong to its version. undefined: together they are too large for one
 * page.
 */
async function readTogether(
  database: Database,
  user_id: string,
  documents: readonly LiveConversationDocument[],
  newest: number,
): Promise<(Conversation | undefined)[] | undefined> {
  const read = new Map<string, Conversation>()
  let open = documents
  while (open.length > 0) {
    const windows = await readWindows(database, user_id, open, newest)
    if (!windows) return undefined
    const wanted = open.map(({ _id }) => ({ user_id, id: conversationIdOf(_id) }))
    const after = (await readConversations(database, wanted)).filter(isKept)
    const present = new Map(after.map((document) => [document._id, document]))
    const changed: LiveConversationDocument[] = []
    for (const [index, document] of open.entries()) {
      const now = present.get(document._id)
      if (now?.version === document.version)
        read.set(document._id, { ...toSummary(document), ...windows[index]! })
      else if (now) changed.push(now)
    }
    open = changed
  }
  return documents.map(({ _id }) => read.get(_id))
}

/**
 * The newest messages of each of the conversations. undefined: they are more than a page, and of
 * more than one conversation.
 */
async function readWindows(
  database: Database,
  user_id: string,
  documents: readonly LiveConversationDocument[],
  newest: number,
): Promise<MessageWindow[] | undefined> {
  const [first] = documents
  if (first && documents.length === 1)
    return [await readWindowOf(database, first, { limit: newest })]
  // where messages are deleted, the positions don't tell which ones are the newest
  const isWhole = ({ removed_count }: LiveConversationDocument) => removed_count === undefined
  const wanted = documents.filter(isWhole).map(({ _id, message_count }) => ({
    conversation_id: conversationIdOf(_id),
    after: message_count - newest,
  }))
  const found = await readNewest(database, user_id, wanted)
  if (!found) return undefined
  const windows: MessageWindow[] = []
  for (const document of documents)
    windows.push(
      isWhole(document)
        ? await windowOf(found.get(conversationIdOf(document._id)) ?? [])
        : await readWindowOf(database, document, { limit: newest }),
    )
  return windows
}

const windowOf = async (documents: readonly MessageDocument[]): Promise<MessageWindow> => ({
  messages: await toMessages(documents),
  has_more: (documents[0]?.position ?? 1) > 1,
})

const isKept = (document: ConversationDocument): document is LiveConversationDocument =>
  !('purged' in document)
