// The provider for any server that speaks OpenAI's chat completions API. Its address and key come
// only from the settings of this server, and no reason and no log line ever contains them. A
// request is repeated only as long as no event has arrived.
import { setTimeout as sleep } from 'node:timers/promises'
import { OpenAI } from 'openai'
import { Stream } from 'openai/streaming'
import {
  ProviderFault,
  type ProviderEvent,
  type Provider,
  type ProviderRequest,
  type Usage,
} from './provider.ts'
import { mayRefuseUsage, toProviderFault } from './openai-faults.ts'
import { ThinkTagParser } from './think-tags.ts'

export interface OpenAiSettings {
  baseUrl: string
  apiKey?: string
}

const ATTEMPTS = 3
/**
 * If the server asks for a longer pause than this, the reply fails and the user may ask again (ms).
 */
const MAX_PAUSE_MS = 10_000

/**
 * @param pauseMs the pause before the second attempt; each further pause is twice as long
 * @param usageMs how long to wait for the token counts after a complete answer if the server keeps
 * the   connection open
 */
export function createOpenAiProvider(
  { baseUrl, apiKey }: OpenAiSettings,
  { pauseMs = 500, usageMs = 500 } = {},
): Provider {
  const client = new OpenAI({
    baseURL: baseUrl,
    apiKey: apiKey ?? 'none', // the client library insists on a key
    adminAPIKey: null,
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: 30 * 60_000, // the producer has its own deadlines
    logLevel: 'off',
  })
  /**
   * Some servers refuse `stream_options`. Once the server has answered a request without it, no
   * further request has it.
   */
  let supportsUsage = true

  async function* stream(request: ProviderRequest): AsyncGenerator<ProviderEvent> {
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
        const fault = toProviderFault(error)
        if (begun || request.signal.aborted) throw fault
        if (includeUsage && mayRefuseUsage(error)) {
          includeUsage = false
          attempt -= 1
          continue
        }
        const wait = fault.retryAfterMs ?? pause * (0.75 + Math.random() / 2)
        if (!fault.retryable || attempt >= ATTEMPTS || wait > MAX_PAUSE_MS) throw fault
        await sleep(wait, undefined, { signal: request.signal })
        pause *= 2
      }
    }
  }

  async function* attemptOnce(
    { signal, ...request }: ProviderRequest,
    includeUsage: boolean,
  ): AsyncGenerator<ProviderEvent> {
    const { model, temperature, instructions, messages } = request
    const connection = new AbortController()
    const response = await client.chat.completions
      .create(
        {
          model,
          ...(temperature !== undefined && { temperature }),
          messages: instructions
            ? [{ role: 'system', content: instructions }, ...messages]
            : [...messages],
          stream: true,
          ...(includeUsage && { stream_options: { include_usage: true } }),
        },
        { signal: AbortSignal.any([signal, connection.signal]) },
      )
      .asResponse()
    const doneLine = { seen: false }
    const chunks = Stream.fromSSEResponse<OpenAI.ChatCompletionChunk>(
      watchForDoneLine(response, doneLine),
      connection,
      client,
    )
    const thinkTags = new ThinkTagParser()
    let finish: string | undefined
    let usageTimer: NodeJS.Timeout | undefined
    try {
      for await (const chunk of chunks) {
        const choice = chunk.choices?.[0]
        yield* eventsOf(choice?.delta, thinkTags)
        if (choice?.finish_reason) {
          finish = choice.finish_reason
          // an abort ends the chunks without an error
          usageTimer ??= setTimeout(() => connection.abort(), usageMs)
        }
        if (chunk.usage) yield { kind: 'usage', usage: usageOf(chunk.usage) }
      }
    } catch (error) {
      // after a finish reason the answer is complete and only lacks its token counts
      if (finish === undefined) throw error
    } finally {
      clearTimeout(usageTimer)
    }
    yield* thinkTags.end()
    // a dropped connection looks like the end of the chunks; only a finish reason or `[DONE]`
    // proves the end
    if (finish === undefined && !doneLine.seen)
      throw new ProviderFault('closed_early', { retryable: true })
    if (finish === 'content_filter') throw new ProviderFault('filtered')
    if (finish === 'length') yield { kind: 'truncated', code: 'cut' }
  }

  return { stream }
}

/**
 * Passes a response through and notes whether it contained the line `data: [DONE]`, which the
 * client library doesn't tell.
 */
function watchForDoneLine({ body, headers }: Response, doneLine: { seen: boolean }): Response {
  const decoder = new TextDecoder('latin1')
  let line = ''
  const watcher = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      line += decoder.decode(bytes)
      doneLine.seen ||= /^data: ?\[DONE\]/m.test(line)
      // the first 16 characters are enough to recognise the line
      line = line.slice(line.lastIndexOf('\n') + 1).slice(0, 16)
      controller.enqueue(bytes)
    },
  })
  return new Response(body?.pipeThrough(watcher), { headers })
}

/** The fields in which servers send text. Nothing guarantees their types. */
interface CompatibleDelta {
  content?: unknown
  refusal?: unknown
  reasoning_content?: unknown
  reasoning?: unknown
}

/** Servers use different names for reasoning text; OpenAI's own API has none. */
function* eventsOf(
  delta: CompatibleDelta | undefined,
  thinkTags: ThinkTagParser,
): Generator<ProviderEvent> {
  const { reasoning_content, reasoning, content, refusal } = delta ?? {}
  const thinking = reasoning_content ?? reasoning
  const text = content ?? refusal
  if (typeof thinking === 'string' && thinking !== '') yield { kind: 'thinking', text: thinking }
  if (typeof text === 'string' && text !== '') yield* thinkTags.parse(text)
}

function usageOf(usage: OpenAI.CompletionUsage): Usage {
  const { prompt_tokens, completion_tokens, completion_tokens_details } = usage
  const reasoning_tokens = completion_tokens_details?.reasoning_tokens
  return Object.fromEntries(
    Object.entries({ prompt_tokens, completion_tokens, reasoning_tokens }).filter(
      ([, count]) => typeof count === 'number' && Number.isFinite(count),
    ),
  )
}
