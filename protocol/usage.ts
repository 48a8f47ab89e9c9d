// What a user has used of what a server limits.
import * as z from 'zod'
import { Time } from './scalars.ts'

export const Quota = z
  .object({
    name: z
      .enum(['conversations', 'devices', 'bytes', 'runs_day', 'tokens_day', 'import_bytes_day'])
      .describe(
        'What is limited; `…_day`: in a day (UTC); `devices`: with a WebSocket to this node',
      ),
    used: z.int().min(0).describe('How much the user has used'),
    limit: z.int().min(0).describe('The most that the user may use'),
    resets_at: Time.nullable().describe('When `used` begins at 0 again; null: never'),
  })
  .meta({ id: 'Quota' })
export type Quota = z.infer<typeof Quota>

export const Usage = z
  .object({
    quotas: z.array(Quota).describe('Only what this server limits'),
    models: z
      .array(z.string())
      .optional()
      .describe('The models that agents of the user may name; left out: any'),
  })
  .meta({ id: 'Usage' })
export type Usage = z.infer<typeof Usage>
