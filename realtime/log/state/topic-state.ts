// The state that commands of a topic decide on. The log loads it as of the head: documents, with
// the entries of the log's tail that the projection has not followed yet applied to them.
import type { WireChange } from '@lockstep/protocol/change'
import type { Database } from '../../store/database.ts'
import type { TopicHead } from '../head-cache.ts'

/**
 * The parts of a head that loading needs. `tail` is a copy, because the projection may shorten the
 * original at the same time (LOG-5).
 */
export type HeadSnapshot = Readonly<Pick<TopicHead, 'user_id' | 'seq' | 'tail'>>

export interface TopicState<State, Needs> {
  /**
   * The state of an entity at the head, with the parts that `needs` names. Throws no Fault: a
   * decision's faults only count under LOG-4.
   */
  load(database: Database, head: HeadSnapshot, entity_id: string, needs: Needs): Promise<State>
  /** The state after a change that the log has just appended. */
  apply(state: State, change: WireChange): State
  /** The version of the entity; 1 if it doesn't exist. */
  versionOf(state: State): number
}

export const tailOf = ({ tail }: HeadSnapshot, entity_id: string) =>
  tail.filter((entry) => entry.entity_id === entity_id)
