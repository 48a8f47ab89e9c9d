// The REST API as typed calls. Everything that can go wrong comes out as a Fault of the protocol's table.
import { errors, type ErrorCode } from '@lockstep/protocol/error-codes'
import { Fault } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import { routePaths, type RouteName } from '@lockstep/protocol/route-paths'
import type { Answer, Asking } from '@lockstep/protocol/rest'

/** Nothing has come for so long: the wire is dead (ms). A slow one may take whatever it takes. */
const SILENCE = 15_000
/** While what is sent goes out nothing comes, and nobody can see it move: a whole import on a slow line (ms). */
const SENDING = 300_000

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
    const { method, path } = routePaths[route]
    const silence = listen(method === 'GET' ? SILENCE : SENDING)
    const user_id = holder()
    try {
      const answer = await fetch(origin + addressOf(path, ask.params, ask.query), {
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
        signal: options.signal ? AbortSignal.any([options.signal, silence.signal]) : silence.signal,
      })
      const response = silence.through(answer)
      if (!response.ok) throw toFault(await response.json().catch(() => undefined), response.status)
      return (response.status === 204 ? undefined : await response.json()) as Answer<typeof route>
    } catch (error) {
      if (error instanceof Fault) throw error
      throw new Fault('unavailable', { detail: 'The server does not answer' }, error)
    } finally {
      silence.end()
    }
  }
}

/** A signal that aborts when nothing has come for so long: the answer's beginning, and each piece of its body. */
function listen(ms: number) {
  const controller = new AbortController()
  let timer: ReturnType<typeof setTimeout>
  const hear = () => {
    clearTimeout(timer)
    timer = setTimeout(() => controller.abort(new DOMException('Nothing came', 'TimeoutError')), ms)
  }
  hear()
  return {
    signal: controller.signal,
    through(response: Response): Response {
      hear()
      const { body, status, headers } = response
      if (!body) return response
      const heard = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(piece, next) {
          hear()
          next.enqueue(piece)
        },
      })
      return new Response(body.pipeThrough(heard), { status, headers })
    },
    end: () => clearTimeout(timer),
  }
}

function addressOf(path: string, params: unknown, query: unknown): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((params as Record<string, unknown>)[name])),
  )
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined)
  return given.length === 0
    ? filled
    : `${filled}?${new URLSearchParams(given.map(([k, v]) => [k, String(v)]))}`
}

/** The Fault behind a problem from the wire. What isn't a problem (a proxy's page, say) becomes `unavailable` or `internal`. */
export function toFault(problem: unknown, status = 500): Fault {
  const { code, title: _title, type: _type, ...extra } = (problem ?? {}) as Partial<Problem>
  if (code !== undefined && Object.hasOwn(errors, code)) return new Fault(code, extra)
  const fallback: ErrorCode = status >= 502 && status <= 504 ? 'unavailable' : 'internal'
  return new Fault(fallback, { status })
}

/** True when the same request may succeed later. */
export const isRetryable = (error: unknown): boolean =>
  error instanceof Fault && errors[error.code].retryable
