// What differs between the topics: how their entities are loaded and how changes fold into them.
// Everything else is the same for all topics.
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { isKnown } from '@lockstep/protocol/known-change'
import type { Topic } from '@lockstep/protocol/topics'

/** An entity that was read over HTTP. */
export interface LoadedEntity<State> {
  state: State
  /** The epoch of the log that the response belongs to. Absent if the route doesn't tell. */
  epoch?: string
}

/**
 * What to do with a change that is next in the log. `apply`: reduce it. `end`: reduce it, and
 * nothing of the entity is left afterwards. `load`: the change alone doesn't give the new state, so
 * the entity has to be loaded. `ignore`: the held state already contains it.
 */
export type ChangeAction = 'ignore' | 'apply' | 'load' | 'end'

/** `State`: what this device holds of one entity. */
export interface TopicModel<State extends object> {
  readonly topic: Topic
  /**
   * Reads everything that the topic starts with and passes each entity to `put`. Resolves with the
   * cursor of the first response: whatever changed later comes with the log. Throws Fault.
   */
  loadAll(put: (key: string, state: State) => void): Promise<Cursor>
  /** Reads one entity. Throws Fault; `not_found` if the server doesn't have it any more. */
  loadOne(key: string, held: State | undefined): Promise<LoadedEntity<State>>
  /** The key of the entity that a change belongs to. */
  keyOf(change: WireChange): string
  /** The client's rule for a change that is next in the log. */
  actionFor(held: State | undefined, change: WireChange): ChangeAction
  reduce(held: State | undefined, change: WireChange): State | undefined
  versionOf(state: State): number
  /** The state that stands for an entity which the server doesn't have any more. */
  tombstone(key: string, version: number): State | undefined
  /** The part of a state that is worth its memory. */
  trim?(key: string, state: State): State
}

/** How a topic with one entity is loaded: `read` reads the entity, which has this key. */
export const singleEntity = <State extends object>(
  key: string,
  read: () => Promise<{ state: State } & Cursor>,
): Pick<TopicModel<State>, 'loadAll' | 'loadOne' | 'keyOf' | 'tombstone'> => ({
  async loadAll(put) {
    const { state, epoch, seq } = await read()
    put(key, state)
    return { epoch, seq }
  },
  loadOne: read,
  keyOf: () => key,
  tombstone: () => undefined,
})

/**
 * A model whose code is loaded with the topic. Nothing of a model is asked before its `loadAll`.
 */
export function lateModel<State extends object>(
  topic: Topic,
  load: () => Promise<TopicModel<State>>,
): TopicModel<State> {
  let model: TopicModel<State>
  return {
    topic,
    async loadAll(put) {
      model = await load()
      return model.loadAll(put)
    },
    loadOne: (key, held) => model.loadOne(key, held),
    keyOf: (change) => model.keyOf(change),
    actionFor: (held, change) => model.actionFor(held, change),
    reduce: (held, change) => model.reduce(held, change),
    versionOf: (state) => model.versionOf(state),
    tombstone: (key, version) => model.tombstone(key, version),
  }
}

/**
 * The client's rule for entities with versions.
 * @param change next in the log
 * @param isWhole the change carries the entity's whole state
 * @param isLast nothing of the entity is left after the change
 * @param isEntity `held` is the entity itself and not its tombstone
 */
export function actionByVersion(
  held: { version: number } | undefined,
  change: WireChange,
  { isWhole, isLast, isEntity }: { isWhole: boolean; isLast: boolean; isEntity: boolean },
): ChangeAction {
  // The account was closed, as topic `account` tells as well. There is nothing left to load.
  if (change.op === 'closed') return 'ignore'
  if (held && change.version <= held.version) return 'ignore'
  if (isLast) return 'end'
  if (change.stripped || !change.data || !isKnown(change)) return 'load'
  if (isWhole) return 'apply'
  return held && isEntity && change.version === held.version + 1 ? 'apply' : 'load'
}
