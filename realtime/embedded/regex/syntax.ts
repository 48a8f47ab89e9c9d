// Parses what PCRE understands into a tree. A pattern is either understood exactly, or invalid in
// PCRE too (51091), or refused as not supported: what only backtracking can match, and rare syntax.
import { locationRefusal, refusal } from '../errors.ts'
import { categoryTest, foldedTest, posixTest, shorthandTest, type CharTest } from './characters.ts'

/** A condition on a place in the text. */
export type Assertion =
  | 'start'
  | 'end'
  | 'last'
  | 'lineStart'
  | 'lineEnd'
  | 'word'
  | 'noWord'
  /** Looks at the next character only. */
  | { ahead: CharTest; isWanted: boolean }

/** A parsed pattern. `literal` is the character of a test that accepts only this one. */
export type Node =
  | { kind: 'char'; test: CharTest; literal?: number }
  | { kind: 'assert'; assertion: Assertion }
  | { kind: 'sequence' | 'choice'; nodes: readonly Node[] }
  | { kind: 'repeat'; node: Node; min: number; max: number }

interface Flags {
  readonly i: boolean
  readonly m: boolean
  readonly s: boolean
  readonly x: boolean
}

function invalid(reason: string): Error {
  return locationRefusal(51091, `Regular expression is invalid: ${reason}`)
}

export function unsupported(what: string): Error {
  return refusal('NotImplemented', `$regex: ${what} is not supported`)
}

const MAX_NESTING = 200
const MAX_REPETITIONS = 65_535

/** Parses a pattern. `options` are letters of `imsx`. */
export function parsePattern(pattern: string, options: string): Node {
  const has = (letter: string): boolean => options.includes(letter)
  return new Parser(pattern, { i: has('i'), m: has('m'), s: has('s'), x: has('x') }).parse()
}

const isDigit = (text: string | undefined): boolean => text !== undefined && /^[0-9]$/.test(text)

class Parser {
  /** The characters, not the code units. */
  readonly #text: readonly string[]
  #at = 0
  #flags: Flags
  #depth = 0

  constructor(pattern: string, flags: Flags) {
    this.#text = Array.from(pattern)
    this.#flags = flags
  }

