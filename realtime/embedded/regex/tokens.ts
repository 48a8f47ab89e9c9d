// Reads PCRE's syntax token by token. What depends on options (`i`, `m`, `s`, `x`), which a pattern
// can change on the way, is decided here.
import { locationRefusal, refusal } from '../errors.ts'

/** A part of a pattern. */
export interface Token {
  readonly kind: 'char' | 'assert' | 'open' | 'close' | 'or' | 'repeat' | 'flags'
  /** The same in RE2's syntax. */
  readonly text: string
  /** The only text that a character matches. */
  readonly literal?: string
  /** An assertion that RE2 has only at certain places. */
  readonly place?: 'start' | 'lineStart' | 'end'
}

interface Flags {
  readonly i: boolean
  readonly m: boolean
  readonly s: boolean
  readonly x: boolean
}

const MAX_TOKENS = 20_000
const MAX_REPETITIONS = 65_535

function invalid(reason: string): Error {
  return locationRefusal(51091, `Regular expression is invalid: ${reason}`)
}

export function unsupported(what: string): Error {
  return refusal('NotImplemented', `$regex: ${what} is not supported`)
}

/** The tokens of a pattern. `options` are letters of `imsx`. */
export function tokensOf(pattern: string, options: string): Token[] {
  return new Reader(pattern, options).read()
}

const shorthands: Record<string, string> = {
  d: '0-9',
  w: '0-9A-Za-z_',
  s: '\\t-\\r ',
  h: '\\t \\x{a0}\\x{1680}\\x{180e}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}',
  v: '\\n-\\r\\x{85}\\x{2028}\\x{2029}',
}
const posixClasses =
  /^(?:alpha|digit|alnum|upper|lower|space|blank|cntrl|graph|print|punct|xdigit|word|ascii)$/
