// Parses the text of a paragraph, heading or table cell: CommonMark's inlines, with strikethrough
// and bare addresses as on GitHub. The result is flat: elements begin with one token and end with
// another. The invariant: the cost grows linearly with the text, whatever it contains. A search
// that fails is therefore remembered (code spans, comments) or bounded (links).
import { DelimiterStack, type DelimiterRun, type EmphasisTag } from './emphasis.ts'
import {
  normalizeLabel,
  scanBareAddress,
  scanInlineTarget,
  scanLabel,
  type LinkTarget,
} from './link-syntax.ts'

export type Inline =
  | { type: 'text'; text: string }
  /** A character reference as written; it may stand for nothing. */
  | { type: 'reference'; text: string }
  | { type: 'code'; text: string }
  /** Raw HTML as written. */
  | { type: 'html'; text: string }
  | { type: 'break'; isHard: boolean }
  | { type: 'open'; tag: EmphasisTag }
  | ({ type: 'open'; tag: 'a' } & LinkTarget)
  | { type: 'close' }
  /** An address as written in the text, and where it leads. */
  | { type: 'address'; text: string; href: string }
  /** `text` may contain character references. */
  | ({ type: 'image'; text: string } & LinkTarget)
  /** `source` is the formula as written, with its delimiters. */
  | { type: 'math'; text: string; source: string; isDisplay: boolean }
  /** The source of what follows, because the text has more tokens than were asked for. */
  | { type: 'rest'; text: string }

export type Definitions = ReadonlyMap<string, LinkTarget>

type Token = Inline | DelimiterRun

/** The most tokens that are made between two pauses. */
const tokensPerStep = 200

interface Bracket {
  isImage: boolean
  /** The index of its token. */
  token: number
  /** The offset after it. */
  end: number
  delimiters: number
  hasBracketInside: boolean
}

