import * as z from 'zod'
import { Actor } from './actor.ts'
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
    entity_id: Uuid.describe(
      'What was changed: a conversation, a run, a record, a session or the user',
    ),
    version: Version.describe('The version of the entity after the change'),
    seq: Seq,
    actor: Actor.describe('Who made the change'),
    details: z
      .object({
        fields: z.array(z.string()).describe('The names of what was written, without the values'),
        added: z.int().min(0).describe('How many messages were added'),
        edited: z.int().min(0).describe('How many messages were edited'),
        pinned: z.boolean().nullable().describe('What it was set to, if it was set'),
        archived: z.boolean().nullable().describe('What it was set to, if it was set'),
        label: z
          .string()
          .nullable()
          .describe(
            'The agent of a run, the end of a reply or a run, the kind of a record, or the name of a device',
          ),
      })
      .describe('What the summary is made from, for pages in other languages'),
    summary: z.string().describe('The change in a few words, without its content'),
  })
  .meta({ id: 'Activity' })
export type Activity = z.infer<typeof Activity>