/** Items of a set that the option `i` doesn't change, and those that it does. */
const namedSet = /^(?:0-9A-Z|\\[WpP]|\[)/
const casedItem =
  /^(?:\[:\^?(?:upper|lower)|\\x\{(?:4[1-9a-f]|5[\da]|6[1-9a-f]|7[\da]|[89a-f].|[\da-f]{3})|.*\}-)/
const controls: Record<string, string> = {
  t: '\t',
  n: '\n',
  r: '\r',
  f: '\f',
  e: '\x1b',
  a: '\x07',
}

class Reader {
  readonly #pattern: string
  #at = 0
  readonly #tokens: Token[] = []
  /** The flags of the groups around this place, the innermost last. */
  readonly #flags: Flags[]

  constructor(pattern: string, options: string) {
    this.#pattern = pattern
    const has = (letter: string): boolean => options.includes(letter)
    this.#flags = [{ i: has('i'), m: has('m'), s: has('s'), x: has('x') }]
  }

  read(): Token[] {
    while (this.#at < this.#pattern.length) {
      if (this.#flags.at(-1)!.x && this.#take(/(?:\s|#[^\n]*(?:\n|$))+/y)) continue
      if (this.#tokens.length > MAX_TOKENS) throw unsupported('such a large pattern')
      this.#token()
    }
    if (this.#flags.length > 1) throw invalid('missing )')
    return this.#tokens
  }

  /** Takes what `pattern` matches here. */
  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#pattern)
    if (found) this.#at += found[0].length
    return found
  }

  #token(): void {
    if (this.#take(/\(\?#[^)]*\)|\\E/y)) return
    const quoted = this.#take(/\\Q(.*?)(?:\\E|$)/suy)
    if (quoted) for (const char of quoted[1]!) this.#literal(char)
    else if (this.#take(/\[/y)) this.#push('char', this.#set())
    else if (this.#take(/\(/y)) this.#group()
    else if (this.#take(/\)/y)) this.#close()
    else if (this.#take(/\|/y)) this.#push('or', '|')
    else if (!this.#repetition() && !this.#assertion()) this.#character()
  }

  #push(kind: Token['kind'], text: string, place?: Token['place']): void {
    this.#tokens.push({ kind, text, ...(place && { place }) })
  }

  #literal(char: string): void {
    const text = char.replace(/[\\^$.*+?()[\]{}|]/, '\\$&')
    this.#tokens.push({ kind: 'char', text, ...(!this.#flags.at(-1)!.i && { literal: char }) })
  }

  #group(): void {
    const before = this.#flags.at(-1)!
    if (this.#take(/\*/y)) throw unsupported('a verb such as (*UTF8)')
    const look = this.#take(/\?([=!])(?:\[|(?=[^\\()|.^$*+?#\s]\)))/y)
    if (look) return this.#lookAhead(look[1] === '!', look[0].endsWith('['))
    const changed = this.#take(/\?([imsx]*)(?:-([imsx]*))?([:)])/y)
    const [, on = '', off = '', end] = changed ?? []
    const kept = (letters: string): string => letters.replace(/[mx]/g, '')
    const flags = changed ? changedFlags(before, on, off) : before
    const text = kept(off) ? `(?${kept(on)}-${kept(off)}` : `(?${kept(on)}`
    if (end === ')') {
      this.#flags[this.#flags.length - 1] = flags
      return this.#push('flags', text === '(?' ? '' : `${text})`)
    }
    if (!changed && !this.#take(/\?P?<[A-Za-z_]\w{0,31}>|\?'[A-Za-z_]\w{0,31}'|(?!\?)/y))
      throw /^\?$/.test(this.#pattern.slice(this.#at))
        ? invalid('(? at end')
        : unsupported('this (?')
    this.#flags.push(flags)
    this.#push('open', `${text}:`)
  }

  #close(): void {
    if (this.#flags.length === 1) throw invalid('unmatched parentheses')
    this.#flags.pop()
    this.#push('close', ')')
  }

  /** RE2 has no look ahead. At the end of a match, it can take the one character instead. */
  #lookAhead(isNegative: boolean, isSet: boolean): void {
    const set = isSet ? this.#set(isNegative) : `[${isNegative ? '^' : ''}${this.#range()}]`
    if (!this.#take(/\)/y)) throw unsupported('a look at more than one character')
    this.#push('assert', isNegative ? `(?:${set}|\\z)` : set, 'end')
  }

  #repetition(): boolean {
    const found = this.#take(/(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})/y)
    if (!found) return false
    const [, least, comma, most] = found
    const before = this.#tokens.at(-1)
    if (before?.kind === 'assert') throw unsupported('a repetition of an assertion')
    if (before?.kind !== 'char' && before?.kind !== 'close')
      throw least ? unsupported(`${found[0]} here`) : invalid('nothing to repeat')
    const [min, max] = [Number(least ?? 0), Number(comma ? most || Infinity : least)]
    if (min > MAX_REPETITIONS || (max > MAX_REPETITIONS && max !== Infinity))
      throw invalid('number too big in {} quantifier')
    if (max < min) throw invalid('numbers out of order in {} quantifier')
    // At the end of the pattern, a possessive quantifier matches what an ordinary one does.
    if (this.#take(/\+/y) && this.#at < this.#pattern.length)
      throw unsupported('a possessive quantifier here')
    this.#push('repeat', found[0] + (this.#take(/\?/y)?.[0] ?? ''))
    return true
  }

  #assertion(): boolean {
    const found = this.#take(/[.^$]|\\[AzZbBN]/y)?.[0]
    const { m } = this.#flags.at(-1)!
    if (found === '.') this.#push('char', '.')
    else if (found === '\\N') this.#push('char', '[^\\n]')
    else if (found === '\\A' || (found === '^' && !m)) this.#push('assert', '\\A', 'start')
    else if (found === '\\Z' || (found === '$' && !m)) this.#push('assert', '(?:\\n?\\z)', 'end')
    else if (found === '^') this.#push('assert', '(?m:^)', 'lineStart')
    else if (found) this.#push('assert', found === '$' ? '(?m:$)' : found)
    return found !== undefined
  }

  #character(): void {
    const item = this.#itemHere(false)
    if (typeof item === 'string') this.#literal(item)
    else this.#push('char', `(?-i:[${item.set}])`)
  }

  /** The rest of a set, whose `[` has been taken. */
  #set(inverted = false): string {
    const isNegative = this.#take(/\^/y) !== null
    const items: string[] = []
    while (items.length === 0 || !this.#take(/\]/y)) {
      if (this.#at >= this.#pattern.length) throw invalid('missing terminating ]')
      const posix = this.#take(/\[:\^?([a-z]+):\]/y)
      if (posix && !posixClasses.test(posix[1]!)) throw invalid('unknown POSIX class name')
      items.push(posix?.[0] ?? this.#range())
    }
    const set = `[${isNegative !== inverted ? '^' : ''}${items.join('')}]`
    if (!this.#flags.at(-1)!.i || !items.some((item) => namedSet.test(item))) return set
    if (items.some((item) => casedItem.test(item))) throw unsupported('letters beside \\w with i')
    return `(?-i:${set})`
  }

  #range(): string {
    const from = this.#itemHere(true)
    if (typeof from !== 'string') return from.set
    if (!this.#take(/-(?!\])/y)) return codeOf(from)
    const to = this.#itemHere(true)
    if (typeof to !== 'string') throw unsupported('a range that ends in a set')
    if (to.codePointAt(0)! < from.codePointAt(0)!)
      throw invalid('range out of order in character class')
    return `${codeOf(from)}-${codeOf(to)}`
  }

  /** One character, written plainly or as an escape, or the inner text of a set. */
  #itemHere(inSet: boolean): string | { set: string } {
    if (inSet && this.#take(/\\[QE]|\[[.=]/y)) throw unsupported('\\Q, [. or [= in a set')
    const plain = this.#take(/[^\\]/uy)
    if (plain) return plain[0]
    const shorthand = this.#take(/\\([dwshv])/iy)?.[1]
    if (shorthand) return { set: setOf(shorthand, inSet) }
    if (this.#take(/\\(?=[pP])/y)) {
      const category = this.#take(/[pP](?:[CLMNPSZ]|\{\^?[CLMNPSZ][a-z]?\})/y)
      if (category) return { set: `\\${category[0]}` }
      throw this.#take(/[pP]\{\^?[\w& ]+\}/y)
        ? unsupported('this property')
        : invalid('malformed \\P or \\p sequence')
    }
    const numbered = this.#take(/\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{0,2}))/y)
    const octal = numbered ? null : this.#take(inSet ? /\\([0-7]{1,3})/y : /\\(0[0-7]{0,2})/y)
    if (numbered) return characterOf(parseInt(numbered[1] ?? (numbered[2] || '0'), 16))
    if (octal) return characterOf(parseInt(octal[1]!, 8))
    const escaped = this.#take(/\\(.)/suy)?.[1]
    if (escaped === undefined) throw invalid('\\ at end of pattern')
    if (inSet && escaped === 'b') return '\b'
    if (/^[A-Za-z0-9]$/.test(escaped) && !controls[escaped]) throw unsupported(`\\${escaped}`)
    return controls[escaped] ?? escaped
  }
}

function setOf(letter: string, inSet: boolean): string {
  const set = shorthands[letter.toLowerCase()]!
  if (letter === letter.toLowerCase()) return set
  if (!inSet) return `^${set}`
  if (letter === 'D' || letter === 'W') return `\\${letter}`
  if (letter === 'S') return '\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{10ffff}'
  throw unsupported(`\\${letter} in a set`)
}

const codeOf = (char: string): string => `\\x{${char.codePointAt(0)!.toString(16)}}`

function characterOf(code: number): string {
  if (code <= 0x10ffff) return String.fromCodePoint(code)
  throw invalid('character value in \\x{} or \\o{} is too large')
}

function changedFlags(flags: Flags, on: string, off: string): Flags {
  const result = { ...flags }
  for (const letter of on) result[letter as keyof Flags] = true
  for (const letter of off) result[letter as keyof Flags] = false
  return result
}