const plain = /[^\n\\`*_~[\]!<&:.@$]+/y
const reference = /&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][\da-z]{1,31});/iy
const escapable = /[!-/:-@[-`{-~]/
const addressInAngles =
  /<(?:[a-z][a-z\d+.-]{1,31}:[^\s<>]*|[\w.!#$%&'*+/=?^`{|}~-]+@[a-z\d-]{1,63}(?:\.[a-z\d-]{1,63})*)>/iy
// Values of attributes end before a `<`, so that no part of a text is tried twice.
const tag =
  /<(?:[a-z][a-z\d-]*(?:\s+[a-z_:][\w.:-]*(?:\s*=\s*(?:"[^"<]*"|'[^'<]*'|[^\s"'=<>`]+))?)*\s*\/?|\/[a-z][a-z\d-]*\s*)>/iy

/** The delimiters of formulas. A single `$` isn't one, because it is a currency sign. */
const mathMarks = [
  { open: '\\(', close: '\\)', isDisplay: false },
  { open: '\\[', close: '\\]', isDisplay: true },
  { open: '$$', close: '$$', isDisplay: true },
]
/** A longer text isn't a formula. */
const maxMathLength = 2_000

const markedEnds = [
  ['<!--', '-->'],
  ['<?', '?>'],
  ['<![CDATA[', ']]>'],
  ['<!', '>'],
] as const

class InlineParser {
  readonly #text: string
  readonly #definitions: Definitions
  readonly #tokens: Token[] = []
  readonly #delimiters = new DelimiterStack()
  readonly #brackets: Bracket[] = []
  /** Brackets of links below this height are inactive, because links don't contain links. */
  #inactive = 0
  #at = 0
  /** Where the text begins that isn't a token yet. */
  #pending = 0
  /** By length, the offsets of the runs of backticks that are still to come, the next one last. */
  #backticks: Map<number, number[]> | undefined
  /** By terminator, the offset at which it comes next; -1 if it doesn't come any more. */
  readonly #nextEnds = new Map<string, number>()

  constructor(text: string, definitions: Definitions) {
    this.#text = text
    this.#definitions = definitions
  }

  *parse(maxTokens: number): Generator<void, Inline[]> {
    const text = this.#text
    for (let step = 0; this.#at < text.length; step++) {
      if (step % tokensPerStep === tokensPerStep - 1) yield
      plain.lastIndex = this.#at
      this.#at += plain.exec(text)?.[0].length ?? 0
      if (this.#tokens.length >= maxTokens) break
      if (this.#at < text.length) this.#parseSpecial(text[this.#at]!)
    }
    this.#flush()
    this.#delimiters.close(0)
    const inlines = this.#tokens.flatMap((token) =>
      token.type === 'delimiter' ? inlinesOf(token) : token,
    )
    if (this.#at < text.length) inlines.push({ type: 'rest', text: text.slice(this.#at) })
    return inlines
  }

  #parseSpecial(char: string): void {
    const at = this.#at
    switch (char) {
      case '\n':
        return this.#parseLineEnding()
      case '\\':
        return this.#parseMath() ? undefined : this.#parseEscape()
      case '$':
        if (this.#parseMath()) return
        break
      case '`':
        return this.#parseCode()
      case '*':
      case '_':
      case '~': {
        let end = at + 1
        while (this.#text[end] === char) end += 1
        return this.#take(this.#delimiters.add(this.#text, at, end), end)
      }
      case '[':
        return this.#openBracket(false, at + 1)
      case '!':
        if (this.#text[at + 1] === '[') return this.#openBracket(true, at + 2)
        break
      case ']':
        return this.#closeBracket()
      case '<':
        return this.#parseAngle()
      case '&': {
        reference.lastIndex = at
        const found = reference.exec(this.#text)?.[0]
        if (found === undefined) break
        return this.#take({ type: 'reference', text: found }, at + found.length)
      }
      case ':':
      case '.':
      case '@':
        if (this.#parseBareAddress()) return
    }
    this.#at += 1
  }

  /** Makes a token of the text that ends at `end`. */
  #flush(end = this.#at): void {
    if (end > this.#pending)
      this.#tokens.push({ type: 'text', text: this.#text.slice(this.#pending, end) })
    this.#pending = end
  }
  /** Adds the token of what lies between here and `end`. */
  #take(token: Token, end: number): void {
    this.#flush()
    this.#tokens.push(token)
    this.#at = this.#pending = end
  }

  #parseLineEnding(): void {
    const at = this.#at
    let end = at
    while (end > this.#pending && this.#text[end - 1] === ' ') end -= 1
    this.#flush(end)
    this.#at = this.#pending = at
    this.#take({ type: 'break', isHard: at - end >= 2 }, at + 1)
  }

  /** The search for the end is bounded, so that a failed one costs little. */
  #parseMath(): boolean {
    const source = this.#text.slice(this.#at, this.#at + maxMathLength)
    const marks = mathMarks.find(({ open }) => source.startsWith(open))
    const end = marks ? source.indexOf(marks.close, 2) : -1
    const text = source.slice(2, Math.max(end, 2)).trim()
    if (!marks || text === '') return false
    const math = { text, source: source.slice(0, end + 2), isDisplay: marks.isDisplay }
    this.#take({ type: 'math', ...math }, this.#at + math.source.length)
    return true
  }

  #parseEscape(): void {
    const next = this.#text[this.#at + 1]
    if (next === '\n') return this.#take({ type: 'break', isHard: true }, this.#at + 2)
    if (next === undefined || !escapable.test(next)) {
      this.#at += 1
      return
    }
    this.#flush()
    this.#pending = this.#at + 1
    this.#at += 2
  }

  #parseCode(): void {
    const start = this.#at
    let opened = start
    while (this.#text[opened] === '`') opened += 1
    const length = opened - start
    const runs = this.#backtickRuns().get(length) ?? []
    while (runs.length > 0 && runs.at(-1)! < opened) runs.pop()
    const closing = runs.at(-1)
    if (closing === undefined) {
      this.#at = opened
      return
    }
    const code = this.#text.slice(opened, closing).replaceAll('\n', ' ')
    const isPadded = code.startsWith(' ') && code.endsWith(' ') && code.trim() !== ''
    this.#take({ type: 'code', text: isPadded ? code.slice(1, -1) : code }, closing + length)
  }
  #backtickRuns(): Map<number, number[]> {
    if (this.#backticks) return this.#backticks
    const runs = (this.#backticks = new Map<number, number[]>())
    for (const { index, 0: run } of this.#text.matchAll(/`+/g)) {
      const offsets = runs.get(run.length)
      if (offsets) offsets.push(index)
      else runs.set(run.length, [index])
    }
    for (const offsets of runs.values()) offsets.reverse()
    return runs
  }

  #parseAngle(): void {
    const at = this.#at
    addressInAngles.lastIndex = tag.lastIndex = at
    const address = addressInAngles.exec(this.#text)?.[0]
    if (address !== undefined) {
      const text = address.slice(1, -1)
      const href = /^[a-z][a-z\d+.-]*:/i.test(text) ? text : `mailto:${text}`
      return this.#take({ type: 'address', text, href }, at + address.length)
    }
    const end = at + (tag.exec(this.#text)?.[0].length ?? 0)
    const html = end > at ? end : this.#markedHtmlEnd(at)
    if (html === undefined) this.#at += 1
    else this.#take({ type: 'html', text: this.#text.slice(at, html) }, html)
  }
  /** The end of a comment, an instruction or a declaration. */
  #markedHtmlEnd(at: number): number | undefined {
    const marks = markedEnds.find(([start]) => this.#text.startsWith(start, at))
    if (!marks || (marks[0] === '<!' && !/[a-z]/i.test(this.#text[at + 2] ?? ''))) return undefined
    const [start, end] = marks
    if (start === '<!--' && /^-?>/.test(this.#text.slice(at + 4, at + 6)))
      return at + (this.#text[at + 4] === '>' ? 5 : 6)
    const from = at + start.length
    let found = this.#nextEnds.get(end) ?? 0
    if (found >= 0 && found < from) {
      found = this.#text.indexOf(end, from)
      this.#nextEnds.set(end, found)
    }
    return found < 0 ? undefined : found + end.length
  }

  #parseBareAddress(): boolean {
    const isWithinBrackets = this.#brackets.length > 0
    const found = scanBareAddress(this.#text, this.#at, this.#pending, isWithinBrackets)
    if (!found) return false
    this.#flush(found.start)
    const text = this.#text.slice(found.start, found.end)
    this.#at = found.start
    this.#take({ type: 'address', text, href: found.href }, found.end)
    return true
  }

  #openBracket(isImage: boolean, end: number): void {
    const outer = this.#brackets.at(-1)
    if (outer) outer.hasBracketInside = true
    this.#take({ type: 'text', text: this.#text.slice(this.#at, end) }, end)
    const token = this.#tokens.length - 1
    const delimiters = this.#delimiters.top
    this.#brackets.push({ isImage, token, end, delimiters, hasBracketInside: false })
  }

  #closeBracket(): void {
    const closing = this.#at
    this.#flush()
    this.#at += 1
    const bracket = this.#brackets.pop()
    const isActive = this.#brackets.length >= this.#inactive
    this.#inactive = Math.min(this.#inactive, this.#brackets.length)
    if (!bracket || (!bracket.isImage && !isActive)) return
    const found = this.#targetAfter(bracket, closing)
    if (!found) return
    this.#delimiters.close(bracket.delimiters)
    if (bracket.isImage) {
      const inside = this.#tokens.splice(bracket.token)
      const text = inside.slice(1).map(plainText).join('')
      this.#tokens.push({ type: 'image', text, ...found.target })
    } else {
      this.#tokens[bracket.token] = { type: 'open', tag: 'a', ...found.target }
      for (let index = bracket.token + 1; index < this.#tokens.length; index++) {
        const token = this.#tokens[index]!
        if (token.type === 'address') this.#tokens[index] = { type: 'text', text: token.text }
      }
      this.#tokens.push({ type: 'close' })
      this.#inactive = this.#brackets.length
    }
    this.#at = this.#pending = found.end
  }
  #targetAfter(bracket: Bracket, closing: number): { target: LinkTarget; end: number } | undefined {
    const after = closing + 1
    if (this.#text[after] === '(') {
      const inline = scanInlineTarget(this.#text, after)
      if (inline) return { target: inline.value, end: inline.end }
    }
    if (this.#definitions.size === 0) return undefined
    const label = this.#text[after] === '[' ? scanLabel(this.#text, after) : undefined
    const isNamed = label !== undefined && label.value.trim() !== ''
    if (!isNamed && bracket.hasBracketInside) return undefined
    const name = isNamed ? label.value : this.#text.slice(bracket.end, closing)
    const target = this.#definitions.get(normalizeLabel(name))
    return target && { target, end: label?.end ?? after }
  }
}

const literal = ({ char, count }: DelimiterRun): string => char.repeat(count)

function inlinesOf(run: DelimiterRun): Inline[] {
  const inlines: Inline[] = run.closes.map(() => ({ type: 'close' }))
  if (run.count > 0) inlines.push({ type: 'text', text: literal(run) })
  for (const tag of run.opens.toReversed()) inlines.push({ type: 'open', tag })
  return inlines
}

/** The text of a token within an image's description; it may contain character references. */
function plainText(token: Token): string {
  switch (token.type) {
    case 'delimiter':
      return literal(token)
    case 'break':
      return '\n'
    case 'open':
    case 'close':
      return ''
    case 'reference':
    case 'image':
      return token.text
    default:
      return token.text.replaceAll('&', '&amp;')
  }
}

/**
 * Parses a text without leading or trailing white space. Pauses often, so that the caller may do
 * the work in slices. After `maxTokens`, the rest of the text is returned as it is.
 */
export const parseInlines = (
  text: string,
  definitions: Definitions,
  maxTokens: number,
): Generator<void, Inline[]> => new InlineParser(text, definitions).parse(maxTokens)
