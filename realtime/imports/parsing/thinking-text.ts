// Finds thinking that a product wrote into the text of an answer:
//   - `<think>…</think>`, or other tags of thinking, at the beginning of a line
//   - everything before a line that is only `</think>`, if nothing opened it
//   - Open WebUI's `<details type="reasoning" duration="3">…</details>`, with escaped text
//   - LibreChat's `:::thinking` … `:::`, at the beginning of the text
// In code or within a sentence, the same words are text. Each part of the text is read once.
import {
  isClosingLine,
  tagsAtStart,
  thinkingTags,
  type ThinkingTags,
} from '@lockstep/protocol/thinking-tags'

export interface ThoughtfulText {
  /** The answer without its thinking. */
  text: string
  thinking: string[]
  /** How long it took, if that is known. */
  ms: number | undefined
}

export function separateThinking(content: string): ThoughtfulText {
  const marks = ['<details', ':::thinking', ...thinkingTags.map(({ close }) => close)]
  const mayThink = marks.some((mark) => content.includes(mark)) || tagsAtStart(content.trimStart())
  if (!mayThink) return { text: content, thinking: [], ms: undefined }
  return new ThinkingReader(content).read()
}

class ThinkingReader {
  readonly #content: string
  #at = 0
  /** The text before `#at`. */
  #text = ''
  readonly #thinking: string[] = []
  #ms: number | undefined
  /** The marker that opened the code block at `#at`. */
  #fence: string | undefined
  /** Whether something was taken out of the text; thinking may be empty. */
  #isChanged = false
  /** Where the last closing tag of each kind is. */
  readonly #lastEnds: ReadonlyMap<ThinkingTags, number>

  constructor(content: string) {
    this.#content = content
    this.#lastEnds = new Map(thinkingTags.map((tags) => [tags, content.lastIndexOf(tags.close)]))
  }

  read(): ThoughtfulText {
    this.#readBeginning()
    while (this.#at < this.#content.length) this.#readLine()
    const text = this.#text.trim()
    const isOnlyTags = text === '' && this.#thinking.length === 0
    return {
      text: this.#isChanged && !isOnlyTags ? text : this.#content,
      thinking: this.#thinking,
      ms: this.#ms,
    }
  }

  #readBeginning(): void {
    const from = this.#content.length - this.#content.trimStart().length
    const labelled = /^:::thinking[^\n]*/.exec(this.#content.slice(from))?.[0]
    const tags = tagsAtStart(this.#content.slice(from, from + 50))
    const start = labelled ?? tags?.open
    if (start === undefined) return this.#readUnopened()
    // an answer may have been stopped while it was thinking
    return this.#takeThinking(from + start.length, tags?.close ?? '\n:::')
  }

  /** The template of some servers writes the opening tag, which the answer then lacks. */
  #readUnopened(): void {
    let fence: string | undefined
    for (let at = 0; at < this.#content.length;) {
      const newline = this.#content.indexOf('\n', at)
      const end = newline < 0 ? this.#content.length : newline
      const line = this.#content.slice(at, end)
      if (tagsAtStart(line.trimStart())) return
      fence = fenceAfter(line, fence)
      if (fence === undefined && isClosingLine(line)) {
        this.#addThinking(this.#content.slice(0, at))
        this.#at = end
        return
      }
      at = end + 1
    }
  }

  #readLine(): void {
    const newline = this.#content.indexOf('\n', this.#at)
    const end = newline < 0 ? this.#content.length : newline + 1
    const line = this.#content.slice(this.#at, end)
    const wasInFence = this.#fence !== undefined
    this.#fence = fenceAfter(line, this.#fence)
    const isCode = wasInFence || this.#fence !== undefined
    if (isCode || !(this.#readThink(line) || this.#readDetails(line))) {
      this.#text += line
      this.#at = end
    }
  }

  #readThink(line: string): boolean {
    const indent = /^[ \t]*/.exec(line)![0].length
    const tags = tagsAtStart(line.slice(indent))
    const from = this.#at + indent + (tags?.open.length ?? 0)
    if (!tags || this.#lastEnds.get(tags)! < from) return false
    this.#takeThinking(from, tags.close)
    return true
  }

  /** Everything from there to the closing mark, or to the end of the text without one. */
  #takeThinking(from: number, close: string): void {
    const to = this.#content.indexOf(close, from)
    this.#addThinking(this.#content.slice(from, to < 0 ? undefined : to))
    this.#at = to < 0 ? this.#content.length : to + close.length
  }

  #readDetails(line: string): boolean {
    const open = /<details(\s[^<>]*)>/.exec(line)
    const attributes = open?.[1] ?? ''
    if (!open || !/\stype\s*=\s*["']?reasoning["'\s]?/i.test(attributes)) return false
    const before = line.slice(0, open.index)
    if ((before.split('`').length - 1) % 2 === 1) return false
    const from = this.#at + open.index + open[0].length
    const to = this.#content.indexOf('</details>', from)
    const inner = this.#content.slice(from, to < 0 ? undefined : to)
    const seconds = /\sduration\s*=\s*["']?(\d+(?:\.\d+)?)/i.exec(attributes)?.[1]
    if (seconds !== undefined) this.#ms = (this.#ms ?? 0) + Math.round(Number(seconds) * 1000)
    this.#addThinking(unquoted(inner.replace(/^\s*<summary>[^<]*<\/summary>/i, '')))
    this.#text += before
    this.#at = to < 0 ? this.#content.length : to + '</details>'.length
    return true
  }

  #addThinking(thinking: string): void {
    this.#isChanged = true
    if (thinking.trim() !== '') this.#thinking.push(thinking.trim())
  }
}

/** The marker of the code block that is open after this line. */
function fenceAfter(line: string, open: string | undefined): string | undefined {
  const marker = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1]
  if (marker === undefined) return open
  if (open === undefined) return marker
  const isEnd = marker.startsWith(open) && line.trim() === marker
  return isEnd ? undefined : open
}

const entities = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', ' '],
])

/** Plain text of an escaped quotation. */
const unquoted = (text: string): string => unescaped(text).replaceAll(/^[ \t]*> ?/gm, '')

const unescaped = (text: string): string =>
  text.replaceAll(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,6}));/gi,
    (whole, decimal, hex, name) => {
      if (name !== undefined) return entities.get(String(name).toLowerCase()) ?? whole
      const code = decimal === undefined ? parseInt(String(hex), 16) : Number(decimal)
      const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
      return isCharacter ? String.fromCodePoint(code) : whole
    },
  )
