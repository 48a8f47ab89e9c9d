import type { Topic } from '@lockstep/protocol/topics'
import type { Appended } from '../log/append.ts'

/** What a command did. */
export interface Outcome<Data = unknown> {
  /**
   * The entity's summary, the preferences or the run, as they are after the command. For a repeated
   * command, as they are now.
   */
  data: Data
  epoch: string
  /**
   * The position of the command's change: of the first one if the command was repeated, or of the
   * head if there was nothing to change.
   */
  seq: number
  /** Version of the entity after that change. */
  version: number
  /** false: the command was repeated, or there was nothing to change. */
  changed: boolean
}

export const outcomeOf = <T extends Topic, Data>(
  { kind, epoch, seq, version }: Appended<T>,
  data: Data,
): Outcome<Data> => ({ data, epoch, seq, version, changed: kind === 'appended' })
