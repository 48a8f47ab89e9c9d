// Sets of characters, as PCRE has them without its option UCP: `\d`, `\w`, `\s` and the POSIX
// classes are ASCII only, `\p{…}` and the comparison without case know all of Unicode.
import { refusal } from '../errors.ts'

/** Whether a character, given as its code point, is in a set. */
export type CharTest = (char: number) => boolean

const isDigit: CharTest = (char) => char >= 48 && char <= 57
const isLower: CharTest = (char) => char >= 97 && char <= 122
const isUpper: CharTest = (char) => char >= 65 && char <= 90
const isAlpha: CharTest = (char) => isLower(char) || isUpper(char)
const isSpace: CharTest = (char) => char === 32 || (char >= 9 && char <= 13)

/** A character of a word: a letter, a digit or `_`. */
export const isWord: CharTest = (char) => isAlpha(char) || isDigit(char) || char === 95

const isHorizontal: CharTest = (char) =>
  char === 9 ||
  char === 32 ||
  char === 0xa0 ||
  char === 0x1680 ||
  char === 0x180e ||
  (char >= 0x2000 && char <= 0x200a) ||
  char === 0x202f ||
  char === 0x205f ||
  char === 0x3000
const isVertical: CharTest = (char) =>
  (char >= 10 && char <= 13) || char === 0x85 || char === 0x2028 || char === 0x2029

const shorthands: Record<string, CharTest> = {
  d: isDigit,
  w: isWord,
  s: isSpace,
  h: isHorizontal,
  v: isVertical,
}

/** The set of `\d`, `\w`, `\s`, `\h` or `\v`; in capitals, what isn't in it. */
export function shorthandTest(letter: string): CharTest {
  const test = shorthands[letter.toLowerCase()]!
  return letter === letter.toLowerCase() ? test : (char) => !test(char)
}

const isGraph: CharTest = (char) => char > 32 && char < 127
const posixClasses: Record<string, CharTest> = {
  alpha: isAlpha,
  digit: isDigit,
  alnum: (char) => isAlpha(char) || isDigit(char),
  upper: isUpper,
  lower: isLower,
  space: isSpace,
  blank: (char) => char === 32 || char === 9,
  cntrl: (char) => char < 32 || char === 127,
  graph: isGraph,
  print: (char) => char === 32 || isGraph(char),
  punct: (char) => isGraph(char) && !isAlpha(char) && !isDigit(char),
  xdigit: (char) => isDigit(char) || (char >= 65 && char <= 70) || (char >= 97 && char <= 102),
  word: isWord,
  ascii: (char) => char < 128,
}

/** The set of a POSIX class; undefined if there is no such class. */
export function posixTest(name: string, negated: boolean): CharTest | undefined {
  const test = Object.hasOwn(posixClasses, name) ? posixClasses[name]! : undefined
  return test && negated ? (char) => !test(char) : test
}

const categories =
  /^(?:C|Cc|Cf|Cn|Co|Cs|L|Ll|Lm|Lo|Lt|Lu|M|Mc|Me|Mn|N|Nd|Nl|No|P|Pc|Pd|Pe|Pf|Pi|Po|Ps|S|Sc|Sk|Sm|So|Z|Zl|Zp|Zs|Any)$/

/** The set of `\p{name}`: a general category or a script. */
export function categoryTest(name: string, negated: boolean): CharTest {
  const property = name === 'L&' ? undefined : categories.test(name) ? name : `Script=${name}`
  let pattern: RegExp
  try {
    pattern = property ? new RegExp(`\\p{${property}}`, 'u') : /[\p{Lu}\p{Ll}\p{Lt}]/u
  } catch {
    throw refusal('NotImplemented', `$regex: the property ${name} is not supported`)
  }
  return remembered((char) => pattern.test(String.fromCodePoint(char)) !== negated)
}

function remembered(test: CharTest): CharTest {
  const known = new Map<number, boolean>()
  return (char) => {
    let found = known.get(char)
    if (found === undefined) {
      if (known.size > 4096) known.clear()
      known.set(char, (found = test(char)))
    }
    return found
  }
}

/** The other characters that are equal to this one if case doesn't count. */
function variantsOf(char: number): number[] {
  const text = String.fromCodePoint(char)
  const alike = [text.toLowerCase(), text.toUpperCase(), text.toUpperCase().toLowerCase()]
  const special = foldedAlike.find((group) => group.includes(text)) ?? ''
  return [...alike.filter((other) => Array.from(other).length === 1), ...special]
    .map((other) => other.codePointAt(0)!)
    .filter((other) => other !== char)
}

/** Groups of characters that differ only in case. Unicode's simple mappings miss some of them. */
const foldedAlike = [
  'kK\u212a',
  'sS\u017f',
  '\u00e5\u00c5\u212b',
  '\u03c9\u03a9\u2126',
  '\u03bc\u039c\u00b5',
  '\u00df\u1e9e',
  '\u03b9\u0399\u0345\u1fbe',
  '\u03c3\u03c2\u03a3',
  '\u03b2\u03d0\u0392',
  '\u03b8\u03d1\u03f4\u0398',
  '\u03c6\u03d5\u03a6',
  '\u03c0\u03d6\u03a0',
  '\u03ba\u03f0\u039a',
  '\u03c1\u03f1\u03a1',
  '\u03b5\u03f5\u0395',
  '\u1e61\u1e9b\u1e60',
]

/** The test, or the test without regard to case. */
export function foldedTest(test: CharTest, ignoreCase: boolean): CharTest
/** Whether a character other than `char` passes in its place. */
export function foldedTest(test: CharTest, ignoreCase: boolean, char: number): boolean
export function foldedTest(test: CharTest, ignoreCase: boolean, char?: number): CharTest | boolean {
  if (char !== undefined) return variantsOf(char).length > 0
  if (!ignoreCase) return test
  return remembered((candidate) => test(candidate) || variantsOf(candidate).some(test))
}
