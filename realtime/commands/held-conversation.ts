// What commands hold of a conversation when they decide, and what they answer: it at the head of its topic, with the messages that they name.
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import type { Summary } from '@lockstep/protocol/conversations'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { toChange } from '../log/entry.ts'
import type { Appended, Hot, Log } from '../log/log.ts'
import { fold, readProjected } from '../log/projection/conversations.ts'
import { readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { findStreamingMessageIds } from '../store/messages.ts'
import type { Outcome } from './commands.ts'

type Load = (hot: Hot) => Promise<HeldConversation>

const entriesOf = ({ tail }: Hot, id: string) => tail.filter(({ entity_id }) => entity_id === id)

export const withMessages =
  (database: Database, id: string, messageIds: readonly string[]): Load =>
  async (hot) =>
    fold(await readProjected(database, hot.user_id, id, messageIds), entriesOf(hot, id)).held

/** With all that streams, too: asked for after the conversation was read, as a document may be ahead of what this node knows. */
export const withStreaming =
  (database: Database, id: string, messageIds: readonly string[]): Load =>
  async (hot) => {
    const entries = entriesOf(hot, id)
    const touched = entries.flatMap(({ data }) =>
      typeof data?.message_id === 'string' ? [data.message_id] : [],
    )
    const ids = new Set([...messageIds, ...touched])
    for (;;) {
      const projected = await readProjected(database, hot.user_id, id, [...ids])
      const streaming = await findStreamingMessageIds(database, hot.user_id, id)
      if (streaming.every((message) => ids.has(message))) return fold(projected, entries).held
      for (const message of streaming) ids.add(message)
    }
  }

/** `data` is null after a purge. */
export async function outcomeOf(
  database: Database,
  log: Log,
  user_id: string,
  appended: Appended<HeldConversation>,
): Promise<Outcome<Summary | null>> {
  if (appended.kind === 'unchanged') {
    const data = summaryOrNull(appended.state)
    return { data, seq: appended.seq, version: data?.version ?? 1, changed: false }
  }
  const { seq, version, entity_id } = appended.entry
  if (appended.kind === 'appended') {
    const data = summaryOrNull(reduceConversation(appended.state, toChange(appended.entry)))
    return { data, seq, version, changed: true }
  }
  await log.projectToHead(user_id, 'conversations')
  const document = await readConversation(database, user_id, entity_id)
  return {
    data: document && !('purged' in document) ? toSummary(document) : null,
    seq,
    version,
    changed: false,
  }
}

const summaryOrNull = (held: HeldConversation): Summary | null =>
  isConversation(held) ? summaryOf(held) : null
