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
    at: Time.describe('When the change was made'),
    topic: Topic,
    op: z.string().describe('What was done'),
    entity_id: Uuid.describe('What was changed: a conversation, a run, a session or the user'),
    version: Version.describe('The version of the entity after the change'),
    seq: Seq,
    actor: Actor.describe('Who made the change'),
    summary: z.string().describe('The change in a few words, without its content'),
  })
  .meta({ id: 'Activity' })
