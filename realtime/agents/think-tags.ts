// Many local models think aloud in their answer: `<think>…</think>` at its very beginning. That is thinking, not text, wherever the pieces cut
// it. Tags further on are words like any others.
import type { ProviderEvent } from './provider.ts'

const OPEN = '<think>'
const CLOSE = '</think>'

/** Tells thinking from text in one answer. What may still turn out to be a tag waits for the next piece. */
export class ThinkTagParser {
  #place: 'before' | 'inside' | 'behind' | 'text' = 'before'
  #held = '';

  /** What this much of the answer's text is: nothing yet, thinking, text, or the one and then the other. */
  *split(piece: string): Generator<ProviderEvent> {
    let text = this.#held + piece
    this.#held = ''
    if (this.#place === 'before') {
      const start = text.trimStart()
      if (start.length < OPEN.length && OPEN.startsWith(start)) return void (this.#held = text)
      const thinks = start.startsWith(OPEN)
      if (thinks) text = start.slice(OPEN.length)
      this.#place = thinks ? 'inside' : 'text'
    }
    if (this.#place === 'inside') {
      const close = text.indexOf(CLOSE)
      const end = close < 0 ? text.length - begun(text) : close
      if (end > 0) yield { kind: 'thinking', text: text.slice(0, end) }
      if (close < 0) return void (this.#held = text.slice(end))
      text = text.slice(end + CLOSE.length)
      this.#place = 'behind'
    }
    if (this.#place === 'behind') {
      text = text.trimStart() // the blank lines between the two belong to neither
      if (text !== '') this.#place = 'text'
    }
    if (text !== '') yield { kind: 'text', text }
  }

  /** The answer is over: what waited was no tag. */
  *end(): Generator<ProviderEvent> {
    const text = this.#held
    this.#held = ''
    if (text !== '') yield { kind: this.#place === 'inside' ? 'thinking' : 'text', text }
  }
}

/** How much of the closing tag the text's end may be. */
function begun(text: string): number {
  for (let length = CLOSE.length - 1; length > 0; length--)
    if (text.endsWith(CLOSE.slice(0, length))) return length
  return 0
}
