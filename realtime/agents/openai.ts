// The provider for any server that speaks OpenAI's chat completions API. Its address and key come
// only from the settings of this server. No reason contains either of them, and no log line
// contains the key. A request is repeated only as long as nothing of the answer has arrived.
//
// An answer ends with `[DONE]`, with the end of the body after a reason to finish, or when the
// connection stays silent for `silenceMs` after one. A reason to finish by itself ends nothing:
// some servers send one with each chunk, and text may follow it.
import { setTimeout as sleep } from 'node:timers/promises'
import { isObject } from '@lockstep/protocol/free-form'
import { AnswerSources } from './answer-sources.ts'
import { alternating } from './alternating-roles.ts'
import { endingOf, finishReason, noteOf } from './finish-reasons.ts'
import { readAnswer } from './openai-answer.ts'
import { choiceOf, ChunkReader, finishOf } from './openai-chunk.ts'
import { ApiError, ConnectionError, mayRefuseUsage, toProviderFault } from './openai-faults.ts'
import {
  ProviderFault,
  type ProviderEvent,
  type Provider,
  type ProviderRequest,
  type ReasonCode,
  type RequestIds,
  type Usage,
} from './provider.ts'
import { replyTimings } from './timings.ts'

export interface OpenAiSettings {
  baseUrl: string
  apiKey?: string
  /** Whether requests tell the ids of what they are for, in headers. Default: false. */
  sendsIds?: boolean
}

export interface OpenAiOptions {
  /** The pause before the second attempt; each further pause is twice as long (ms). */
  pauseMs?: number
  /** How long an answer with a reason to finish waits for more text (ms). */
  silenceMs?: number
  /** How long to wait while the server loads the model (ms). */
  loadingMs?: number
  fetch?: typeof globalThis.fetch
}

const ATTEMPTS = 3
/**
 * If the server asks for a longer pause than this, the reply fails and the user may ask again (ms).
 */
const MAX_PAUSE_MS = 10_000
/** While the model is loaded, the server is asked again at least this often (ms). */
const MAX_LOADING_PAUSE_MS = 3_000
/** An error's body is read up to this size (UTF-16 units). */
const MAX_ERROR_BODY = 64 * 1024

