// Writes what the entries of any topics of any users do to the documents, by one command for each
// collection.
import { topics, type Topic } from '@lockstep/protocol/topics'
import { writeRuns } from '../../store/agent-runs.ts'
import { writeConversations } from '../../store/conversations.ts'
import type { Database } from '../../store/database.ts'
import type { ChangeDocument } from '../../store/documents.ts'
import { writeMessages } from '../../store/messages.ts'
import { writePreferences } from '../../store/preferences.ts'
import { writeRecords } from '../../store/records.ts'
import type { TopicHead } from '../head-cache.ts'
import type { StateCaches } from '../state/states.ts'
import { projectConversations } from './conversations.ts'
import { projectPreferences } from './preferences.ts'
import { noWrites, type EntityEntries, type Project } from './projection.ts'
import { projectRecords } from './records.ts'
import { projectRuns } from './runs.ts'

const projections: { [T in Topic]: Project<T> } = {
  conversations: projectConversations,
  preferences: projectPreferences,
  agents: projectRuns,
  records: projectRecords,
  // accounts and sessions are authoritative documents that are written first
  account: () => Promise.resolve(),
}

/** Unprojected entries of a topic, contiguous and in order; at least one. */
export interface TopicEntries {
  head: TopicHead
  entries: readonly ChangeDocument[]
}

/**
 * Brings the documents up to these entries. Resolves when a majority has them. A cached state saves
 * reading documents if the entries reach to the head, so that the state is the one after them.
 */
export async function writeDocuments(
  database: Database,
  caches: StateCaches,
  all: readonly TopicEntries[],
): Promise<void> {
  const writes = noWrites()
  await Promise.all(topics.map((topic) => project(topic)))
  await Promise.all([
    writeMessages(database, writes.messages),
    writeRuns(database, writes.runs),
    writePreferences(database, writes.preferences),
    writeRecords(database, writes.records),
  ])
  await writeConversations(database, writes.conversations)
  for (const remove of writes.removals) await remove(database)

  function project<T extends Topic>(topic: T): Promise<void> {
    const entities = all
      .filter(({ head }) => head.topic === topic)
      .flatMap((entries) => byEntity(entries, topic))
    return projections[topic](database, entities, writes)
  }

  function byEntity<T extends Topic>(
    { head, entries }: TopicEntries,
    topic: T,
  ): EntityEntries<T>[] {
    const isWhole = entries.at(-1) === head.tail.at(-1)
    return [...Map.groupBy(entries, ({ entity_id }) => entity_id)].map(([id, ofEntity]) => ({
      user_id: head.user_id,
      id,
      entries: ofEntity,
      state: isWhole ? caches[topic].get(head, id) : undefined,
    }))
  }
}
