// Where a producer writes a reply.
import type { Actor } from '@lockstep/protocol/actor'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Part } from '@lockstep/protocol/parts'

export interface ProducedEnding {
  status: 'complete' | 'stopped' | 'interrupted' | 'failed'
  /** Is merged into the metadata of the message or run. */
  metadata: JsonObject
  /** Who has stopped it. */
  by?: Actor
}

/**
 * Takes the text of a reply. `extend` and `finish` may be repeated with the same arguments. They
 * reject with a Fault that isn't retryable if the reply may not be written any more.
 */
export interface TextSink {
  extend(offset: number, text: string): Promise<void>
  /** Adds a part, or replaces the one with its id. `n` counts these calls without repetitions. */
  part(part: Part, n: number): Promise<void>
  /** Patches the metadata (RFC 7396). `n` counts as that of `part` does. */
  describe(patch: JsonObject, n: number): Promise<void>
  /** Takes back all text: the next offset is 0 again. May be repeated. */
  retract(): Promise<void>
  finish(ending: ProducedEnding): Promise<void>
  /**
   * Shows devices the text that starts at `offset`. With `thinkingMs`, tells them that the model
   * has been thinking at `offset` for that long, and takes back what they were shown from `offset`
   * on. With `part_id`, the text is thinking, and `offset` counts within that part. It may get
   * lost.
   */
  delta(offset: number, text: string, thinkingMs?: number, part_id?: string): void
}
