import * as z from 'zod'
import { Actor } from './change.ts'
import { Seq, Version } from './cursor.ts'
import { Time, Uuid } from './scalars.ts'
import { Topic } from './topics.ts'

/**
 * One line of the user's audit trail: an entry of the log, with a summary instead of its content.
 */
export const Activity = z
  .object({
    at: Time,
    topic: Topic,
    op: z.string(),
    entity_id: Uuid,
    version: Version,
    seq: Seq,
    actor: Actor,
    summary: z.string(),
  })
  .meta({ id: 'Activity' })
