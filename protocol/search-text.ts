// How a search compares texts: without regard to case and to the form in which Unicode writes a
// character. The pattern is the only definition: databases search with it, and pages mark what it
// matches. It therefore finds text in the form in which it was stored.

/** Case and other differences that don't matter, for one character or more. */
const folded = (text: string): string => text.toLowerCase().toUpperCase().toLowerCase()

/** Where Unicode has letters with case, and characters that are only other names of others. */
const ranges = [
  [0x41, 0x24ff],
  [0x2c00, 0x2dff],
  [0xa640, 0xabbf],
  [0xf900, 0xfb4f],
  [0xff21, 0xff5a],
  [0x10400, 0x105ff],
  [0x10c80, 0x10cff],
  [0x10d50, 0x10d85],
  [0x118a0, 0x118df],
  [0x16e40, 0x16e7f],
  [0x16ea0, 0x16ed3],
  [0x1e900, 0x1e943],
  [0x2f800, 0x2fa1d],
] as const

interface Equals {
  /** Characters by the letters that they fold to, which may be several, as for "ß". */
  byFold: Map<string, string>
  /** Other characters with the same normal form, such as the sign of the ångström for "Å". */
  byForm: Map<string, string>
}
let found: Equals | undefined

function equals(): Equals {
  if (found) return found
  const byFold = new Map<string, string>()
  const byForm = new Map<string, string>()
  const add = (map: Map<string, string>, key: string, character: string) => {
    if (key !== character) map.set(key, (map.get(key) ?? '') + character)
  }
  for (const [first, last] of ranges)
    for (let code = first; code <= last; code++) {
      const character = String.fromCodePoint(code)
      const form = character.normalize('NFC')
      add(byForm, form, character)
      // A character that consists of a letter and marks isn't listed: it is compared mark by mark.
      if ([...form.normalize('NFD')].length === 1) add(byFold, folded(form), character)
    }
  // Turkish writes the dotted and the dotless letter in both cases.
  byFold.set('i', `${byFold.get('i')}ıİ`)
  return (found = { byFold, byForm })
}

/** The dot that "i" has anyway. */
const dot = '\u0307'

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
const anyOf = (alternatives: Iterable<string>): string => {
  const all = [...new Set(alternatives)]
  return all.length === 1 ? all[0]! : `(?:${all.join('|')})`
}
const anyCharacterOf = (text: string): string => {
  const all = [...new Set(text)]
  return all.length === 1 ? escaped(all[0]!) : `[${all.map(escaped).join('')}]`
}

/** A character by any of its names. */
const characterPattern = (character: string): string =>
  anyCharacterOf(character + (equals().byForm.get(character) ?? ''))

/** One folded letter without marks. */
function letterPattern(letter: string): string {
  const pattern = anyCharacterOf(letter + (equals().byFold.get(letter) ?? ''))
  return letter === 'i' ? `${pattern}${dot}?` : pattern
}

/** The numbers of letters from `at` on that may be written as one character. */
const joinedLengths = (letters: readonly string[], at: number): number[] =>
  [2, 3].filter(
    (length) =>
      at + length <= letters.length && equals().byFold.has(letters.slice(at, at + length).join('')),
  )

/** Letters that may be joined, such as "ss" in "ß", form a run. A longer run is cut. */
const longestRun = 6

/** The end of the letters that belong together because some of them may be written as one. */
function runEnd(letters: readonly string[], start: number): number {
  let end = start + 1
  for (let at = start; at < end && end - start < longestRun; at++)
    end = Math.max(end, ...joinedLengths(letters, at).map((length) => at + length))
  return end
}

/** Every way to write the letters of a run. */
function runPattern(letters: readonly string[]): string {
  const [first] = letters
  if (first === undefined) return ''
  const joined = joinedLengths(letters, 0).map((length) => {
    const one = anyCharacterOf(equals().byFold.get(letters.slice(0, length).join('')) ?? '')
    return one + runPattern(letters.slice(length))
  })
  return anyOf([letterPattern(first) + runPattern(letters.slice(1)), ...joined])
}

/** Letters without marks. Some may be written as one, such as "ss" and "fi". */
function lettersPattern(letters: readonly string[]): string {
  let pattern = ''
  for (let at = 0; at < letters.length;) {
    const end = runEnd(letters, at)
    pattern += runPattern(letters.slice(at, end))
    at = end
  }
  return pattern
}

/** Whether a run is so long that it is cut: then not every way to write it is in the pattern. */
const isCut = (letters: readonly string[]): boolean =>
  letters.some((_, at) => runEnd(letters, at) - at >= longestRun)

/** The orders in which marks may be written without another meaning. */
function ordersOf(marks: readonly string[]): string[][] {
  if (marks.length > 3) return [[...marks]]
  const orders = (rest: readonly string[]): string[][] =>
    rest.length === 0
      ? [[]]
      : rest.flatMap((mark, index) =>
          orders(rest.toSpliced(index, 1)).map((order) => [mark, ...order]),
        )
  const canonical = marks.join('').normalize('NFD')
  return orders(marks).filter((order) => order.join('').normalize('NFD') === canonical)
}

/** A letter with marks, or a syllable: composed, decomposed, and composed in part. */
function markedPattern(character: string): string {
  const [letter = '', ...marks] = character.normalize('NFD')
  const base = folded(letter)
  const letters = new Set(base + (equals().byFold.get(base) ?? ''))
  const forms: string[] = []
  for (const written of [...base].length > 1 ? [letter] : letters)
    for (const order of ordersOf(marks))
      for (let composed = 0; composed <= order.length; composed++) {
        const start = (written + order.slice(0, composed).join('')).normalize('NFC')
        const rest = order.slice(composed).map(characterPattern).join('')
        for (const name of [start, ...(equals().byForm.get(start) ?? '')])
          forms.push(escaped(name) + rest)
      }
  return anyOf(forms)
}

/** Databases refuse patterns of 32 KB. */
const maxPatternLength = 10_000

const oneCharacter = (text: string): string => ([...text].length === 1 ? text : '')

/** For long texts of letters that have many forms: a pattern that only ignores case. */
const shortPattern = (text: string): string =>
  Array.from(text, (letter) =>
    anyCharacterOf(
      letter + oneCharacter(letter.toLowerCase()) + oneCharacter(letter.toUpperCase()),
    ),
  ).join('')

/**
 * A regular expression, for JavaScript with the flag `u` and for PCRE, that matches the text in
 * any case and in any normal form.
 */
export function searchPattern(text: string): string {
  let pattern = ''
  let plain: string[] = []
  let lacksForms = false
  const flush = () => {
    lacksForms ||= isCut(plain)
    pattern += lettersPattern(plain)
    plain = []
  }
  for (const [cluster] of text.normalize('NFC').matchAll(/\P{M}?\p{M}*/gu)) {
    if (cluster === '') continue
    const simple = cluster
      .normalize('NFD')
      .replace(/^\P{M}/u, folded)
      .replace(`i${dot}`, 'i')
      .normalize('NFC')
    const isMarked = simple.normalize('NFD') !== simple || /\p{M}/u.test(simple)
    if (!isMarked) plain.push(...simple)
    else {
      flush()
      pattern += markedPattern(simple)
    }
  }
  flush()
  if (pattern.length > maxPatternLength) return shortPattern(text)
  if (lacksForms) pattern = anyOf([pattern, shortPattern(text)])
  // A letter without a mark isn't found in a letter with one, even if the mark is a character of
  // its own.
  return `${pattern}(?![\u0300-\u036f])`
}
