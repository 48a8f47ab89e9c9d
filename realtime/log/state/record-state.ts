import { isRecord, reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import { readRecord } from '../../store/records.ts'
import { toChange } from '../entry.ts'
import { tailOf, type TopicState } from './topic-state.ts'

export const recordState: TopicState<HeldRecord, object> = {
  async load(database, head, id, _needs, kept) {
    if (kept) return kept
    const stored = await readRecord(database, head.user_id, id)
    return tailOf(head, id).map(toChange).reduce<HeldRecord>(reduceRecord, stored)
  },
  apply: reduceRecord,
  versionOf: (record) => record?.version ?? 1,
  keep: (state) => ({
    state,
    bytes: RECORD_BYTES + (isRecord(state) ? 2 * JSON.stringify(state.data).length : 0),
  }),
}

const RECORD_BYTES = 500
