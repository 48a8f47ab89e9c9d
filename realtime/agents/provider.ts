// What the runner knows of a source of text: ask once, read pieces until they end. Who it is, where it lives and what it costs stays behind it.

export interface ProviderMessage {
  role: 'user' | 'assistant' | 'system'
  content: string
}

export interface ProviderRequest {
  /** Of the agent; '' for none. */
  instructions: string
  /** The thread, oldest first; the last one is to be answered. */
  messages: readonly ProviderMessage[]
  model: string
  temperature?: number
  /** Aborted when nobody waits for the text any more. */
  signal: AbortSignal
}

/** Tokens, as far as the provider counts them. */
export interface Usage {
  prompt_tokens?: number
  completion_tokens?: number
  reasoning_tokens?: number
}

/** In order of arrival; `usage` and `cut` come behind the text. `cut`: the text is whole but for its end. */
export type ProviderEvent =
  | { kind: 'thinking' | 'text'; text: string }
  | { kind: 'usage'; usage: Usage }
  | { kind: 'cut'; code: ReasonCode }

export interface Provider {
  /** Throws `ProviderFault` for whatever ends the text early. */
  stream(request: ProviderRequest): AsyncIterable<ProviderEvent>
}

/**
 * Why a reply ended as it did: what the user reads in `metadata.reason` (the code is `metadata.reason_code`). Sentences say what a person can
 * do, and never hold an address, a key, or a word of the provider's.
 */
export const reasons = {
  unreachable: 'The assistant can’t be reached. Try again later, or ask whoever runs this server.',
  unauthorized:
    'The assistant refused this server’s key. Whoever runs this server has to check it.',
  no_credit:
    'This server’s account with the assistant has run out of credit. Ask whoever runs this server.',
  unknown_model:
    'The assistant doesn’t know this model. Choose another one in the agent’s settings.',
  too_long:
    'This conversation is too long for the model. Start a new one, or choose a model that reads more.',
  refused: 'The assistant refused the request. Check the agent’s model and temperature.',
  filtered:
    'The assistant withheld its answer because of its content rules. Put the question differently.',
  busy: 'The assistant has too much to do right now. Wait a moment and try again.',
  broken: 'The assistant met an error of its own. Try again.',
  malformed: 'The assistant sent something that can’t be read. Try again.',
  closed_early: 'The assistant broke off before the end. Try again, or let it continue.',
  empty: 'The assistant had nothing to say. Try again, or put it differently.',
  no_answer: 'The assistant didn’t begin to answer in time. Try again.',
  stalled: 'The assistant stopped answering halfway. Try again, or let it continue.',
  too_slow: 'The assistant took too long. Try again, or let it continue.',
  too_large: 'The reply reached the largest size that a message can have.',
  cut: 'The reply reached the model’s own limit. Let it continue.',
  demo: 'You asked the demo agent to fail, and so it did.',
  restarted: 'The server was restarted while it wrote this. Try again, or let it continue.',
  lost: 'The server that wrote this went away. Try again, or let it continue.',
  conversation_busy: 'Another reply was being written in the conversation.',
  conversation_gone: 'The conversation isn’t there any more.',
  internal: 'Something broke on the server. Try again.',
} as const
export type ReasonCode = keyof typeof reasons

/** The provider could not go on. `retryAfterMs`: when it said so itself. */
export class ProviderFault extends Error {
  readonly code: ReasonCode
  /** Asking again may help. */
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined

  constructor(
    code: ReasonCode,
    {
      retryable = false,
      retryAfterMs,
      cause,
    }: { retryable?: boolean; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(code, { cause })
    this.name = 'ProviderFault'
    this.code = code
    this.retryable = retryable
    this.retryAfterMs = retryAfterMs
  }
}
