import type { Run } from '@lockstep/protocol/agents'
import { isRun, reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import { readRun } from '../../store/agent-runs.ts'
import { toChange } from '../entry.ts'
import { tailOf, type TopicState } from './topic-state.ts'

export const runState: TopicState<HeldRun, object> = {
  async load(database, head, run_id, _needs, kept) {
    if (kept) return kept
    const stored = await readRun(database, head.user_id, run_id)
    return tailOf(head, run_id).map(toChange).reduce<HeldRun>(reduceRun, stored)
  },
  apply: reduceRun,
  versionOf: (run) => run?.version ?? 1,
  keep: (state) => ({ state, bytes: isRun(state) ? bytesOf(state) : TOMBSTONE_BYTES }),
}

const TOMBSTONE_BYTES = 500
const RUN_BYTES = 1_000

/** `output` isn't serialised, because it grows with each piece of text. */
const bytesOf = ({ output, ...rest }: Run): number =>
  RUN_BYTES + 2 * (output.length + JSON.stringify(rest).length)
