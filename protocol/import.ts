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

/** How many items an import created, updated and skipped, and why others failed. */
export const ImportResult = z
  .object({
    created: z.int(),
    updated: z.int(),
    skipped: z.int(),
    failed: z.array(z.object({ item: z.string(), reason: z.string() })),
  })
  .meta({ id: 'ImportResult' })

/**
 * Where a user's import is. `position` 0: it is being read; n: it is the n-th of those that wait;
 * null: the user has none on this node.
 */
export const ImportState = z.object({ position: z.int().nullable() }).meta({ id: 'ImportState' })
