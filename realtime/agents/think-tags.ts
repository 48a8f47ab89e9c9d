// Many local models write their reasoning into the answer, as `<think>…</think>` at its very
// beginning. That is thinking and not text, wherever the provider's chunks cut the tags. A tag
// further on is ordinary text.
import type { ProviderEvent } from './provider.ts'

const OPEN = '<think>'
const CLOSE = '</think>'

/**
 * Separates thinking from text in one answer. What may still become a tag is held back until the
 * next chunk.
 */
export class ThinkTagParser {
  #state: 'start' | 'thinking' | 'after thinking' | 'text' = 'start'
  #held = '';

  /** Yields nothing, thinking, text, or thinking and then text. */
  *parse(chunk: string): Generator<ProviderEvent> {
    let text = this.#held + chunk
    this.#held = ''
    if (this.#state === 'start') {
      const start = text.trimStart()
      if (start.length < OPEN.length && OPEN.startsWith(start)) return void (this.#held = text)
      const thinks = start.startsWith(OPEN)
      if (thinks) text = start.slice(OPEN.length)
      this.#state = thinks ? 'thinking' : 'text'
    }
    if (this.#state === 'thinking') {
      const close = text.indexOf(CLOSE)
      const end = close < 0 ? text.length - partialCloseLength(text) : close
      if (end > 0) yield { kind: 'thinking', text: text.slice(0, end) }
      if (close < 0) return void (this.#held = text.slice(end))
      text = text.slice(end + CLOSE.length)
      this.#state = 'after thinking'
    }
    if (this.#state === 'after thinking') {
      text = text.trimStart() // the blank lines between thinking and text belong to neither
      if (text !== '') this.#state = 'text'
    }
    if (text !== '') yield { kind: 'text', text }
  }

  /** Must be called at the end of the answer: what was held back wasn't a tag. */
  *end(): Generator<ProviderEvent> {
    const text = this.#held
    this.#held = ''
    if (text !== '') yield { kind: this.#state === 'thinking' ? 'thinking' : 'text', text }
  }
}

/** The length of the longest end of `text` that is a beginning of the closing tag. */
function partialCloseLength(text: string): number {
  for (let length = CLOSE.length - 1; length > 0; length--)
    if (text.endsWith(CLOSE.slice(0, length))) return length
  return 0
}
