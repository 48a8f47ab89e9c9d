// Reads PCRE's syntax token by token and writes each in RE2's. What it doesn't know, it refuses.
import { refusal } from '../errors.ts'

export interface Token {
  /** `start` and `end` are assertions that RE2 has, or has in PCRE's meaning, only there. */
  readonly kind: 'char' | 'assert' | 'start' | 'end' | 'open' | 'close' | 'or' | 'repeat'
  readonly text: string
  /** The only text that a character matches. */
  readonly literal?: string
}

const MAX_TOKENS = 20_000

export function unsupported(what: string): Error {
  return refusal('NotImplemented', `$regex: ${what} is not supported`)
}

export function tokensOf(pattern: string, ignoresCase: boolean): Token[] {
  return new Reader(pattern, ignoresCase).read()
}

const shorthands: Record<string, string> = { d: '0-9', w: '0-9A-Za-z_', s: '\\t-\\r ' }
const posixClass =
  /\[:\^?(?:alpha|digit|alnum|upper|lower|space|blank|cntrl|graph|print|punct|xdigit|word|ascii):\]/y
/** Items of a set that PCRE takes as they are with the option `i`, and RE2 doesn't. */
const namedSet = /^(?:0-9A-Z|\\[WpP]|\[)/
const controls: Record<string, string> = {
  t: '\t',
  n: '\n',
  r: '\r',
  f: '\f',
  e: '\x1b',
  a: '\x07',
}
const assertions: Record<string, Token> = {
  '.': { kind: 'char', text: '.' },
  '^': { kind: 'start', text: '\\A' },
  '\\A': { kind: 'start', text: '\\A' },
  $: { kind: 'end', text: '(?:\\n?\\z)' },
  '\\Z': { kind: 'end', text: '(?:\\n?\\z)' },
  '\\z': { kind: 'assert', text: '\\z' },
  '\\b': { kind: 'assert', text: '\\b' },
  '\\B': { kind: 'assert', text: '\\B' },
}

class Reader {
  readonly #pattern: string
  readonly #ignoresCase: boolean
  #at = 0
  readonly #tokens: Token[] = []

  constructor(pattern: string, ignoresCase: boolean) {
    this.#pattern = pattern
    this.#ignoresCase = ignoresCase
  }

  read(): Token[] {
    while (this.#at < this.#pattern.length) {
      if (this.#tokens.length > MAX_TOKENS) throw unsupported('such a large pattern')
      this.#token()
    }
    return this.#tokens
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#pattern)
    if (found) this.#at += found[0].length
    return found
  }

  #token(): void {
    const quoted = this.#take(/\\Q(.*?)(?:\\E|$)/suy)
    const assertion = quoted ? undefined : this.#take(/[.^$]|\\[AzZbB]/y)?.[0]
    if (quoted) for (const char of quoted[1]!) this.#literal(char)
    else if (assertion) this.#tokens.push(assertions[assertion]!)
    else if (this.#take(/\[/y)) this.#push('char', this.#set())
    else if (this.#take(/\((?:\?:|\?P?<[A-Za-z_]\w{0,31}>|(?![?*]))/y)) this.#push('open', '(?:')
    else if (this.#take(/\)/y)) this.#push('close', ')')
    else if (this.#take(/\|/y)) this.#push('or', '|')
    else if (!this.#lookAhead() && !this.#repetition()) this.#character()
  }

  #push(kind: Token['kind'], text: string): void {
    this.#tokens.push({ kind, text })
  }

  #literal(char: string): void {
    const text = char.replace(/[\\^$.*+?()[\]{}|]/, '\\$&')
    this.#tokens.push({ kind: 'char', text, ...(!this.#ignoresCase && { literal: char }) })
  }

  /** RE2 has no look ahead. At the end of a match, it can take the one character instead. */
  #lookAhead(): boolean {
    const found = this.#take(/\(\?([=!])(?:(\[)|(?=[^\\()|.^$*+?#\s]\)))/y)
    if (!found) return false
    const isNegative = found[1] === '!'
    const set = found[2] ? this.#set(isNegative) : `[${isNegative ? '^' : ''}${this.#range()}]`
    if (!this.#take(/\)/y)) throw unsupported('a look at more than one character')
    this.#push('end', isNegative ? `(?:${set}|\\z)` : set)
    return true
  }

  #repetition(): boolean {
    const found = this.#take(/(?:[*+?]|\{\d+(?:,\d*)?\})\??/y)
    if (!found) return false
    const before = this.#tokens.at(-1)?.kind
    if (before !== 'char' && before !== 'close') throw unsupported(`${found[0]} here`)
    // At the end of the pattern, a possessive quantifier matches what an ordinary one does.
    if (this.#take(/\+/y) && this.#at < this.#pattern.length)
      throw unsupported('a possessive quantifier here')
    this.#push('repeat', found[0])
    return true
  }

  #character(): void {
    if (this.#take(/\(/y)) throw unsupported('this group')
    const item = this.#itemHere(false)
    if (typeof item === 'string') this.#literal(item)
    else this.#push('char', `(?-i:[${item.set}])`)
  }

  #set(inverted = false): string {
    const isNegative = this.#take(/\^/y) !== null
    const items: string[] = []
    while (items.length === 0 || !this.#take(/\]/y))
      items.push(this.#take(posixClass)?.[0] ?? this.#range())
    if (this.#ignoresCase && items.some((item) => namedSet.test(item)))
      throw unsupported('\\w, \\p or [: in a set with the option i')
    return `[${isNegative !== inverted ? '^' : ''}${items.join('')}]`
  }

  #range(): string {
    const from = this.#itemHere(true)
    if (typeof from !== 'string') return from.set
    if (!this.#take(/-(?!\])/y)) return codeOf(from)
    const to = this.#itemHere(true)
    if (typeof to !== 'string') throw unsupported('a range that ends in a set')
    return `${codeOf(from)}-${codeOf(to)}`
  }

  /** One character, written plainly or as an escape, or the inner text of a set. */
  #itemHere(inSet: boolean): string | { set: string } {
    if (inSet && this.#take(/\\[QE]|\[[:.=]/y)) throw unsupported('\\Q, [:, [. or [= in a set')
    const plain = this.#take(/[^\\]/uy)
    if (plain) return plain[0]
    const shorthand = this.#take(/\\([dws])/iy)?.[1]
    if (shorthand) return { set: setOf(shorthand, inSet) }
    const category = this.#take(/\\[pP](?:[CLMNPSZ]|\{\^?[CLMNPSZ][a-z]?\})/y)
    if (category) return { set: category[0] }
    const numbered = this.#take(/\\x(?:\{([\da-fA-F]{1,5})\}|([\da-fA-F]{2}))/y)
    if (numbered) return String.fromCodePoint(parseInt(numbered[1] ?? numbered[2]!, 16))
    const escaped = this.#take(/\\(.)/suy)?.[1]
    if (escaped === undefined) throw unsupported('the end of the pattern here')
    if (/^[A-Za-z0-9]$/.test(escaped) && !controls[escaped]) throw unsupported(`\\${escaped}`)
    return controls[escaped] ?? escaped
  }
}

function setOf(letter: string, inSet: boolean): string {
  const set = shorthands[letter.toLowerCase()]!
  if (letter === letter.toLowerCase()) return set
  if (!inSet) return `^${set}`
  if (letter !== 'S') return `\\${letter}`
  return '\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{10ffff}'
}

const codeOf = (char: string): string => `\\x{${char.codePointAt(0)!.toString(16)}}`
