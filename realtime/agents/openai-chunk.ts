// Takes the text and the thinking out of the chunks of one answer. Servers put them into different
// fields and shapes, and nothing guarantees the types:
//
//   choice.delta | choice.message | choice.text
//     ├─ content | text     text, or a list of parts (text, thinking, …)
//     ├─ refusal            text
//     └─ reasoning…         thinking, in one or several of `thinkingFields`
import { isObject } from '@lockstep/protocol/free-form'
import type { ProviderEvent } from './provider.ts'
import { ThinkTagParser } from './think-tags.ts'

type Fields = Record<string, unknown>

/** The same thinking may stand in several of these; it counts once. */
const thinkingFields = [
  'reasoning_content',
  'reasoning',
  'reasoning_text',
  'thinking',
  'reasoning_details',
  'thinking_blocks',
]
/** Parts of these types, and parts without a type, are text. */
const textTypes = ['text', 'output_text', 'text_delta', 'refusal']
const thinkingType = /think|reason|thought/

/**
 * The choice of a chunk that the person is shown: the first one. A server that leaves out the list
 * has the fields of the choice in the chunk itself.
 */
export function choiceOf(chunk: Fields): Fields | undefined {
  const { choices, message, done, done_reason } = chunk
  if (Array.isArray(choices))
    return choices.filter(isObject).find(({ index }) => index == null || Number(index) === 0)
  if (!isObject(message)) return undefined
  return { message, finish_reason: done_reason ?? (done === true ? 'stop' : undefined) }
}

/** Why the answer ends, wherever the choice says it; it may be no reason at all. */
export function finishOf({ finish_reason, finish_details, delta }: Fields): unknown {
  const reason = finish_reason ?? finish_details ?? (isObject(delta) && delta.finish_reason)
  return isObject(reason) ? (reason.type ?? reason.reason) : reason
}

export class ChunkReader {
  readonly #thinkTags = new ThinkTagParser()
  /** Some delta has had text or thinking: a `message` only repeats it. */
  #deltaCounts = false
  /** The text and thinking of the last `message`. */
  #message: { text: string; thinking: string } = { text: '', thinking: '' }
  /**
   * The content of the last `message` that stood beside a delta. It counts only if no delta of the
   * answer has any content.
   */
  #withheld: Fields | undefined;

  /** @param choice what `choiceOf` returned */
  *read(choice: Fields | undefined): Generator<ProviderEvent> {
    if (!choice) return
    const { message, text } = choice
    const delta = typeof choice.delta === 'string' ? { content: choice.delta } : choice.delta
    if (isObject(delta)) {
      const events = [...contentOf(delta)]
      this.#deltaCounts ||= events.length > 0
      if (isObject(message)) this.#withheld = message
      yield* this.#parse(events)
    } else if (isObject(message)) {
      if (!this.#deltaCounts) yield* this.#parse(this.#newIn(message))
    } else if (typeof text === 'string') yield* this.#parse([{ kind: 'text', text }])
  }

  /** Must be called at the end of the answer. */
  *end(): Generator<ProviderEvent> {
    if (this.#withheld && !this.#deltaCounts) yield* this.#parse(this.#newIn(this.#withheld))
    yield* this.#thinkTags.end()
  }

  /** A message holds all text so far or only the next piece. */
  #newIn(message: Fields): ContentEvent[] {
    const events = [...contentOf(message)]
    const of = (kind: ContentEvent['kind']) =>
      events.map((event) => (event.kind === kind ? event.text : '')).join('')
    const { text, thinking } = this.#message
    const repeats =
      text + thinking !== '' && of('text').startsWith(text) && of('thinking').startsWith(thinking)
    if (!repeats) {
      this.#message = { text: text + of('text'), thinking: thinking + of('thinking') }
      return events
    }
    this.#message = { text: of('text'), thinking: of('thinking') }
    return [
      { kind: 'thinking', text: of('thinking').slice(thinking.length) },
      { kind: 'text', text: of('text').slice(text.length) },
    ]
  }

  *#parse(events: readonly ContentEvent[]): Generator<ProviderEvent> {
    for (const event of events) {
      if (event.text === '') continue
      if (event.kind === 'text') yield* this.#thinkTags.parse(event.text)
      else yield event
    }
  }
}

interface ContentEvent {
  kind: 'text' | 'thinking'
  text: string
}

function* contentOf(fields: Fields): Generator<ContentEvent> {
  const thinking = once(thinkingFields.map((name) => plainText(fields[name])))
  if (thinking !== '') yield { kind: 'thinking', text: thinking }
  const { content, text, refusal } = fields
  const parts = [...partsOf(content ?? text)]
  yield* parts
  if (parts.length === 0) yield* partsOf(refusal)
}

/** Parts in their order. Parts of other kinds (references, pictures) have no text. */
function* partsOf(content: unknown): Generator<ContentEvent> {
  if (typeof content === 'string') {
    if (content !== '') yield { kind: 'text', text: content }
  } else if (Array.isArray(content)) for (const part of content) yield* partsOf(part)
  else if (isObject(content)) {
    const { type } = content
    const isThinking =
      content.thought === true || (typeof type === 'string' && thinkingType.test(type))
    const isText = type === undefined || (typeof type === 'string' && textTypes.includes(type))
    const text = isThinking || isText ? plainText(content) : ''
    if (text !== '') yield { kind: isThinking ? 'thinking' : 'text', text }
  }
}

/** The text of a value that is text, a list of values, or an object around one. */
function plainText(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(plainText).join('')
  if (!isObject(value)) return ''
  const fields = ['text', 'thinking', 'reasoning', 'summary', 'content', 'refusal', 'value']
  for (const field of fields) {
    const text = plainText(value[field])
    if (text !== '') return text
  }
  return ''
}

/** The texts one after the other, without those that another one contains. */
function once(texts: readonly string[]): string {
  let all = ''
  for (const text of texts) {
    if (text === '') continue
    if (all === '' || text.includes(all)) all = text
    else if (!all.includes(text)) all += text
  }
  return all
}
