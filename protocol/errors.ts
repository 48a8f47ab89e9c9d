// The one table of faults. Whatever goes wrong, on HTTP or a socket, is one of these codes; nothing else reaches a client.
import type * as z from 'zod'
import { isDeeperThan } from './free-form.ts'
import { limits } from './limits.ts'
import type { Problem } from './problem.ts'

export type { Problem } from './problem.ts'

interface Kind {
  /** HTTP status; sockets carry it too. */
  status: number
  /** One short sentence for a person. */
  title: string
  /** The same request may succeed later without being changed. */
  retryable: boolean
  /** A client that meets it ends its connection and forgets what it holds. */
  closes: boolean
}

const kind = (status: number, title: string, also: Partial<Kind> = {}): Kind => ({
  status,
  title,
  retryable: false,
  closes: false,
  ...also,
})

export const errors = {
  unauthenticated: kind(401, 'Sign in first', { closes: true }),
  invalid_credentials: kind(401, 'Username or password is wrong'),
  forbidden_origin: kind(403, 'This page may not use this server', { closes: true }),
  not_found: kind(404, 'There is no such thing'),
  username_taken: kind(409, 'This username is taken'),
  id_taken: kind(409, 'This id has been used before'),
  already_replying: kind(409, 'A reply is being written already'),
  version_conflict: kind(409, 'It was changed meanwhile'),
  too_large: kind(413, 'It is too large'),
  invalid: kind(422, 'The request is not valid'),
  rate_limited: kind(429, 'Too many requests: wait a moment', { retryable: true }),
  protocol_unsupported: kind(426, 'This client is too old or too new: reload it', { closes: true }),
  unavailable: kind(503, 'Not available right now: try again', { retryable: true }),
  internal: kind(500, 'Something broke on the server', { retryable: true }),
} as const satisfies Record<string, Kind>

export type ErrorCode = keyof typeof errors

/** The keys of the table above; `Object.keys` types them as plain strings. */
export const errorCodes = Object.keys(errors) as [ErrorCode, ...ErrorCode[]]

export interface FaultExtra {
  detail?: string
  /** Overrides the table's status: malformed JSON 400, content type 415. */
  status?: number
  issues?: { path: string; message: string }[]
  current?: unknown
  limit_bytes?: number
  retry_after_ms?: number
}

/** A fault of the table, thrown anywhere; the boundaries (HTTP, sockets) turn it into a `Problem`. */
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

/** The wire form of a fault. Unknown errors become `internal` and keep their detail to themselves. */
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
 * Parses outside input. Throws `too_large` when a size limit was passed (it carries the limit), else `invalid` with its issues; the latter
 * also for what is nested deeper than anything here, whatever the schema says: it would end the stack of whoever walks it.
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
      .map(({ path, message }) => ({ path: path.join('.'), message })),
  })
}
