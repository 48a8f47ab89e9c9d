// Turns the errors of an OpenAI-compatible server into reasons that a user can act on. Servers
// name an error by its status, a code, a type or only by the words of its message.
import { isObject } from '@lockstep/protocol/free-form'
import { ProviderFault, type ProviderResponse, type ReasonCode } from './provider.ts'

/** The server was reached and answered with an error or with something that isn't an answer. */
export class ApiError extends Error {
  readonly response: Response
  /** The parsed body, or its text if it isn't JSON; undefined if it isn't an answer of an API. */
  readonly body: unknown

  constructor(response: Response, body?: unknown) {
    super('the server answered with an error')
    this.response = response
    this.body = body
  }
}

/** No response came. */
export class ConnectionError extends Error {}

const byStatus: Partial<Record<number, ReasonCode>> = {
  401: 'unauthorized',
  402: 'no_credit',
  403: 'unauthorized',
  404: 'unknown_model',
  405: 'wrong_address',
  408: 'busy',
  413: 'too_long',
  429: 'busy',
}

const byCode: Partial<Record<string, ReasonCode>> = {
  insufficient_quota: 'no_credit',
  model_not_found: 'unknown_model',
  context_length_exceeded: 'too_long',
  exceed_context_size_error: 'too_long',
  request_too_large: 'too_long',
  string_above_max_length: 'too_long',
  content_filter: 'filtered',
  invalid_api_key: 'unauthorized',
  authentication_error: 'unauthorized',
  rate_limit_exceeded: 'busy',
  rate_limit_error: 'busy',
  overloaded_error: 'busy',
}

/** The same request may succeed later. */
const transient: ReadonlySet<ReasonCode> = new Set([
  'unreachable',
  'busy',
  'loading',
  'broken',
  'closed_early',
  'malformed',
])

/** A message that says that the thread exceeds the model's context. */
const tooLong = new RegExp(
  [
    String.raw`context[ _-]?(length|window|size|limit)`,
    String.raw`context\b.{0,40}\b(overflow|exceed)`,
    String.raw`\b(prompt|input|request|conversation|messages?)( text)?( is| are| was)? too (long|large)`,
    String.raw`\b(prompt|input|request)\b.{0,20}\b(length|tokens?|token count)\b.{0,40}\b(exceed|greater|longer|larger|more than)`,
    String.raw`\bexceed\w*\b.{0,40}\b(input|prompt|context)\b`,
    String.raw`\bexceeds the maximum number of tokens`,
    String.raw`\btokens in the (prompt|input|request|messages)\b.{0,40}\b(exceed|more than)`,
    String.raw`\bprompt\b.{0,40}\btokens?\b.{0,60}\b(limit|maximum|at most)`,
    String.raw`too many (input |prompt )?tokens`,
    String.raw`\binputs?\W* tokens \+`,
    String.raw`\binputs?\W* must have (less|fewer) than \d+ tokens`,
    String.raw`\brange of (input|prompt) length`,
    String.raw`\bmaximum (prompt|input) length`,
    String.raw`\b(prompt|input)\b.{0,20}\bexceed\w*\b.{0,30}\b(limit|maximum)`,
    String.raw`\bexceed\w*\b.{0,20}\b(model|tokens?) (token )?limit`,
    String.raw`\bstring too long\b`,
    String.raw`reduce (the length of )?(the|your) (messages|prompt|input|conversation)`,
    '超长|(上下文|输入|提示).{0,8}(过长|超)|超过.{0,12}(上下文|长度)',
  ].join('|'),
  'is',
)
/** A message that says that the account may ask for more only later; the thread may be short. */
const tooMuchAtOnce = /\brate[ _-]?limit|\bper[ -](second|minute|min|hour|day)\b|\b[TR]P[MD]\b/i
/** A message that says that the server isn't ready yet. */
const loading =
  /\b(load|download|pull|deploy|warm|start|boot|spinn|initiali[sz]|wak|provision|scal|prepar)(s|e|ed|ing|ing up)?\b|\bcold\b|\bnot (yet )?(ready|available)|\bavailable yet/i
