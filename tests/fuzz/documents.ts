// The documents of a user against the fold of the log: what other programs may read, and what a device that loads is given.
import type { Collection, Db } from 'mongodb'
import { toRun, type RunDocument } from '../../realtime/store/agent-runs.ts'
import { toSummary, type ConversationDocument } from '../../realtime/store/conversations.ts'
import { toMessage, type MessageDocument } from '../../realtime/store/messages.ts'
import type { UserDocument } from '../../realtime/store/users.ts'
import { demand } from './demand.ts'
import type { FoldedLog } from './ledger.ts'

/** Throws what doesn't follow (yet). */
export async function checkDocuments(database: Db, user_id: string, ledger: FoldedLog): Promise<true> {
  const { conversations, preferences, runs } = await readDocuments(database, user_id)
  demand.checkDeviceState(preferences, ledger.preferences, 'the document of the preferences')
  demand.checkDeviceState(
    conversations,
    ledger.conversations.toSorted(byId),
    'the documents of the conversations',
  )
  demand.checkDeviceState(runs, ledger.runs.toSorted(byId), 'the documents of the runs')
  return true
}

async function readDocuments(database: Db, user_id: string) {
  const all = <T extends object>(name: string) =>
    (database.collection(name) as unknown as Collection<T>).find({ user_id } as never).toArray()
  const [conversations, messages, runs, user] = await Promise.all([
    all<ConversationDocument>('conversations'),
    all<MessageDocument>('messages'),
    all<RunDocument>('agent_runs'),
    database.collection<UserDocument>('users').findOne({ _id: user_id }),
  ])
  const said = Map.groupBy(messages, ({ conversation_id }) => conversation_id)
  const whole = conversations.flatMap((document) => {
    if ('purged' in document) return []
    const summary = toSummary(document)
    const own = (said.get(summary.id) ?? []).toSorted((a, b) => a.position - b.position)
    return { ...summary, messages: own.map(toMessage), has_more: false }
  })
  return {
    conversations: whole.toSorted(byId),
    runs: runs.flatMap((run) => ('deleted' in run ? [] : toRun(run))).toSorted(byId),
    preferences: { preferences: user!.preferences, version: user!.preferences_version },
  }
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
