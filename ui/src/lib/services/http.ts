// The REST API as typed calls. Everything that can go wrong comes out as a Fault of the protocol's table.
import { errors, Fault, type ErrorCode, type Problem } from '../../../../protocol/errors.ts'
import { places } from '../../../../protocol/places.ts'
import type { Answer, Asking, RouteName } from '../../../../protocol/rest.ts'

const READ_TIMEOUT = 15_000
const WRITE_TIMEOUT = 300_000

export interface CallOptions {
  signal?: AbortSignal
  /** UUID; makes repeating a write safe (`Idempotency-Key`). */
  mutation_id?: string
  /** `If-Match`. */
  if_version?: number
}

/** Asks a route of the REST API. Throws Fault: the server's problem, or `unavailable` when there was no answer. */
export type Call = <Name extends RouteName>(
  route: Name,
  ask?: Partial<Asking<Name>>,
  options?: CallOptions,
) => Promise<Answer<Name>>

export interface HttpOptions {
  origin: string
  fetch: typeof fetch
  headers: () => Record<string, string>
  /** Whose state is held, if any: the server refuses when the cookie has become another's. */
  holder: () => string | undefined
}

export function createCall({ origin, fetch, headers, holder }: HttpOptions): Call {
  return async (route, ask = {}, options = {}) => {
    const { method, path } = places[route]
    const timeout = AbortSignal.timeout(method === 'GET' ? READ_TIMEOUT : WRITE_TIMEOUT)
    const user_id = holder()
    let response: Response
    try {
      response = await fetch(origin + addressOf(path, ask.params, ask.query), {
        method,
        credentials: 'same-origin',
        headers: {
          ...headers(),
          ...(user_id !== undefined && { 'lockstep-user': user_id }),
          ...(options.mutation_id !== undefined && { 'idempotency-key': options.mutation_id }),
          ...(options.if_version !== undefined && { 'if-match': `"${options.if_version}"` }),
          ...(ask.body !== undefined && { 'content-type': 'application/json' }),
        },
        body: ask.body === undefined ? undefined : JSON.stringify(ask.body),
        signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
      })
      if (response.ok) return (response.status === 204 ? undefined : await response.json()) as Answer<typeof route>
    } catch (error) {
      throw new Fault('unavailable', { detail: 'The server does not answer' }, error)
    }
    throw toFault(await response.json().catch(() => undefined), response.status)
  }
}

function addressOf(path: string, params: unknown, query: unknown): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((params as Record<string, unknown>)[name])),
  )
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined)
  return given.length === 0 ? filled : `${filled}?${new URLSearchParams(given.map(([k, v]) => [k, String(v)]))}`
}

/** The Fault behind a problem from the wire. What isn't a problem (a proxy's page, say) becomes `unavailable` or `internal`. */
export function toFault(problem: unknown, status = 500): Fault {
  const { code, title: _title, type: _type, ...extra } = (problem ?? {}) as Partial<Problem>
  if (code !== undefined && Object.hasOwn(errors, code)) return new Fault(code, extra)
  const fallback: ErrorCode = status >= 502 && status <= 504 ? 'unavailable' : 'internal'
  return new Fault(fallback, { status })
}

/** True when the same request may succeed later. */
export const isRetryable = (error: unknown): boolean => error instanceof Fault && errors[error.code].retryable
