// Regular expressions: PCRE's syntax, translated for RE2 (`re2js`), whose time is in proportion to
// the text. A pattern is either translated exactly or refused.
import { RE2JS } from 're2js'
import { tokensOf, unsupported, type Token } from './tokens.ts'

const MAX_WORK = 2 ** 31
/** How much of it may pass, some ten milliseconds, before the time limit is looked at again. */
const CHECKED_WORK = 2 ** 20

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
    this.#pattern = compiled(tokens, flags)
    this.#steps = this.#pattern.programSize()
    this.#checkTime = checkTime
    tokens.forEach(({ kind }, at) => {
      if (kind === 'end' && !endsMatch(tokens, at + 1))
        throw unsupported('something after $, \\Z or a look ahead')
    })
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

const nesting = ({ kind }: Token): number => (kind === 'open' ? 1 : kind === 'close' ? -1 : 0)

function endOfGroup(tokens: readonly Token[], from: number): number {
  let depth = 0
  for (let at = from; at < tokens.length; at++) {
    const { kind } = tokens[at]!
    if (depth === 0 && kind === 'close') return at
    depth += nesting(tokens[at]!)
  }
  return tokens.length
}

/** Whether a match ends where the tokens from `from` on follow. */
function endsMatch(tokens: readonly Token[], from: number): boolean {
  let at = from
  while (tokens[at]) {
    const isOr = tokens[at]!.kind === 'or'
    const end = isOr ? endOfGroup(tokens, at) : at
    if (tokens[end] && tokens[end].kind !== 'close') return false
    if (tokens[end + 1]?.kind === 'repeat') return false
    at = end + 1
  }
  return true
}
