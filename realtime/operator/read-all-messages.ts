import type { Message } from '@lockstep/protocol/message'
import type { Database } from '../store/database.ts'
import { readMessagesInRange } from '../store/messages.ts'

const PAGE_SIZE = 500

/** All messages of a conversation, in order of position. */
export async function readAllMessages(
  database: Database,
  user_id: string,
  conversation_id: string,
): Promise<Message[]> {
  const messages: Message[] = []
  for (;;) {
    const page = await readMessagesInRange(database, user_id, conversation_id, {
      after: messages.at(-1)?.position ?? 0,
      upTo: Number.MAX_SAFE_INTEGER,
      limit: PAGE_SIZE,
    })
    if (page.length === 0) return messages
    messages.push(...page)
  }
}