export function createOpenAiProvider(
  { baseUrl, apiKey, sendsIds = false }: OpenAiSettings,
  {
    pauseMs = 500,
    silenceMs = 10_000,
    // shorter than the limit for the first event, so that the reply names the loading as the reason
    loadingMs = replyTimings.firstEventMs - 10_000,
    fetch = globalThis.fetch,
  }: OpenAiOptions = {},
): Provider {
  const url = new URL(baseUrl)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/chat/completions`
  const address = url.origin + url.pathname
  /**
   * Some servers refuse `stream_options`. Once the server has answered a request without it, no
   * further request has it.
   */
  let supportsUsage = true

  async function* stream(request: ProviderRequest): AsyncGenerator<ProviderEvent> {
    const { signal } = request
    const loadedBy = performance.now() + loadingMs
    let pause = pauseMs
    let includeUsage = supportsUsage
    for (let attempt = 1; ; attempt++) {
      let begun = false
      try {
        for await (const event of attemptOnce(request, includeUsage)) {
          begun = true
          if (!includeUsage) supportsUsage = false
          yield event
        }
        return
      } catch (error) {
        const fault = toProviderFault(error, address)
        if (begun || signal.aborted) throw fault
        if (includeUsage && mayRefuseUsage(error)) {
          includeUsage = false
          attempt -= 1
          continue
        }
        const isLoading =
          fault.code === 'loading' ||
          (fault.response?.status === 503 && fault.retryAfterMs !== undefined)
        const wait = fault.retryAfterMs ?? pause * (0.75 + Math.random() / 2)
        const goesOn = isLoading
          ? performance.now() + wait < loadedBy
          : fault.retryable && attempt < ATTEMPTS && wait <= MAX_PAUSE_MS
        if (!goesOn) throw fault
        await sleep(wait, undefined, { signal })
        pause = isLoading ? Math.min(pause * 2, MAX_LOADING_PAUSE_MS) : pause * 2
      }
    }
  }

  async function* attemptOnce(
    request: ProviderRequest,
    includeUsage: boolean,
  ): AsyncGenerator<ProviderEvent> {
    const connection = new AbortController()
    const response = await ask(request, includeUsage, connection)
    const reader = new ChunkReader()
    const sources = new AnswerSources()
    let finish: string | undefined
    /**
     * Text has followed a reason to finish, so this answer's reasons don't prove that it is whole.
     */
    let hasFinishedEarly = false
    let done = false
    let hasText = false
    let silence: NodeJS.Timeout | undefined
    try {
      for await (const part of readAnswer(response)) {
        if (part.kind === 'done') {
          done = true
          break
        }
        const choice = choiceOf(part.chunk)
        sources.note(part.chunk, choice)
        for (const event of reader.read(choice)) {
          if (finish !== undefined) hasFinishedEarly = true
          finish = undefined
          clearTimeout(silence)
          hasText = event.kind === 'text' || (hasText && event.kind === 'thinking')
          yield event
        }
        const reason = finishReason(choice && finishOf(choice))
        // an ordinary reason doesn't replace a more telling one (a limit, content rules) before it
        if (reason !== undefined && (finish === undefined || endingOf(reason) !== 'usual')) {
          finish = reason
          clearTimeout(silence)
          silence = setTimeout(() => connection.abort(), silenceMs)
        }
        const counts = usageOf(part.chunk.usage)
        if (counts) yield { kind: 'usage', usage: counts }
      }
    } catch (error) {
      const hasFallenSilent = connection.signal.aborted && !request.signal.aborted
      // after a reason to finish the answer is complete, whatever happens to the connection
      if (!hasFallenSilent && (finish === undefined || hasFinishedEarly)) throw error
    } finally {
      clearTimeout(silence)
      connection.abort()
    }
    for (const event of reader.end()) {
      hasText = event.kind === 'text' || (hasText && event.kind === 'thinking')
      yield event
    }
    for (const part of sources.parts) yield { kind: 'part', part }
    // a dropped connection may look like the end of the body
    if (finish === undefined && !done) throw fault('closed_early', response, true)
    const ending = finish === undefined ? 'usual' : endingOf(finish)
    if (ending === 'error') throw fault('broken', response, true)
    if (ending === 'filtered' && !hasText) throw fault('filtered', response, false)
    const code = noteOf[ending]
    if (code) yield { kind: 'truncated', code }
  }

  async function ask(
    { instructions, messages, model, temperature, ids, signal }: ProviderRequest,
    includeUsage: boolean,
    connection: AbortController,
  ): Promise<Response> {
    const body = {
      model,
      temperature,
      messages: alternating(instructions, messages),
      stream: true,
      ...(includeUsage && { stream_options: { include_usage: true } }),
    }
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        accept: 'text/event-stream, application/json',
        'content-type': 'application/json',
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
        ...(sendsIds && ids && headersOf(ids)),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, connection.signal]),
    }).catch((cause: unknown) => {
      throw new ConnectionError('no response', { cause })
    })
    if (response.ok) return response
    throw new ApiError(response, await errorBody(response))
  }

  const fault = (
    code: ReasonCode,
    { status, headers }: Response,
    retryable: boolean,
  ): ProviderFault =>
    new ProviderFault(code, {
      retryable,
      response: { address, status, content_type: headers.get('content-type') ?? '' },
    })

  return { stream }
}

const headersOf = ({ user_id, run_id, conversation_id, message_id }: RequestIds) => ({
  'lockstep-user': user_id,
  'lockstep-run': run_id,
  ...(conversation_id !== null && { 'lockstep-conversation': conversation_id }),
  ...(message_id !== null && { 'lockstep-message': message_id }),
})

/** The parsed body, or its text if it isn't JSON. */
async function errorBody(response: Response): Promise<unknown> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true })
    if (text.length > MAX_ERROR_BODY) break
  }
  try {
    const body: unknown = JSON.parse(text)
    return body
  } catch {
    return text
  }
}

function usageOf(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const { prompt_tokens, completion_tokens, completion_tokens_details: details } = usage
  const reasoning_tokens = isObject(details) ? details.reasoning_tokens : undefined
  return Object.fromEntries(
    Object.entries({ prompt_tokens, completion_tokens, reasoning_tokens }).filter(
      ([, count]) => typeof count === 'number' && Number.isFinite(count),
    ),
  )
}
