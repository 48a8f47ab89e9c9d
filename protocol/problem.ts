// The schema of an error on the wire. error-codes.ts has the codes.
import * as z from 'zod'
import { errors, type ErrorCode } from './error-codes.ts'
import { SecondStepDemand } from './passkeys.ts'

const isErrorCode = (key: string): key is ErrorCode => Object.hasOwn(errors, key)
export const errorCodes = Object.keys(errors).filter(isErrorCode)

/** RFC 9457 problem details, as HTTP body (`application/problem+json`) and in a socket's ack. */
export const Problem = z
  .looseObject({
    type: z.string().describe('A URN that names the kind of the problem'),
    title: z.string().describe('The kind of the problem in a few words'),
    status: z.int().describe('The HTTP status; on sockets, the one that HTTP would have'),
    code: z.enum(errorCodes).describe('What a program decides by'),
    detail: z.string().describe('What happened, and what the person can do'),
    issues: z
      .array(
        z
          .object({
            path: z.string().describe('The field, dotted; empty for the whole'),
            message: z.string().describe('What the field must be'),
          })
          .meta({ id: 'Issue' }),
      )
      .optional()
      .describe('`invalid`: the faulty fields, at most 20'),
    second_step: SecondStepDemand.optional().describe('`second_step_required`: how to go on'),
    current: z.unknown().optional().describe('`version_conflict`: the entity as it is now'),
    reason: z
      .enum(['locked', 'awaiting_approval', 'encrypted', 'full'])
      .optional()
      .describe(
        '`invalid_credentials` and `unauthenticated`: why the account can’t sign in although the proof was right; `invalid`: the conversation is encrypted; `too_large` and `invalid`: the account has no room for it',
      ),
    limit_bytes: z.int().optional().describe('`too_large`: the limit'),
    retry_after_ms: z
      .int()
      .optional()
      .describe('`rate_limited` and `unavailable`: when to try again'),
  })
  .meta({ id: 'Problem' })
export type Problem = z.infer<typeof Problem>
