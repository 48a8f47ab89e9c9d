import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import { readRun } from '../../store/agent-runs.ts'
import { toChange } from '../entry.ts'
import { tailOf, type TopicState } from './topic-state.ts'

export const runState: TopicState<HeldRun, object> = {
  async load(database, head, run_id) {
    const stored = await readRun(database, head.user_id, run_id)
    return tailOf(head, run_id).map(toChange).reduce<HeldRun>(reduceRun, stored)
  },
  apply: reduceRun,
  versionOf: (run) => run?.version ?? 1,
}
