// Compares a user's documents with the fold of the log. Documents are what other programs may read,
// and what a device receives that loads over HTTP.
import type { Collection, Db } from 'mongodb'
import { toRun } from '../../realtime/store/agent-runs.ts'
import { toSummary } from '../../realtime/store/conversations.ts'
import { toRecord } from '../../realtime/store/records.ts'
import { toHeldMessages } from '../../realtime/store/messages.ts'
import { assertEqual } from './compare.ts'
import type { FoldedLog } from './folded-log.ts'
import type {
  ConversationDocument,
  LiveConversationDocument,
  MessageDocument,
  RecordDocument,
  RunDocument,
  UserDocument,
} from '../../realtime/store/documents.ts'

/** Throws if a document doesn't agree with the log (yet). */
export async function checkDocuments(database: Db, user_id: string, log: FoldedLog): Promise<true> {
  const { conversations, preferences, records, runs } = await readDocuments(database, user_id)
  assertEqual(preferences, log.preferences, 'the document of the preferences')
  assertEqual(conversations, log.conversations.toSorted(byId), 'the documents of the conversations')
  assertEqual(records, log.records.toSorted(byId), 'the documents of the records')
  assertEqual(runs, log.runs.toSorted(byId), 'the documents of the runs')
  return true
}

async function readDocuments(database: Db, user_id: string) {
  const all = <T extends object>(name: string) =>
    (database.collection(name) as unknown as Collection<T>).find({ user_id } as never).toArray()
  const [conversations, messages, records, runs, user] = await Promise.all([
    all<ConversationDocument>('conversations'),
    all<MessageDocument>('messages'),
    all<RecordDocument>('records'),
    all<RunDocument>('agent_runs'),
    database.collection<UserDocument>('users').findOne({ _id: user_id }),
  ])
  const byConversation = Map.groupBy(messages, ({ conversation_id }) => conversation_id)
  const whole = await Promise.all(
    conversations.filter(isLive).map(async (document) => {
      const summary = toSummary(document)
      const own = (byConversation.get(summary.id) ?? []).toSorted((a, b) => a.position - b.position)
      const { messages, removed } = await toHeldMessages(own)
      const isWhole = summary.removed_count === undefined
      return { ...summary, messages, ...(!isWhole && { removed }), has_more: false }
    }),
  )
  return {
    conversations: whole.toSorted(byId),
    records: records
      .flatMap((record) => ('deleted' in record ? [] : toRecord(record)))
      .toSorted(byId),
    runs: runs.flatMap((run) => ('deleted' in run ? [] : toRun(run))).toSorted(byId),
    preferences: { preferences: user!.preferences, version: user!.preferences_version },
  }
}

const isLive = (document: ConversationDocument): document is LiveConversationDocument =>
  !('purged' in document)

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
