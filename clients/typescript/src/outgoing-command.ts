// A command of one topic, together with what this device needs to know about it: its probable
// effect, and what to do if the server refuses it.
import type { DecisionContext } from '@lockstep/protocol/change'
import type { Problem } from '@lockstep/protocol/problem'

/** `State`: what the topic holds of one entity. */
export interface OutgoingCommand<State extends object> {
  readonly name: string
  /** The fields on the wire, without `mutation_id`. */
  readonly payload: object
  readonly entity_id: string
  /** The messages that the command writes. */
  readonly message_ids: readonly string[]
  /**
   * Whether the command's effect stays visible after the server has refused it. A message does, so
   * that its author can send it again.
   */
  readonly showsWhenFailed: boolean
  /**
   * The entity's state after the command, or the same state if only the server knows. May throw
   * Fault: the server will probably refuse the command.
   */
  predict(held: State | undefined, context: DecisionContext): State | undefined
  /** The same command without the version that it requires. */
  withoutVersionCheck(): OutgoingCommand<State>
  /**
   * Only for a command that requires a version of a message. The server accepts such a command
   * without the edit if the version has moved. Returns why the edit is missing from `held`;
   * undefined if it isn't missing.
   */
  findIgnoredEdit?(held: State | undefined): Problem | undefined
}

/** How a topic makes each of its commands from its payload, which names what it makes. */
export type CommandTable<State extends object, Commands> = {
  readonly [Name in keyof Commands]: (payload: Commands[Name]) => OutgoingCommand<State>
}

type Required = 'name' | 'payload' | 'entity_id'

/** A command with these parts. By default its effect is unknown, and it requires no version. */
export function createCommand<State extends object>(
  parts: Pick<OutgoingCommand<State>, Required> & Partial<OutgoingCommand<State>>,
): OutgoingCommand<State> {
  const command: OutgoingCommand<State> = {
    message_ids: [],
    showsWhenFailed: false,
    predict: (held) => held,
    withoutVersionCheck: () => command,
    ...parts,
  }
  return command
}