  parse(): Node {
    const node = this.#choice()
    if (this.#at < this.#text.length) throw invalid('unmatched parentheses')
    return node
  }

  #looksAt(text: string): boolean {
    return Array.from(text).every((char, offset) => this.#text[this.#at + offset] === char)
  }

  #take(text: string): boolean {
    if (!this.#looksAt(text)) return false
    this.#at += text.length
    return true
  }

  /** Takes what `pattern` matches from here on. */
  #takeMatch(pattern: RegExp): RegExpExecArray | null {
    const found = pattern.exec(this.#text.slice(this.#at, this.#at + 200).join(''))
    if (found) this.#at += Array.from(found[0]).length
    return found
  }

  #choice(): Node {
    if (++this.#depth > MAX_NESTING) throw unsupported('such deep nesting')
    const before = this.#flags
    const nodes = [this.#sequence()]
    while (this.#take('|')) nodes.push(this.#sequence())
    this.#flags = before
    this.#depth--
    return nodes.length === 1 ? nodes[0]! : { kind: 'choice', nodes }
  }

  #sequence(): Node {
    const nodes: Node[] = []
    for (;;) {
      if (this.#flags.x) this.#takeMatch(/^(?:\s|#[^\n]*(?:\n|$))+/)
      const char = this.#text[this.#at]
      if (char === undefined || char === '|' || char === ')') break
      if (this.#take('(?#')) {
        if (!this.#takeMatch(/^[^)]*\)/)) throw invalid('missing ) after comment')
      } else if (this.#take('\\Q')) {
        this.#quoted(nodes)
      } else if (!this.#take('\\E')) {
        const atom = this.#atom()
        if (atom) nodes.push(this.#repeated(atom))
      }
    }
    return nodes.length === 1 ? nodes[0]! : { kind: 'sequence', nodes }
  }

  /** `\Q…\E`: a quantifier after it belongs to its last character. */
  #quoted(nodes: Node[]): void {
    while (this.#at < this.#text.length && !this.#looksAt('\\E'))
      nodes.push(this.#literal(this.#text[this.#at++]!.codePointAt(0)!))
    this.#take('\\E')
    const last = nodes.pop()
    if (last) nodes.push(this.#repeated(last))
  }

  #literal(char: number): Node {
    const { i } = this.#flags
    const test = foldedTest((candidate) => candidate === char, i)
    const alone = !i || !foldedTest((candidate) => candidate === char, true, char)
    return alone ? { kind: 'char', test, literal: char } : { kind: 'char', test }
  }

  #repeated(atom: Node): Node {
    let node = atom
    for (let nested = 0; ; nested++) {
      if (this.#flags.x) this.#takeMatch(/^\s+/)
      const found = this.#takeMatch(/^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})/)
      if (!found) return node
      if (nested > 0 || atom.kind === 'assert') {
        if (nested > 0 && !found[1]) throw invalid('nothing to repeat')
        throw unsupported('a repetition of a repetition or of an assertion')
      }
      const [min, max] = limitsOf(found)
      if (this.#take('+') && !this.#isAtEnd()) throw unsupported('a possessive quantifier here')
      this.#take('?')
      node = { kind: 'repeat', node, min, max }
    }
  }

  /** At the end of the pattern, a possessive quantifier matches what an ordinary one does. */
  #isAtEnd(): boolean {
    return this.#at >= this.#text.length
  }

  #atom(): Node | undefined {
    const { m, s } = this.#flags
    const char = this.#text[this.#at++]!
    switch (char) {
      case '(':
        return this.#group()
      case '[':
        return this.#class()
      case '.':
        return { kind: 'char', test: (candidate) => s || candidate !== 10 }
      case '^':
        return { kind: 'assert', assertion: m ? 'lineStart' : 'start' }
      case '$':
        return { kind: 'assert', assertion: m ? 'lineEnd' : 'last' }
      case '*':
      case '+':
      case '?':
        throw invalid('nothing to repeat')
      case '\\':
        return this.#escape()
      default:
        return this.#literal(char.codePointAt(0)!)
    }
  }

  #group(): Node | undefined {
    if (this.#looksAt('*')) throw unsupported('a verb such as (*UTF8)')
    const before = this.#flags
    if (this.#take('?')) {
      const look = this.#takeMatch(/^[=!]/)
      if (look) return this.#lookAhead(look[0] === '=')
      const flags = this.#takeMatch(/^([imsx]*)(?:-([imsx]*))?([:)])/)
      if (flags) {
        this.#flags = changedFlags(before, flags[1]!, flags[2] ?? '')
        if (flags[3] === ')') return undefined
      } else if (!this.#takeMatch(/^(?:P?<[A-Za-z_]\w{0,31}>|'[A-Za-z_]\w{0,31}')/)) {
        throw this.#isAtEnd() ? invalid('unrecognized character after (?') : unsupported('this (?')
      }
    }
    const node = this.#choice()
    if (!this.#take(')')) throw invalid('missing )')
    this.#flags = before
    return node.kind === 'assert' ? { kind: 'sequence', nodes: [node] } : node
  }

  /** A look-ahead at more than one character would need backtracking, so it is refused. */
  #lookAhead(isWanted: boolean): Node {
    const node = this.#choice()
    if (!this.#take(')')) throw invalid('missing )')
    const [single = node] = node.kind === 'sequence' && node.nodes.length === 1 ? node.nodes : []
    if (single.kind !== 'char') throw unsupported('a look at more than one character')
    return { kind: 'assert', assertion: { ahead: single.test, isWanted } }
  }

  #escape(): Node {
    const char = this.#text[this.#at++]
    switch (char) {
      case undefined:
        throw invalid('\\ at end of pattern')
      case 'A':
        return { kind: 'assert', assertion: 'start' }
      case 'z':
        return { kind: 'assert', assertion: 'end' }
      case 'Z':
        return { kind: 'assert', assertion: 'last' }
      case 'b':
        return { kind: 'assert', assertion: 'word' }
      case 'B':
        return { kind: 'assert', assertion: 'noWord' }
      case 'N':
        return { kind: 'char', test: (candidate) => candidate !== 10 }
    }
    if (/^[1-9]$/.test(char)) throw unsupported('a back reference')
    this.#at--
    const test = this.#set()
    return test ? { kind: 'char', test } : this.#literal(this.#character(false))
  }

  /** The set of characters that an escape such as `\d` names; undefined for other escapes. */
  #set(): CharTest | undefined {
    const char = this.#text[this.#at]!
    if (/^[dDwWsShHvV]$/.test(char)) {
      this.#at++
      return shorthandTest(char)
    }
    if (char !== 'p' && char !== 'P') return undefined
    const found = this.#takeMatch(/^[pP](?:([A-Z])|\{(\^?)([\w& ]+)\})/)
    if (!found) throw invalid('malformed \\P or \\p sequence')
    const negated = (char === 'P') !== (found[2] === '^')
    return categoryTest(found[1] ?? found[3]!, negated)
  }

  /** The character of an escape, whose backslash has been taken. */
  #character(inClass: boolean): number {
    const hex = this.#takeMatch(/^x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{0,2}))/)
    if (hex) {
      const char = parseInt(hex[1] ?? (hex[2] || '0'), 16)
      if (char > 0x10ffff) throw invalid('character value in \\x{} or \\o{} is too large')
      return char
    }
    const octal = this.#takeMatch(inClass ? /^[0-7]{1,3}/ : /^0[0-7]{0,2}/)
    if (octal) return parseInt(octal[0], 8)
    const char = this.#text[this.#at++]!
    const known = { t: 9, n: 10, r: 13, f: 12, e: 27, a: 7 }[char]
    if (known !== undefined) return known
    if (char === 'b' && inClass) return 8
    if (/^[A-Za-z0-9]$/.test(char)) throw unsupported(`\\${char}`)
    return char.codePointAt(0)!
  }

  #class(): Node {
    const negated = this.#take('^')
    const tests: CharTest[] = []
    for (let first = true; ; first = false) {
      const char = this.#text[this.#at]
      if (char === undefined) throw invalid('missing terminating ] for character class')
      if (char === ']' && !first) break
      const posix = this.#takeMatch(/^\[:(\^?)([a-z]+):\]/)
      const item = posix ? posixTest(posix[2]!, posix[1] === '^') : this.#classItem()
      if (item === undefined) throw invalid('unknown POSIX class name')
      tests.push(typeof item === 'number' ? this.#range(item) : item)
    }
    this.#at++
    const within = foldedTest((char) => tests.some((test) => test(char)), this.#flags.i)
    return { kind: 'char', test: negated ? (char) => !within(char) : within }
  }

  /** A character of a class, or a set of characters such as `\d`. */
  #classItem(): number | CharTest {
    if (this.#looksAt('\\Q') || this.#looksAt('\\E')) throw unsupported('\\Q in a class')
    if (this.#looksAt('[.') || this.#looksAt('[=')) throw unsupported('[. or [= in a class')
    if (this.#take('\\')) {
      if (this.#isAtEnd()) throw invalid('\\ at end of pattern')
      return this.#set() ?? this.#character(true)
    }
    return this.#text[this.#at++]!.codePointAt(0)!
  }

  #range(from: number): CharTest {
    const next = this.#text[this.#at + 1]
    if (!this.#looksAt('-') || next === ']' || next === undefined) return (char) => char === from
    this.#at++
    const to = this.#classItem()
    if (typeof to !== 'number') throw unsupported('a range that ends in a set')
    if (to < from) throw invalid('range out of order in character class')
    return (char) => char >= from && char <= to
  }
}

function limitsOf(found: RegExpExecArray): [number, number] {
  if (found[1] === undefined) {
    if (found[0] === '?') return [0, 1]
    return [found[0] === '*' ? 0 : 1, Infinity]
  }
  const min = Number(found[1])
  const max = found[2] === undefined ? min : isDigit(found[3]?.[0]) ? Number(found[3]) : Infinity
  if (min > MAX_REPETITIONS || (max !== Infinity && max > MAX_REPETITIONS))
    throw invalid('number too big in {} quantifier')
  if (max < min) throw invalid('numbers out of order in {} quantifier')
  return [min, max]
}

function changedFlags(flags: Flags, on: string, off: string): Flags {
  const result = { ...flags }
  for (const letter of on) result[letter as keyof Flags] = true
  for (const letter of off) result[letter as keyof Flags] = false
  return result
}
