import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import { readRun, writeRun } from '../../store/agent-runs.ts'
import { stripEntity } from '../../store/changes.ts'
import { toChange } from '../entry.ts'
import { byEntity, type Project } from './projection.ts'

/**
 * Brings the runs up to the log of topic `agents`, one document each. A deleted run also loses its
 * content in the log.
 */
export const projectRuns: Project = async (database, user_id, entries) => {
  for (const [id, group] of byEntity(entries)) {
    const before = await readRun(database, user_id, id)
    const after = group.map(toChange).reduce<HeldRun>(reduceRun, before)
    const last = group.at(-1)!
    if (after && after !== before) await writeRun(database, user_id, after, last.seq)
    if (last.op === 'deleted')
      await stripEntity(database, { user_id, topic: 'agents', entity_id: id }, last.seq)
  }
}
