// Any server that speaks OpenAI's chat completions. Address and key come from the settings of this server and nowhere else; they never leave
// it, neither in a reason nor in a log line. A request is repeated only while not a single token has come.
import { setTimeout as sleep } from 'node:timers/promises'
import { OpenAI } from 'openai'
import { ProviderFault, type Piece, type Provider, type ProviderRequest, type Usage } from './provider.ts'
import { refusesUsage, toProviderFault } from './openai-faults.ts'

export interface OpenAiSettings {
  baseUrl: string
  apiKey?: string
}

const ATTEMPTS = 3
/** A provider that wants a longer pause than this is asked again by the user, not by us (ms). */
const LONGEST_PAUSE_MS = 10_000

/** @param pauseMs the first pause before another attempt; it doubles */
export function createOpenAiProvider({ baseUrl, apiKey }: OpenAiSettings, { pauseMs = 500 } = {}): Provider {
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
  /** Some servers refuse `stream_options`; they are asked without from then on. */
  let countsUsage = true

  async function* stream(request: ProviderRequest): AsyncGenerator<Piece> {
    let pause = pauseMs
    for (let attempt = 1; ; attempt++) {
      let begun = false
      const askedForUsage = countsUsage
      try {
        for await (const piece of once(request, askedForUsage)) {
          begun = true
          yield piece
        }
        return
      } catch (error) {
        const fault = toProviderFault(error)
        if (begun || request.signal.aborted) throw fault
        if (askedForUsage && refusesUsage(error)) {
          countsUsage = false
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

  async function* once({ signal, ...request }: ProviderRequest, includeUsage: boolean): AsyncGenerator<Piece> {
    const { model, temperature, instructions, messages } = request
    const chunks = await client.chat.completions.create(
      {
        model,
        ...(temperature !== undefined && { temperature }),
        messages: instructions ? [{ role: 'system', content: instructions }, ...messages] : [...messages],
        stream: true,
        ...(includeUsage && { stream_options: { include_usage: true } }),
      },
      { signal },
    )
    let finish: string | null = null
    for await (const chunk of chunks) {
      const choice = chunk.choices?.[0]
      yield* piecesOf(choice?.delta)
      finish = choice?.finish_reason ?? finish
      if (chunk.usage) yield { kind: 'usage', usage: usageOf(chunk.usage) }
    }
    // a connection that closes looks like an end; only a reason to finish is one
    if (finish === null) throw new ProviderFault('closed_early', { retryable: true })
    if (finish === 'content_filter') throw new ProviderFault('filtered')
    if (finish === 'length') yield { kind: 'cut', code: 'cut' }
  }

  return { stream }
}

/** Servers disagree about the name of reasoning text, and none of the names is OpenAI's own. */
function* piecesOf(delta: object | undefined): Generator<Piece> {
  const { reasoning_content, reasoning, content, refusal } = (delta ?? {}) as Record<string, unknown>
  const thinking = reasoning_content ?? reasoning
  const text = content ?? refusal
  if (typeof thinking === 'string' && thinking !== '') yield { kind: 'thinking', text: thinking }
  if (typeof text === 'string' && text !== '') yield { kind: 'text', text }
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
