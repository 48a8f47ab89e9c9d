// What a producer knows of a source of text: it sends one request and reads events until they end.
// The address, the key and the wire format of the source stay inside its implementation.
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Part } from '@lockstep/protocol/parts'

export interface ProviderMessage {
  role: 'user' | 'assistant' | 'system'
  content: string
}

/** What a request is for; a provider may tell its server. */
export interface RequestIds {
  user_id: string
  run_id: string
  /** Null for a run that belongs to no conversation. */
  conversation_id: string | null
  message_id: string | null
}

export interface ProviderRequest {
  /** The agent's instructions; '' if it has none. */
  instructions: string
  /** The thread, oldest message first; the last message is to be answered. */
  messages: readonly ProviderMessage[]
  model: string
  temperature?: number
  ids?: RequestIds
  /** Aborts when the text isn't needed any more. */
  signal: AbortSignal
}

/** Numbers of tokens, as far as the provider reports them. */
export interface Usage {
  prompt_tokens?: number
  completion_tokens?: number
  reasoning_tokens?: number
}

/**
 * `usage` may come at any time and holds until the next one. `truncated` comes after the text and
 * means that the answer lacks its end. `text_was_thinking` means that all text before it was
 * thinking, which only its end showed; it comes at most once.
 */
export type ProviderEvent =
  | { kind: 'thinking' | 'text'; text: string }
  | { kind: 'text_was_thinking' }
  | { kind: 'part'; part: Part }
  | { kind: 'metadata'; from: JsonObject; to: JsonObject }
  | { kind: 'usage'; usage: Usage }
  | { kind: 'truncated'; code: ReasonCode }

export interface Provider {
  /** Yields events in order of arrival. Throws `ProviderFault` for whatever ends the text early. */
  stream(request: ProviderRequest): AsyncIterable<ProviderEvent>
}

/**
 * Why a reply ended as it did, for the user to read in `metadata.reason`; the key is
 * `metadata.reason_code`. Each text says what the user can do. None contains an address, a key or
 * text from the provider.
 */
export const reasons = {
  unreachable: 'The assistant can’t be reached. Try again later, or tell your administrator.',
  unauthorized: 'The assistant refused this server’s key. Ask your administrator to check it.',
  no_credit:
    'This server’s account with the assistant has run out of credit. Tell your administrator.',
  unknown_model:
    'The assistant doesn’t know this model. Choose another one in the agent’s settings.',
  wrong_address:
    'The assistant’s address leads to something else. Ask your administrator to check ASSISTANT_BASE_URL; it usually ends with “/v1”.',
  loading: 'The assistant’s model is still being loaded. Wait a moment and try again.',
  too_long:
    'This conversation is too long for the model. Start a new one, or choose a model with a larger context.',
  refused: 'The assistant refused the request. Check the agent’s model and temperature.',
  filtered:
    'The assistant withheld its answer because of its content rules. Rephrase the question.',
  withheld:
    'The assistant’s content rules ended this answer early. Rephrase the question to get the rest.',
  busy: 'The assistant is busy right now. Wait a moment and try again.',
  broken: 'The assistant had an internal error. Try again.',
  malformed: 'The assistant sent an answer that can’t be read. Try again.',
  closed_early: 'The assistant’s answer broke off before its end. Try again, or let it continue.',
  empty: 'The assistant’s answer was empty. Try again, or rephrase the question.',
  no_answer: 'The assistant didn’t start to answer in time. Try again.',
  stalled: 'The assistant stopped answering halfway. Try again, or let it continue.',
  too_slow: 'The assistant took too long to answer. Try again, or let it continue.',
  too_large: 'The reply reached the maximum size of a message.',
  cut: 'The reply reached the model’s length limit. Let it continue.',
  demo: 'The demo agent failed, as you asked it to.',
  restarted: 'The server was restarted while it was writing this. Try again, or let it continue.',
  host_gone:
    'The program that was writing this lost its connection. Try again, or let it continue.',
  host_silent: 'The program that was writing this went silent. Try again, or let it continue.',
  host_malformed:
    'The program that was writing this sent something that can’t be read. Tell its developers.',
  lost: 'The server that was writing this went down. Try again, or let it continue.',
  conversation_busy: 'Another reply was being written in this conversation.',
  conversation_gone: 'The conversation doesn’t exist any more.',
  internal: 'The server had an internal error. Try again.',
} as const
export type ReasonCode = keyof typeof reasons

/** Where a request went and what came back, for the operator's log. Contains no key and no text. */
export interface ProviderResponse {
  /** The address that was asked, without user, password and query. */
  address: string
  /** undefined if no response came. */
  status?: number
  content_type?: string
}

export interface ProviderFaultOptions {
  retryable?: boolean
  retryAfterMs?: number
  response?: ProviderResponse
  cause?: unknown
}

/** The provider ended the text early or never sent any. */
export class ProviderFault extends Error {
  readonly code: ReasonCode
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** How long the provider asks to wait; undefined if it doesn't say. */
  readonly retryAfterMs: number | undefined
  /** undefined if the provider doesn't send requests. */
  readonly response: ProviderResponse | undefined

  constructor(code: ReasonCode, options: ProviderFaultOptions = {}) {
    super(code, { cause: options.cause })
    this.name = 'ProviderFault'
    this.code = code
    this.retryable = options.retryable ?? false
    this.retryAfterMs = options.retryAfterMs
    this.response = options.response
  }
}
