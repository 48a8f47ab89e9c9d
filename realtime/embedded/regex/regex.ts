// Regular expressions: PCRE's syntax, translated for RE2 (`re2js`), whose time is in proportion to
// the text. A pattern is either translated exactly or refused.
import { RE2JS } from 're2js'
import { refusal } from '../errors.ts'

/** The most that a match may cost: the characters of a text times the steps of a pattern. */
const MAX_WORK = 2 ** 31
/** How much of it may pass, some ten milliseconds, before the time limit is looked at again. */
const CHECKED_WORK = 2 ** 20
const MAX_TOKENS = 20_000

export class Regex {
  readonly source: string
  readonly options: string
  /** The whole pattern, if it is nothing but text. */
  readonly #literal: string | undefined
  readonly #pattern: RE2JS
  readonly #steps: number
  readonly #checkTime: () => void

  /** @param checkTime called now and then while a long text is matched; throws if time is over */
  constructor(source: string, options: string, checkTime: () => void = () => undefined) {
    this.source = source
    this.options = options
    const leading = /^\(\?([is]+)\)/.exec(source)
    const flags = options + (leading?.[1] ?? '')
    if (/[mx]/.test(flags)) throw unsupported('the options m and x')
    const tokens = tokensOf(source.slice(leading?.[0].length ?? 0), flags.includes('i'))
    const kinds = tokens.map(({ kind }) => kind).join('')
    if (/(?:^|[^c)])\*/.test(kinds)) throw unsupported('a quantifier here')
    if (/\$(?!(?:\)(?!\*)|\|[^()]*)*$)/.test(kinds))
      throw unsupported('something after $, \\Z or a look ahead')
    this.#pattern = compiled(tokens, flags)
    this.#steps = this.#pattern.programSize()
    this.#checkTime = checkTime
    const isText = tokens.every(({ literal }) => literal !== undefined)
    this.#literal = isText ? tokens.map(({ literal }) => literal).join('') : undefined
  }

  test(text: string): boolean {
    if (this.#literal !== undefined) return text.includes(this.#literal)
    const work = text.length * this.#steps
    if (work > MAX_WORK) throw unsupported('such a large pattern on such a long text')
    if (work <= CHECKED_WORK) return this.#pattern.test(text)
    const watched = new WatchedText(text, Math.ceil(CHECKED_WORK / this.#steps), this.#checkTime)
    // Assertion: RE2JS takes any object that is a string to `Object.prototype.toString`.
    return this.#pattern.test(watched as unknown as string)
  }
}

/** A text that makes a call each time so many of its characters have been read. */
class WatchedText extends String {
  readonly #text: string
  readonly #every: number
  readonly #call: () => void
  #left: number

  constructor(text: string, every: number, call: () => void) {
    super(text)
    this.#text = text
    this.#every = this.#left = every
    this.#call = call
  }

  override charCodeAt(index: number): number {
    if (--this.#left === 0) {
      this.#left = this.#every
      this.#call()
    }
    return this.#text.charCodeAt(index)
  }

  override indexOf(searched: string, from?: number): number {
    return this.#text.indexOf(searched, from)
  }
}

function compiled(tokens: readonly Token[], options: string): RE2JS {
  const flag = (letter: string, value: number): number => (options.includes(letter) ? value : 0)
  const flags = flag('i', RE2JS.CASE_INSENSITIVE) | flag('s', RE2JS.DOTALL)
  try {
    return RE2JS.compile(tokens.map(({ text }) => text).join(''), flags)
  } catch (error) {
    throw unsupported(`what RE2 refuses (${(error as Error).message})`)
  }
}

function unsupported(what: string): Error {
  return refusal('NotImplemented', `$regex: ${what} is not supported`)
}

/** `kind`: a character or set (c), an assertion (b), the end ($), a sign, or a quantifier (*). */
interface Token {
  readonly kind: string
  /** The same in RE2's syntax. */
  readonly text: string
  /** The only text that a character matches. */
  readonly literal?: string | undefined
}

/** The tokens besides characters and sets: their kinds, and what RE2 calls them otherwise. */
const syntax: readonly [RegExp, string, string?][] = [
  [/\^|\\A/y, 'b', '\\A'],
  [/\\[zbB]/y, 'b'],
  [/\$|\\Z/y, '$', '(?:\\n?\\z)'],
  [/\./y, 'c'],
  [/\((?:\?:|\?P?<[A-Za-z_]\w{0,31}>|(?![?*]))/y, '(', '(?:'],
  [/\)/y, ')'],
  [/\|/y, '|'],
  [/(?:[*+?]|\{\d+(?:,\d*)?\})\??/y, '*'],
]
/** One character, written plainly or as an escape, or the name of a set. */
const item =
  /\\(?:x\{[\da-fA-F]{1,5}\}|x[\da-fA-F]{2}|[pP](?:[CLMNPSZ]|\{\^?[CLMNPSZ][a-z]?\})|[dwsDWStnrfea]|[^A-Za-z0-9])|[^\\]/suy
const shorthands: Readonly<Record<string, string>> = {
  ...{ d: '0-9', w: '0-9A-Za-z_', s: '\\t-\\r ' },
  ...{ D: '\\D', W: '\\W', S: '\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{10ffff}' },
}
const controls: Readonly<Record<string, string>> = {
  ...{ t: '\t', n: '\n', r: '\r', f: '\f', e: '\x1b', a: '\x07' },
}
/** Items of a set that PCRE takes as they are with the option `i`, and RE2 doesn't. */
const namedSet = /^(?:0-9A-Z|\\[WpP]|\[)/

/** A character, or the inner text of a set. */
type Item = string | { readonly set: string }

function itemOf(text: string): Item {
  const name = text[1]
  if (text.startsWith('[:')) return { set: text }
  if (!text.startsWith('\\') || name === undefined) return text
  if (/[pP]/.test(name)) return { set: text }
  if (shorthands[name] !== undefined) return { set: shorthands[name] }
  if (name === 'x') return String.fromCodePoint(parseInt(text.replace(/\W|x/g, ''), 16))
  return controls[name] ?? text.slice(1)
}

/** Writes each token of PCRE in RE2's syntax. What it doesn't know, it refuses. */
function tokensOf(pattern: string, ignoresCase: boolean): Token[] {
  const tokens: Token[] = []
  let at = 0
  const take = (wanted: RegExp): RegExpExecArray | null => {
    wanted.lastIndex = at
    const found = wanted.exec(pattern)
    if (found) at += found[0].length
    return found
  }
  const takeItem = (): string => {
    const [text] = take(item) ?? []
    if (text === undefined) throw unsupported(pattern.slice(at, at + 2) || 'the end here')
    return text
  }
  const takeSet = (inverted = false): string => {
    const isNegative = (take(/\^/y) !== null) !== inverted
    const items: string[] = []
    while (items.length === 0 || !take(/\]/y)) {
      const named = take(/\[:\^?[a-z]+:\]/y)?.[0]
      if (!named && take(/\\[QE]|\[[:.=]/y)) throw unsupported('\\Q, [:, [. or [= in a set')
      items.push(named ?? takeItem())
    }
    return `[${isNegative ? '^' : ''}${setOf(items, ignoresCase)}]`
  }
  const add = (found: Item): void => {
    if (typeof found !== 'string') tokens.push({ kind: 'c', text: `(?-i:[${found.set}])` })
    else {
      const text = found.replace(/[\\^$.*+?()[\]{}|]/, '\\$&')
      tokens.push({ kind: 'c', text, literal: ignoresCase ? undefined : found })
    }
  }
  const takeSyntax = (): boolean =>
    syntax.some(([wanted, kind, text]) => {
      const found = take(wanted)
      if (found) tokens.push({ kind, text: text ?? found[0] })
      return found
    })
  while (at < pattern.length) {
    if (tokens.length > MAX_TOKENS) throw unsupported('such a large pattern')
    const quoted = take(/\\Q(.*?)(?:\\E|$)/suy)
    for (const char of quoted?.[1] ?? '') add(char)
    // At the end of the pattern, a possessive quantifier matches what an ordinary one does.
    const isPossessive = tokens.at(-1)?.kind === '*' && take(/\+$/y)
    if (quoted || isPossessive || takeSyntax()) continue
    // RE2 has no look ahead. At the end of a match, it can take the one character instead.
    const look = take(/\(\?([=!])\[/y)?.[1]
    if (look) {
      const set = takeSet(look === '!')
      tokens.push({ kind: '$', text: look === '!' ? `(?:${set}|\\z)` : set })
      if (!take(/\)/y)) throw unsupported('a look at more than one character')
      continue
    }
    if (take(/\(/y)) throw unsupported('this group')
    if (take(/\[/y)) tokens.push({ kind: 'c', text: takeSet() })
    else add(itemOf(takeItem()))
  }
  return tokens
}

/** The inner text of a set of these items. */
function setOf(items: readonly string[], ignoresCase: boolean): string {
  const parts: string[] = []
  for (let at = 0; at < items.length; at++) {
    const from = itemOf(items[at]!)
    const end = items[at + 1] === '-' ? items[at + 2] : undefined
    const to = end === undefined ? undefined : itemOf(end)
    if (typeof from === 'string' && to !== undefined) {
      if (typeof to !== 'string') throw unsupported('a range that ends in a set')
      parts.push(`${codeOf(from)}-${codeOf(to)}`)
      at += 2
    } else parts.push(typeof from === 'string' ? codeOf(from) : from.set)
  }
  if (ignoresCase && parts.some((part) => namedSet.test(part)))
    throw unsupported('\\w, \\p or [: in a set with the option i')
  return parts.join('')
}

const codeOf = (char: string): string => `\\x{${char.codePointAt(0)!.toString(16)}}`
