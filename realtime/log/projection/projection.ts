// How documents follow the log, topic by topic. A projection is idempotent, because every write is
// guarded by `seq`. So any node may repeat any part of it at any time, even a node that was paused.
import type { Database } from '../../store/database.ts'
import type { ChangeDocument } from '../../store/documents.ts'

/**
 * Brings a user's documents of a topic up to the last of `entries`, which are contiguous and in
 * order.
 */
export type Project = (
  database: Database,
  user_id: string,
  entries: readonly ChangeDocument[],
) => Promise<void>

/** Groups entries by entity; each group stays in order. */
export function byEntity(entries: readonly ChangeDocument[]): Map<string, ChangeDocument[]> {
  const groups = new Map<string, ChangeDocument[]>()
  for (const entry of entries) {
    const group = groups.get(entry.entity_id)
    if (group) group.push(entry)
    else groups.set(entry.entity_id, [entry])
  }
  return groups
}
