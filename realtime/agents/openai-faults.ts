// Turns the errors of an OpenAI-compatible server into reasons that a user can act on.
import { APIConnectionError, APIError } from 'openai'
import { ProviderFault, type ReasonCode } from './provider.ts'

const byStatus: Partial<Record<number, ReasonCode>> = {
  401: 'unauthorized',
  402: 'no_credit',
  403: 'unauthorized',
  404: 'unknown_model',
  408: 'busy',
  413: 'too_long',
  429: 'busy',
}

const byCode: Partial<Record<string, ReasonCode>> = {
  insufficient_quota: 'no_credit',
  model_not_found: 'unknown_model',
  context_length_exceeded: 'too_long',
  exceed_context_size_error: 'too_long',
  content_filter: 'filtered',
  invalid_api_key: 'unauthorized',
  rate_limit_exceeded: 'busy',
}

/** The same request may succeed later. */
const transient: ReadonlySet<ReasonCode> = new Set([
  'unreachable',
  'busy',
  'broken',
  'closed_early',
  'malformed',
])

export function toProviderFault(error: unknown): ProviderFault {
  if (error instanceof ProviderFault) return error
  const code = codeOf(error)
  const retryAfterMs = error instanceof APIError ? retryAfter(error.headers) : undefined
  return new ProviderFault(code, { retryable: transient.has(code), retryAfterMs, cause: error })
}

function codeOf(error: unknown): ReasonCode {
  if (error instanceof APIConnectionError) return 'unreachable'
  if (error instanceof APIError) {
    const named = byCode[error.code ?? ''] ?? byCode[error.type ?? '']
    if (named) return named
    const status: number | undefined = error.status
    if (status === undefined || status >= 500) return 'broken'
    return byStatus[status] ?? 'refused'
  }
  if (error instanceof SyntaxError) return 'malformed'
  return 'closed_early' // fetch throws another error when a body breaks off
}

/**
 * The wait that the server asks for (ms): from `retry-after-ms`, or from `retry-after` as seconds
 * or a date.
 */
function retryAfter(headers: Headers | undefined): number | undefined {
  const ms = Number(headers?.get('retry-after-ms') ?? NaN)
  if (ms >= 0) return ms
  const value = headers?.get('retry-after')
  if (value == null) return undefined
  const seconds = Number(value)
  const wait = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1000
  return Number.isNaN(wait) ? undefined : Math.max(0, wait)
}

/** Whether the server may have refused the request because it doesn't know `stream_options`. */
export const mayRefuseUsage = (error: unknown): boolean =>
  error instanceof APIError &&
  (error.status === 400 || error.status === 422) &&
  byCode[error.code ?? ''] === undefined
