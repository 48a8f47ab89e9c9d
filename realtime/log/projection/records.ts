import { reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import { stripEntity } from '../../store/changes.ts'
import { readRecords, writeRecords, type RecordWrite } from '../../store/records.ts'
import { toChange } from '../entry.ts'
import type { Project } from './projection.ts'

/**
 * Brings records up to the log, one document each. What was written before a record was deleted
 * also goes from the log.
 */
export const projectRecords: Project<HeldRecord> = async (database, entities, writes) => {
  const unknown = entities.filter(({ state }) => !state)
  const found = unknown.length > 0 ? await readRecords(database, unknown) : []
  const stored = new Map(found.map(({ user_id, held }) => [`${user_id}:${held.id}`, held]))
  const written: RecordWrite[] = []
  for (const { user_id, id, entries, state } of entities) {
    const before = state ?? stored.get(`${user_id}:${id}`)
    const held = entries.map(toChange).reduce<HeldRecord>(reduceRecord, before)
    const { seq } = entries.at(-1)!
    if (held && (state || held !== before)) written.push({ user_id, held, seq })
    const deletion = entries.findLast(({ op }) => op === 'deleted')
    // the deletion itself keeps its content: it tells devices the record's kind
    if (deletion)
      writes.removals.push((to) =>
        stripEntity(to, { user_id, topic: 'records', entity_id: id }, deletion.seq - 1),
      )
  }
  writes.documents.push((to) => writeRecords(to, written))
}