/** Servers say it with other statuses as well, where the words need to be surer. */
const surelyLoading = /\bloading (the )?model\b|\bmodel\b.{0,40}\b(being|still|currently) load/i
const hasFailed = /fail|could ?n[o’']t|cannot|unable|error/i
/** A message that says that the address isn't that of the API. */
const noSuchPath =
  /(invalid|unknown|unexpected|unsupported|unrecognized) (request )?(url|path|route|endpoint)|cannot post|no (such )?route|(page|path|route|url|resource)( "?\/\S*)? not found|^(404 )?(file )?not[ _]found\W*$/im

/** @param address the address that was asked, for the log */
export function toProviderFault(error: unknown, address: string): ProviderFault {
  if (error instanceof ProviderFault) return error
  const code = codeOf(error)
  const response: ProviderResponse = { address }
  if (error instanceof ApiError) {
    response.status = error.response.status
    response.content_type = error.response.headers.get('content-type') ?? ''
  }
  const retryAfterMs = error instanceof ApiError ? retryAfter(error.response.headers) : undefined
  const retryable = transient.has(code)
  return new ProviderFault(code, { retryable, retryAfterMs, response, cause: error })
}

function codeOf(error: unknown): ReasonCode {
  if (error instanceof ConnectionError) return 'unreachable'
  if (error instanceof ApiError) return codeOfAnswer(error)
  if (error instanceof SyntaxError) return 'malformed'
  return 'closed_early' // fetch throws another error when a body breaks off
}

function codeOfAnswer({ response, body }: ApiError): ReasonCode {
  if (response.ok && body === undefined) return 'wrong_address'
  const named = namedBy(body)
  if (named) return named
  const { code, isFromApi } = describe(body)
  const message = messageOf(body)
  const inBody = response.ok ? Number(code) : NaN
  const status = inBody >= 400 && inBody < 600 ? inBody : response.ok ? undefined : response.status
  const isLimit = status === 400 || status === 413 || status === 422
  if (isLimit && tooMuchAtOnce.test(message)) return 'busy'
  if (status !== 429 && status !== 401 && tooLong.test(message)) return 'too_long'
  if (status === 503 && (loading.test(message) || /(^|_)load/i.test(code))) return 'loading'
  const isLoading = surelyLoading.test(message) && !hasFailed.test(message)
  if (status !== undefined && status >= 500 && isLoading) return 'loading'
  const isElsewhere = noSuchPath.test(message) || (!response.ok && !isFromApi)
  if ((status === 404 || response.ok) && isElsewhere) return 'wrong_address'
  if (status === undefined || status >= 500) return 'broken'
  return byStatus[status] ?? 'refused'
}

/** The reason that a code or a type of the error names by itself. */
function namedBy(body: unknown): ReasonCode | undefined {
  const { code, type } = describe(body)
  return byCode[code] ?? byCode[type]
}

interface ErrorFields {
  code: string
  type: string
  /** The body has the shape of an error of a chat API. */
  isFromApi: boolean
}

function describe(body: unknown): ErrorFields {
  const outer = fieldsOf(body)
  const error = typeof outer.error === 'object' ? fieldsOf(outer.error) : outer
  const text = (value: unknown) =>
    typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  const isFromApi = outer.error != null || outer.message !== undefined
  return { code: text(error.code), type: text(error.type), isFromApi }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (Array.isArray(value)) return fieldsOf(value[0])
  return isObject(value) ? value : {}
}

/** What the body says about the error, wherever it says it; it is only matched, never shown. */
function messageOf(body: unknown): string {
  if (typeof body === 'string') return body
  const { error, message, detail, msg } = fieldsOf(body)
  return [error, message, detail, msg]
    .map((value) => (value == null ? '' : messageOf(value)))
    .filter((text) => text !== '')
    .join('\n')
}

/**
 * The wait that the server asks for (ms): from `retry-after-ms`, or from `retry-after` as seconds
 * or a date.
 */
function retryAfter(headers: Headers): number | undefined {
  const ms = Number(headers.get('retry-after-ms') ?? NaN)
  if (ms >= 0) return ms
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const seconds = Number(value)
  const wait = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1000
  return Number.isNaN(wait) ? undefined : Math.max(0, wait)
}

/** Whether the server may have refused the request because it doesn't know `stream_options`. */
export const mayRefuseUsage = (error: unknown): boolean =>
  error instanceof ApiError &&
  (error.response.status === 400 || error.response.status === 422) &&
  codeOfAnswer(error) === 'refused'
