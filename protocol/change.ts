// The envelope of one entry of a user's log, as devices see it. `seq` orders a topic without gaps; `version` orders one entity.
import * as z from 'zod'
import { Topic } from './topics.ts'
import { Time, Uuid } from './scalars.ts'

/** A user's logs were restarted when the epoch changes (a restore from a backup): cursors of another epoch mean nothing. */
export const Epoch = z.string().min(1).max(64)
export const Seq = z.int().min(0)
export const Version = z.int().min(1)

/** Where a device stands in a topic: it holds every change up to and including `seq`. 0 is the start. */
export const Cursor = z.strictObject({ epoch: Epoch, seq: Seq }).meta({ id: 'Cursor' })
export type Cursor = z.infer<typeof Cursor>

/** Who did it. `session_id` is null for what the server does itself. */
export const Actor = z
  .object({ session_id: Uuid.nullable(), device: z.string() })
  .meta({ id: 'Actor' })
export type Actor = z.infer<typeof Actor>

/** One change. `data` follows `op` (see the topic's file); `stripped`: its content is gone by purge or retention, `data` is absent. */
export const Change = z
  .object({
    topic: Topic,
    epoch: Epoch,
    seq: Seq,
    at: Time,
    op: z.string(),
    entity_id: Uuid,
    version: Version,
    actor: Actor,
    mutation_id: Uuid.optional(),
    data: z.record(z.string(), z.unknown()).optional(),
    stripped: z.literal(true).optional(),
  })
  .meta({ id: 'Change' })
export type Change = z.infer<typeof Change>

/**
 * What a command decided to append, before the log gives it `seq`, `at` and an actor. `before` holds the values that it replaces
 * (for rewind; never on the wire).
 */
export interface Decision {
  op: string
  entity_id: Uuid
  version: number
  data: Record<string, unknown>
  before?: Record<string, unknown>
}

/** What a command may know besides the state: the moment (ISO time, never earlier than the topic's last `at`) and fresh ids. */
export interface DecisionContext {
  user_id: Uuid
  at: string
  newId: () => Uuid
}
