// The state that commands of a topic decide on. The log loads it as of the head: documents, with
// the entries of the log's tail that the projection has not followed yet applied to them.
import type { WireChange } from '@lockstep/protocol/change'
import type { Database } from '../../store/database.ts'
import type { TopicHead } from '../head-cache.ts'

/**
 * What loading needs to know of a head. `tail` is a copy: the projection shortens the original
 * meanwhile (LOG-5).
 */
export type HeadSnapshot = Readonly<Pick<TopicHead, 'user_id' | 'seq' | 'tail'>>

export interface TopicState<State, Needs> {
  /**
   * The state of an entity at the head, with what `needs` names. Throws no Fault: those of a
   * decision count only under LOG-4.
   */
  load(database: Database, head: HeadSnapshot, entity_id: string, needs: Needs): Promise<State>
  /** The state after a change that the log has just taken. */
  apply(state: State, change: WireChange): State
  /** The version of the entity; 1 for one that isn't there. */
  versionOf(state: State): number
}

export const tailOf = ({ tail }: HeadSnapshot, entity_id: string) =>
  tail.filter((entry) => entry.entity_id === entity_id)
