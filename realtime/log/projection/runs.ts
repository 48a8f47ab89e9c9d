import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import { readRuns, writeRuns, type RunWrite } from '../../store/agent-runs.ts'
import { stripEntity } from '../../store/changes.ts'
import { toChange } from '../entry.ts'
import type { Project } from './projection.ts'

/**
 * Brings runs up to the log of topic `agents`, one document each. A deleted run also loses its
 * content in the log.
 */
export const projectRuns: Project<HeldRun> = async (database, entities, writes) => {
  const unknown = entities.filter(({ state }) => !state)
  const found = unknown.length > 0 ? await readRuns(database, unknown) : []
  const stored = new Map(found.map(({ user_id, held }) => [`${user_id}:${held.id}`, held]))
  const written: RunWrite[] = []
  for (const { user_id, id, entries, state } of entities) {
    const before = state ?? stored.get(`${user_id}:${id}`)
    const held = entries.map(toChange).reduce<HeldRun>(reduceRun, before)
    const last = entries.at(-1)!
    if (held && (state || held !== before)) written.push({ user_id, held, seq: last.seq })
    if (last.op === 'deleted')
      writes.removals.push((to) =>
        stripEntity(to, { user_id, topic: 'agents', entity_id: id }, last.seq),
      )
  }
  writes.documents.push((to) => writeRuns(to, written))
}
