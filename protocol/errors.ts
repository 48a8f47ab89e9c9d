// Faults: what is thrown wherever something goes wrong, and the form that it takes on the wire.
import type * as z from 'zod'
import { errors, type ErrorCode } from './error-codes.ts'
import { isDeeperThan } from './free-form.ts'
import * as limits from './limit-values.ts'
import type { SecondStepDemand } from './passkeys.ts'
import type { Problem } from './problem.ts'

export interface FaultExtra {
  detail?: string
  /** Overrides the table's status: malformed JSON 400, content type 415. */
  status?: number
  issues?: { path: string; message: string }[]
  current?: unknown
  reason?: Problem['reason']
  limit_bytes?: number
  retry_after_ms?: number
  second_step?: SecondStepDemand
}

/**
 * An error with a code of the table. Any layer throws it; the boundaries (HTTP, sockets) turn it
 * into a `Problem`.
 */
export class Fault extends Error {
  readonly code: ErrorCode
  readonly extra: FaultExtra

  constructor(code: ErrorCode, extra: FaultExtra = {}, cause?: unknown) {
    super(extra.detail ?? errors[code].title, cause === undefined ? undefined : { cause })
    this.name = 'Fault'
    this.code = code
    this.extra = extra
  }
}

/**
 * The wire form of an error. An unknown error becomes `internal`, and its own message stays here.
 */
export function toProblem(error: unknown): Problem {
  const fault = error instanceof Fault ? error : new Fault('internal')
  const { title, status } = errors[fault.code]
  const { detail = title, ...rest } = fault.extra
  return {
    type: `urn:lockstep:problem:${fault.code}`,
    title,
    status,
    code: fault.code,
    detail,
    ...rest,
  }
}

/**
 * Parses input from outside. Throws `too_large` with the limit when a size limit is exceeded,
 * otherwise `invalid` with the issues. Input that is nested deeper than `limits.jsonDepth` is
 * `invalid` whatever the schema says, because a recursive walk over it would exhaust the stack.
 */
export function parse<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  if (isDeeperThan(limits.jsonDepth, input)) {
    const message = `must not be nested deeper than ${limits.jsonDepth} levels`
    throw new Fault('invalid', {
      detail: `The request ${message}`,
      issues: [{ path: '', message }],
    })
  }
  const result = schema.safeParse(input)
  if (result.success) return result.data
  for (const issue of result.error.issues) {
    const limit: unknown = issue.code === 'custom' ? issue.params?.limit_bytes : undefined
    if (typeof limit === 'number')
      throw new Fault('too_large', { detail: issue.message, limit_bytes: limit })
  }
  throw new Fault('invalid', {
    detail: 'Some fields are not as the API describes them',
    issues: result.error.issues
      .slice(0, 20)
      .map((issue) => ({ path: pathOf(issue), message: messageOf(issue) })),
  })
}

/**
 * A path may contain names that a client chose, so it is cut to what a person would read
 * (characters).
 */
const MAX_PATH = 200
const pathOf = ({ path }: z.core.$ZodIssue): string =>
  path.join('.').slice(0, MAX_PATH).toWellFormed()

/** Unknown fields are counted, not named: their names may be as long as the request. */
function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'unrecognized_keys') return issue.message
  const { length } = issue.keys
  return length === 1
    ? 'has a field that the API doesn’t know here'
    : `has ${length} fields that the API doesn’t know here`
}
