// How documents follow the log, topic by topic. A projection is idempotent, because every write is
// guarded by `seq`. So any node may repeat any part of it at any time, even a node that was paused.
import type { Database } from '../../store/database.ts'
import type { ChangeDocument } from '../../store/documents.ts'

/** Unprojected entries of one entity, contiguous within its topic and in order; at least one. */
export interface EntityEntries<State> {
  user_id: string
  id: string
  entries: readonly ChangeDocument[]
  /** The state after the last of the entries, if this node has it. It saves reading documents. */
  state?: State
}

type Write = (database: Database) => Promise<void>

/** What projecting entries writes, in this order. */
export interface Writes {
  /** One for each collection, so that a tick costs one command for each. */
  documents: Write[]
  /** Documents that count others: they are written once those are there. */
  counting: Write[]
  /** What a purge removes, once the documents are written. */
  removals: Write[]
}

/** Adds what brings the documents of these entities, of any users, up to their entries. */
export type Project<State> = (
  database: Database,
  entities: readonly EntityEntries<State>[],
  writes: Writes,
) => Promise<void>
