// How documents follow the log, topic by topic. A projection is idempotent, because every write is
// guarded by `seq`. So any node may repeat any part of it at any time, even a node that was paused.
import type { Topic } from '@lockstep/protocol/topics'
import type { RunWrite } from '../../store/agent-runs.ts'
import type { ConversationWrite } from '../../store/conversations.ts'
import type { Database } from '../../store/database.ts'
import type { ChangeDocument } from '../../store/documents.ts'
import type { MessageWrite } from '../../store/messages.ts'
import type { PreferencesWrite } from '../../store/preferences.ts'
import type { RecordWrite } from '../../store/records.ts'
import type { StateOf } from '../state/states.ts'

/** Unprojected entries of one entity, contiguous within its topic and in order; at least one. */
export interface EntityEntries<T extends Topic = Topic> {
  user_id: string
  id: string
  entries: readonly ChangeDocument[]
  /** The state after the last of the entries, if this node has it. It saves reading documents. */
  state?: StateOf[T]
}

/** What projecting entries writes. */
export interface Writes {
  messages: MessageWrite[]
  conversations: ConversationWrite[]
  runs: RunWrite[]
  preferences: PreferencesWrite[]
  records: RecordWrite[]
  /** What a purge removes, once the documents are written. */
  removals: ((database: Database) => Promise<void>)[]
}

export const noWrites = (): Writes => ({
  messages: [],
  conversations: [],
  runs: [],
  preferences: [],
  records: [],
  removals: [],
})

/** Adds what brings the documents of these entities, of any users, up to their entries. */
export type Project<T extends Topic> = (
  database: Database,
  entities: readonly EntityEntries<T>[],
  writes: Writes,
) => Promise<void>
