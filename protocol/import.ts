// What owners do with all they have: look at its trail, take it out, bring it in.
import * as z from 'zod'
import { Actor, Seq, Version } from './change.ts'
import { Time, Uuid } from './scalars.ts'
import { Topic } from './topics.ts'

/** One line of the user's audit trail. */
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

export const ImportSource = z.enum([
  'lockstep',
  'browser',
  'chatgpt',
  'claude',
  'librechat',
  'open-webui',
  'chat-ui',
])
export type ImportSource = z.infer<typeof ImportSource>
export const ImportRequest = z.strictObject({
  source: ImportSource,
  data: z.unknown(),
  dry_run: z.boolean().optional(),
})
export const ImportResult = z
  .object({
    created: z.int(),
    updated: z.int(),
    skipped: z.int(),
    failed: z.array(z.object({ item: z.string(), reason: z.string() })),
  })
  .meta({ id: 'ImportResult' })
