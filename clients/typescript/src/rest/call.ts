// The REST API as typed calls. Whatever goes wrong becomes a Fault from the protocol's table.
import { errors, type ErrorCode } from '@lockstep/protocol/error-codes'
import { Fault } from '@lockstep/protocol/errors'
import { firstPaths, type Place } from '@lockstep/protocol/first-paths'
import type { Problem } from '@lockstep/protocol/problem'
import type { Answer, Asking } from '@lockstep/protocol/rest'
import type { routePaths } from '@lockstep/protocol/route-paths'
import { lateCode } from '../late-code.ts'
import { baseOf, type CredentialsMode, type ServerAddress } from '../platform.ts'
import { abortWhenSilent } from './abort-when-silent.ts'

/** After this long without a byte of the response, the connection counts as dead; milliseconds. */
const READ_SILENCE = 15_000
/**
 * The same for a write. It is longer, because nobody can see the body travel, and an import over a
 * slow line takes minutes.
 */
const WRITE_SILENCE = 300_000

export interface CallOptions {
  signal?: AbortSignal
  /** UUID; makes repeating a write safe (`Idempotency-Key`). */
  mutation_id?: string
  /** `If-Match`: the version that the entity must have. */
  if_version?: number
  /** `If-None-Match: *`: the entity must not exist. */
  only_if_absent?: boolean
  /** The request outlives its page. Its body may then have about 60 KB. */
  keepalive?: boolean
}

/**
 * Requests a route of the REST API and resolves with its response. Throws Fault: the server's
 * problem, or `unavailable` if there was no response.
 */
export type Call = <Name extends keyof typeof routePaths>(
  route: Name,
  request?: Partial<Asking<Name>>,
  options?: CallOptions,
) => Promise<Answer<Name>>

export interface CallDeps extends ServerAddress {
  fetch?: typeof fetch
  headers?: () => Record<string, string>
  /** Absent: the cookie says whose request it is. */
  token?: () => string | Promise<string>
  credentials?: CredentialsMode
  /**
   * The user whose state this device holds, if any. The server rejects the request if the cookie
   * has become another user's.
   */
  userId: () => string | undefined
}

/** Where the routes are that have been loaded. */
let places: Partial<Record<keyof typeof routePaths, Place>> = firstPaths

async function loadPlaces(): Promise<Record<keyof typeof routePaths, Place>> {
  const { laterPaths } = await lateCode(import('@lockstep/protocol/later-paths'))
  return (places = { ...firstPaths, ...laterPaths })
}

export function createCall(deps: CallDeps): Call {
  // A variable of its own: a browser's fetch, called as a method, accepts no foreign `this`.
  const { fetch: request = fetch, headers, token, credentials = 'same-origin', userId } = deps
  const base = baseOf(deps)
  return async (route, asking = {}, options = {}) => {
    const user_id = userId()
    const { method, path } = places[route] ?? (await loadPlaces())[route]
    const silence = abortWhenSilent(method === 'GET' ? READ_SILENCE : WRITE_SILENCE, options.signal)
    try {
      const authorization = token && `Bearer ${await token()}`
      const response = await request(base + addressOf(path, asking.params, asking.query), {
        method,
        credentials: token ? 'omit' : credentials,
        headers: {
          ...headers?.(),
          ...(authorization !== undefined && { authorization }),
          ...(user_id !== undefined && { 'lockstep-user': user_id }),
          ...(options.mutation_id !== undefined && { 'idempotency-key': options.mutation_id }),
          ...(options.if_version !== undefined && { 'if-match': `"${options.if_version}"` }),
          ...(options.only_if_absent && { 'if-none-match': '*' }),
          ...(asking.body !== undefined && { 'content-type': 'application/json' }),
        },
        body: asking.body === undefined ? undefined : JSON.stringify(asking.body),
        signal: silence.signal,
        ...(options.keepalive && { keepalive: true }),
      })
      const text = await silence.readText(response)
      if (!response.ok) throw faultFromProblem(parseProblem(text), response.status)
      // Assertion: the server answers as its table of routes says; its own tests check that.
      return (text === '' ? undefined : JSON.parse(text)) as Answer<typeof route>
    } catch (error) {
      if (error instanceof Fault) throw error
      throw new Fault('unavailable', { detail: unanswered(base, error) }, error)
    } finally {
      silence.end()
    }
  }
}

/**
 * Why there was no response, as far as anybody says. Node does; a browser tells its pages neither
 * that nor whether the server refuses their origin.
 */
function unanswered(base: string, error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof Error)
    return `The server does not answer: ${cause.message || String(Object(cause).code)}`
  // Only browsers have a location. The type names `fetch`, because it must name what all have.
  const { location }: { location?: { origin: string }; fetch: unknown } = globalThis
  const page = location?.origin
  return page === undefined || base === '' || `${base}/`.startsWith(`${page}/`)
    ? 'The server does not answer'
    : `${base} does not answer, or its PUBLIC_ORIGIN doesn’t name ${page}`
}

function addressOf(path: string, params: unknown, query: unknown): string {
  const given = new Map(Object.entries(params ?? {}))
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(given.get(name))),
  )
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) search.set(name, String(value))
  const text = search.toString()
  return text === '' ? filled : `${filled}?${text}`
}

/** Undefined for what isn't JSON, such as a proxy's error page. */
function parseProblem(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The Fault that a problem from the server states. A body that isn't a problem (a proxy's error
 * page, for example) becomes `unavailable` or `internal`, by its status.
 */
export function faultFromProblem(problem: unknown, status = 500): Fault {
  // Assertion: an object of another shape has no code that the table knows, so nothing else of it
  // is used.
  const { code, title: _title, type: _type, ...extra } = (problem ?? {}) as Partial<Problem>
  // the session goes on under a new cookie, which this browser has or is about to get
  if (code === 'unauthenticated' && extra.retry_after_ms !== undefined)
    return new Fault('unavailable', extra)
  if (code !== undefined && Object.hasOwn(errors, code)) return new Fault(code, extra)
  const fallback: ErrorCode = status >= 502 && status <= 504 ? 'unavailable' : 'internal'
  return new Fault(fallback, { status })
}

/** True if the same request may succeed later. */
export const isRetryable = (error: unknown): boolean =>
  error instanceof Fault && errors[error.code].retryable
