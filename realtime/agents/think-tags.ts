// Many local models write their reasoning into the answer. It is thinking and not text, wherever
// the provider's chunks cut the tags:
//   - `<think>…</think>`, or other tags of thinking, at the very beginning of the answer, or
//   - everything before a line that is only `</think>`, because the server's template has already
//     written the opening tag. Only this line shows that the text before it was thinking.
// Any other tag, such as one in a code block or within a sentence, is ordinary text.
import {
  isClosingLine,
  tagsAtStart,
  thinkingTags,
  type ThinkingTags,
} from '@lockstep/protocol/thinking-tags'
import type { ProviderEvent } from './provider.ts'

/**
 * Separates thinking from text in one answer. What may still become a tag is held back until the
 * next chunk.
 */
export class ThinkTagParser {
  #state: 'start' | 'unopened' | 'thinking' | 'after thinking' | 'text' = 'start'
  #held = ''
  /** The tags between which the thinking stands. Only used while 'thinking'. */
  #tags: ThinkingTags = thinkingTags[0]!
  /** What is known of the line that isn't complete, without `#held`. Only used while 'unopened'. */
  #line = ''
  /** The marker that opened the code block in which the text is; '' outside of one. */
  #fence = '';

  /** Yields what is known to be thinking or text. */
  *parse(chunk: string): Generator<ProviderEvent> {
    let text = this.#held + chunk
    this.#held = ''
    if (this.#state === 'start') {
      const start = text.trimStart()
      const tags = tagsAtStart(start)
      if (!tags && thinkingTags.some(({ open }) => open.startsWith(start)))
        return void (this.#held = text)
      if (tags) {
        this.#tags = tags
        text = start.slice(tags.open.length)
      }
      this.#state = tags ? 'thinking' : 'unopened'
    }
    if (this.#state === 'thinking') {
      const close = text.indexOf(this.#tags.close)
      const end = close < 0 ? text.length - partialLength(text, this.#tags.close) : close
      if (end > 0) yield { kind: 'thinking', text: text.slice(0, end) }
      if (close < 0) return void (this.#held = text.slice(end))
      text = text.slice(end + this.#tags.close.length)
      this.#state = 'after thinking'
    }
    if (this.#state === 'unopened') {
      const { before, rest } = this.#readLines(text)
      if (before !== '') yield { kind: 'text', text: before }
      if (rest === undefined) return
      yield { kind: 'text_was_thinking' }
      text = rest
      this.#state = 'after thinking'
    }
    if (this.#state === 'after thinking') {
      text = text.trimStart() // the blank lines between thinking and text belong to neither
      if (text !== '') this.#state = 'text'
    }
    if (text !== '') yield { kind: 'text', text }
  }

  /** Must be called at the end of the answer: what was held back wasn't an opening tag. */
  *end(): Generator<ProviderEvent> {
    const text = this.#held
    this.#held = ''
    if (this.#state === 'unopened' && isClosingLine(text))
      return yield { kind: 'text_was_thinking' }
    if (text !== '') yield { kind: this.#state === 'thinking' ? 'thinking' : 'text', text }
  }

  /**
   * The text before a closing line, and the rest after it if there is such a line. Holds back the
   * beginning of a line that may become one.
   */
  #readLines(text: string): { before: string; rest?: string } {
    let at = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
      const line = this.#line + text.slice(at, end)
      if (this.#fence === '' && isClosingLine(line))
        return { before: text.slice(0, at), rest: text.slice(end + 1) }
      if (this.#fence === '' && tagsAtStart(line.trimStart())) {
        // the author writes about the tags: from here on, all of it is text
        this.#state = 'text'
        return { before: text }
      }
      this.#noteFence(line)
      this.#line = ''
      at = end + 1
    }
    if (this.#fence === '' && this.#line === '' && mayBecomeClosingLine(text.slice(at))) {
      this.#held = text.slice(at)
      return { before: text.slice(0, at) }
    }
    this.#line += text.slice(at)
    return { before: text }
  }

  #noteFence(line: string): void {
    const [, marker = '', info = ''] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line) ?? []
    if (this.#fence === '') this.#fence = marker
    else if (marker.startsWith(this.#fence) && info.trim() === '') this.#fence = ''
  }
}

function mayBecomeClosingLine(beginning: string): boolean {
  if (beginning === '' || /^( {4}| *\t)/.test(beginning)) return false
  const start = beginning.trimStart()
  return thinkingTags.some(({ close }) => close.startsWith(start)) || isClosingLine(beginning)
}

/** The length of the longest end of `text` that is a beginning of `tag`. */
function partialLength(text: string, tag: string): number {
  for (let length = tag.length - 1; length > 0; length--)
    if (text.endsWith(tag.slice(0, length))) return length
  return 0
}
