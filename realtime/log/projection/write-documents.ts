// Writes what the entries of any topics of any users do to the documents, by one command for each
// collection.
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Database } from '../../store/database.ts'
import type { ChangeDocument } from '../../store/documents.ts'
import type { TopicHead } from '../head-cache.ts'
import { logTopics, type StateCaches, type StateOf } from '../topic-table.ts'
import type { EntityEntries, Writes } from './projection.ts'

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
  const writes: Writes = { documents: [], counting: [], removals: [] }
  await Promise.all(topics.map((topic) => project(topic)))
  await Promise.all(writes.documents.map((write) => write(database)))
  await Promise.all(writes.counting.map((write) => write(database)))
  for (const remove of writes.removals) await remove(database)

  function project<T extends Topic>(topic: T): Promise<void> {
    const entities = all
      .filter(({ head }) => head.topic === topic)
      .flatMap((entries) => byEntity(entries, topic))
    return logTopics[topic].project(database, entities, writes)
  }

  function byEntity<T extends Topic>(
    { head, entries }: TopicEntries,
    topic: T,
  ): EntityEntries<StateOf[T]>[] {
    const isWhole = entries.at(-1) === head.tail.at(-1)
    return [...Map.groupBy(entries, ({ entity_id }) => entity_id)].map(([id, ofEntity]) => ({
      user_id: head.user_id,
      id,
      entries: ofEntity,
      state: isWhole ? caches[topic].get(head, id) : undefined,
    }))
  }
}
