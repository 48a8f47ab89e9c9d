// The request that imports another product's export, and its result.
import * as z from 'zod'

/**
 * The product that an export comes from. `browser`: the localStorage of the app before Lockstep.
 */
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

/**
 * How many items an import created, updated and skipped, and why others failed. `incomplete` is
 * there if some of those that were created or updated lack something.
 */
export const ImportResult = z
  .object({
    created: z.int(),
    updated: z.int(),
    skipped: z.int(),
    failed: z.array(z.object({ item: z.string(), reason: z.string() })),
    incomplete: z.array(z.object({ item: z.string(), missing: z.array(z.string()) })).optional(),
  })
  .meta({ id: 'ImportResult' })
