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
   * @param kept what `keep` returned for the same head: only what it lacks is read
   */
  load(
    database: Database,
    head: HeadSnapshot,
    entity_id: string,
    needs: Needs,
    kept?: State,
  ): Promise<State>
  /** The state after a change that the log has just appended. */
  apply(state: State, change: WireChange): State
  /** The version of the entity; 1 if it doesn't exist. */
  versionOf(state: State): number
  /**
   * The part of a state at the head that is kept for the next command and for the projector, and
   * about how many bytes it takes; undefined: it is read each time.
   */
  keep?(state: State, head: HeadSnapshot): { state: State; bytes: number } | undefined
}

export const tailOf = ({ tail }: HeadSnapshot, entity_id: string) =>
  tail.filter((entry) => entry.entity_id === entity_id)
