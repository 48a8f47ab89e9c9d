// Any server that speaks OpenAI's chat completions. Address and key come from the settings of this server and nowhere else; they never leave
// it, neither in a reason nor in a log line. A request is repeated only while not a single token has come.
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
import { refusesUsage, toProviderFault } from './openai-faults.ts'
import { ThinkTagParser } from './think-tags.ts'

export interface OpenAiSettings {
  baseUrl: string
  apiKey?: string
}

const ATTEMPTS = 3
/** A provider that wants a longer pause than this is asked again by the user, not by us (ms). */
const LONGEST_PAUSE_MS = 10_000

/**
 * @param pauseMs the first pause before another attempt; it doubles
 * @param usageMs how long a whole answer waits for its count of tokens, should the line stay open
 */
export function createOpenAiProvider(
  { baseUrl, apiKey }: OpenAiSettings,
  { pauseMs = 500, usageMs = 500 } = {},
): Provider {
  const client = new OpenAI({
    baseURL: baseUrl,
    apiKey: apiKey ?? 'none', // servers without keys still want the header to be there
    adminAPIKey: null,
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: 30 * 60_000, // the runner has the deadlines
    logLevel: 'off',
  })
  /** Some servers refuse `stream_options`: once one has answered without, it is asked without from then on. */
  let countsUsage = true

  async function* stream(request: ProviderRequest): AsyncGenerator<ProviderEvent> {
    let pause = pauseMs
    let includeUsage = countsUsage
    for (let attempt = 1; ; attempt++) {
      let begun = false
      try {
        for await (const piece of once(request, includeUsage)) {
          begun = true
          if (!includeUsage) countsUsage = false
          yield piece
        }
        return
      } catch (error) {
        const fault = toProviderFault(error)
        if (begun || request.signal.aborted) throw fault
        if (includeUsage && refusesUsage(error)) {
          includeUsage = false
          attempt -= 1
          continue
        }
        const wait = fault.retryAfterMs ?? pause * (0.75 + Math.random() / 2)
        if (!fault.retryable || attempt >= ATTEMPTS || wait > LONGEST_PAUSE_MS) throw fault
        await sleep(wait, undefined, { signal: request.signal })
        pause *= 2
      }
    }
  }

  async function* once(
    { signal, ...request }: ProviderRequest,
    includeUsage: boolean,
  ): AsyncGenerator<ProviderEvent> {
    const { model, temperature, instructions, messages } = request
    const line = new AbortController()
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
        { signal: AbortSignal.any([signal, line.signal]) },
      )
      .asResponse()
    const done = { seen: false }
    const chunks = Stream.fromSSEResponse<OpenAI.ChatCompletionChunk>(
      noticing(response, done),
      line,
      client,
    )
    const tags = new ThinkTagParser()
    let finish: string | undefined
    let late: NodeJS.Timeout | undefined
    try {
      for await (const chunk of chunks) {
        const choice = chunk.choices?.[0]
        yield* piecesOf(choice?.delta, tags)
        if (choice?.finish_reason) {
          finish = choice.finish_reason
          late ??= setTimeout(() => line.abort(), usageMs) // which ends the chunks as if they were over
        }
        if (chunk.usage) yield { kind: 'usage', usage: usageOf(chunk.usage) }
      }
    } catch (error) {
      if (finish === undefined) throw error // else the answer is whole, and only its tokens stay uncounted
    } finally {
      clearTimeout(late)
    }
    yield* tags.end()
    // a connection that closes looks like an end: only a reason to finish is one, or the word that it is done
    if (finish === undefined && !done.seen)
      throw new ProviderFault('closed_early', { retryable: true })
    if (finish === 'content_filter') throw new ProviderFault('filtered')
    if (finish === 'length') yield { kind: 'cut', code: 'cut' }
  }

  return { stream }
}

/** The response as it is, and whether the line that ends an answer has come by: the library keeps that to itself. */
function noticing({ body, headers }: Response, done: { seen: boolean }): Response {
  const decoder = new TextDecoder('latin1')
  let line = ''
  const notice = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      line += decoder.decode(bytes)
      done.seen ||= /^data: ?\[DONE\]/m.test(line)
      line = line.slice(line.lastIndexOf('\n') + 1).slice(0, 16) // enough of a line to tell which one it is
      controller.enqueue(bytes)
    },
  })
  return new Response(body?.pipeThrough(notice), { headers })
}

/** Servers disagree about the name of reasoning text, and none of the names is OpenAI's own. */
function* piecesOf(delta: object | undefined, tags: ThinkTagParser): Generator<ProviderEvent> {
  const { reasoning_content, reasoning, content, refusal } = (delta ?? {}) as Record<
    string,
    unknown
  >
  const thinking = reasoning_content ?? reasoning
  const text = content ?? refusal
  if (typeof thinking === 'string' && thinking !== '') yield { kind: 'thinking', text: thinking }
  if (typeof text === 'string' && text !== '') yield* tags.split(text)
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
