// The request that imports another product's export, and its result.
import * as z from 'zod'

/**
 * The product that an export comes from. `browser`: the localStorage of the app before Lockstep.
 */
export const ImportSource = z
  .enum(['lockstep', 'browser', 'chatgpt', 'claude', 'librechat', 'open-webui', 'chat-ui'])
  .describe('The product that the export comes from')
export type ImportSource = z.infer<typeof ImportSource>

export const ImportRequest = z.strictObject({
  source: ImportSource,
  data: z.unknown().describe('The export, as it is or in parts'),
  dry_run: z.boolean().optional().describe('Only says what an import would do'),
})

/** Why an item can't be imported. A newer server may have codes that a client doesn't know. */
export const ImportFailureCode = z.enum([
  'not_a_conversation',
  'unreadable',
  'wrong_source',
  'invalid_field',
  'unknown_to_version',
  'too_large',
  'account_full',
  'purged',
  'removed_meanwhile',
  'encrypted_differently',
  'not_encrypted',
  'not_stored',
])
export type ImportFailureCode = z.infer<typeof ImportFailureCode>

export const ImportFailure = z.object({
  item: z.string().describe('The title or the number of the item, or what it is'),
  reason: z.string().describe('Why it can’t be imported'),
  code: ImportFailureCode.optional().describe('The same as `reason`, for programs'),
  number: z
    .int()
    .optional()
    .describe('The number of an item without a name, from 1 in each request'),
  what: z
    .enum(['preferences', 'run', 'record', 'draft'])
    .optional()
    .describe('What the item is, if it is no conversation and has no name'),
})
export type ImportFailure = z.infer<typeof ImportFailure>

/**
 * How many items an import created, updated and skipped, and why others failed. `incomplete` is
 * there if some of those that were created or updated lack something.
 */
export const ImportResult = z
  .object({
    created: z.int().describe('How many conversations are new'),
    updated: z.int().describe('How many conversations got new messages'),
    skipped: z.int().describe('How many were here already, unchanged'),
    failed: z.array(ImportFailure).describe('The items that can’t be imported'),
    incomplete: z
      .array(
        z.object({
          item: z.string().describe('The title of the item'),
          missing: z.array(z.string()).describe('The names of what is missing'),
        }),
      )
      .optional()
      .describe('The items that were imported without some of what they have'),
  })
  .meta({ id: 'ImportResult' })

/**
 * Where a user's import is. `position` 0: it is being read; n: it is the n-th of those that wait;
 * null: the user has none on this node.
 */
export const ImportState = z
  .object({
    position: z
      .int()
      .nullable()
      .describe(
        '0 while it is being read, n as the n-th of those that wait, null without an import',
      ),
  })
  .meta({ id: 'ImportState' })
