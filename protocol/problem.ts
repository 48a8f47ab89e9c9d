// The schema of an error on the wire. error-codes.ts has the codes.
import * as z from 'zod'
import { errorCodes } from './error-codes.ts'

/** RFC 9457 problem details, as HTTP body (`application/problem+json`) and in a socket's ack. */
export const Problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(errorCodes),
    detail: z.string(),
    /** `invalid`: the faulty fields. `path` is dotted. */
    issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    /** `version_conflict`: the entity as it is now. */
    current: z.unknown().optional(),
    /** `too_large`. */
    limit_bytes: z.int().optional(),
    /** `rate_limited` and `unavailable`. */
    retry_after_ms: z.int().optional(),
  })
  .meta({ id: 'Problem' })
export type Problem = z.infer<typeof Problem>
