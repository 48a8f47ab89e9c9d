// What makes a topic: how its changes fold, what its commands will do, and how it is loaded. Everything else is alike in all topics.
import type { WireChange, DecisionContext } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Problem } from '@lockstep/protocol/problem'
import { isKnown } from '@lockstep/protocol/known-change'
import type { Topic } from '@lockstep/protocol/topics'

/** One command as it waits to be sent. */
export interface OutgoingCommand {
  readonly name: string
  /** The fields of the wire, without `mutation_id`. */
  readonly payload: object
  readonly entity_id: string
  readonly message_ids: readonly string[]
  /** It names a version that it expects of a message: accepted may mean that nothing was done, see `leftUndone`. */
  readonly checksVersion?: boolean
}

/** What a read over HTTP gave, and of which log. */
export interface LoadedEntity<Held> {
  held: Held
  /** Absent where the route doesn't tell. */
  epoch?: string
}

/** `end`: apply it, nothing of the entity is left then. */
export type ChangeAction = 'ignore' | 'apply' | 'load' | 'end'

export interface TopicModel<Held extends object> {
  readonly topic: Topic
  /** Reads what the topic starts with, on and on `put`, and gives the first answer's cursor. Throws Fault. */
  loadAll(put: (key: string, held: Held) => void): Promise<Cursor>
  /** Reads one entity. Throws Fault; `not_found` when it isn't there any more. */
  loadOne(key: string, held: Held | undefined): Promise<LoadedEntity<Held>>
  keyOf(change: WireChange): string
  /** The client's rule for a change that is next in the log. */
  actionFor(held: Held | undefined, change: WireChange): ChangeAction
  reduce(held: Held | undefined, change: WireChange): Held | undefined
  versionOf(held: Held): number
  /** What stands for an entity that the server has no more. */
  tombstone(key: string, version: number): Held | undefined
  /** What the command will make of it, or the same. May throw Fault: it will probably be refused. */
  predict(
    held: Held | undefined,
    command: OutgoingCommand,
    context: DecisionContext,
  ): Held | undefined
  /** What is shown of a command that was refused: its effect (a message that can be sent again), or nothing. */
  showsWhenFailed(command: OutgoingCommand): boolean
  /** Of a command that `insists` and was accepted: why its effect isn't there, if it isn't. */
  findIgnoredEdit?(held: Held | undefined, command: OutgoingCommand): Problem | undefined
  /** The same command without the version that it insisted on. */
  withoutVersionCheck(command: OutgoingCommand): OutgoingCommand
  /** What of an entity is worth keeping in memory. */
  trim?(key: string, held: Held): Held
}

/**
 * The client's rule for entities with versions. `whole`: the change carries all that is to be held; `last`: nothing of the entity is left
 * behind it; `stands`: what is held is the entity, and not what is left of it.
 */
export function actionByVersion(
  held: { version: number } | undefined,
  change: WireChange,
  { whole, last, stands }: { whole: boolean; last: boolean; stands: boolean },
): ChangeAction {
  if (change.op === 'closed') return 'ignore' // the account is gone, as topic `account` tells: nothing is left to load
  if (held && change.version <= held.version) return 'ignore'
  if (last) return 'end'
  if (change.stripped || !change.data || !isKnown(change)) return 'load'
  if (whole) return 'apply'
  return held && stands && change.version === held.version + 1 ? 'apply' : 'load'
}
