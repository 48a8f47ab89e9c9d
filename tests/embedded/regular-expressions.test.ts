// Regular expressions against those of JavaScript, for all that both have. What PCRE does otherwise
// is in mongo-vectors/regular-expressions-pcre.jsonl.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Regex } from '../../realtime/embedded/regex/regex.ts'
import { inForm } from '../harness/long-form.ts'
import { randomOf } from '../harness/random.ts'
import { openDatabase } from './database.ts'

const runs = inForm(300, Number(process.env.FUZZ_SEEDS))

const characters = ['a', 'b', 'B', ' ', 'é', '😀', '\n', '_']
const text = fc.array(fc.constantFrom(...characters), { maxLength: 14 }).map((all) => all.join(''))

/** A pattern in both notations, which write the end of a text differently. */
interface Pattern {
  ours: string
  theirs: string
}
const same = (written: string): Pattern => ({ ours: written, theirs: written })
const joined = (parts: readonly Pattern[], separator = ''): Pattern => ({
  ours: parts.map(({ ours }) => ours).join(separator),
  theirs: parts.map(({ theirs }) => theirs).join(separator),
})
const wrapped = ({ ours, theirs }: Pattern, after: string): Pattern => ({
  ours: `(?:${ours})${after}`,
  theirs: `(?:${theirs})${after}`,
})

const { pattern } = fc.letrec<{ pattern: Pattern; part: Pattern }>((tie) => ({
  pattern: fc
    .array(
      fc.array(tie('part'), { minLength: 1, maxLength: 4 }).map((parts) => joined(parts)),
      {
        minLength: 1,
        maxLength: 3,
      },
    )
    .map((choices) => joined(choices, '|')),
  part: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('a', 'b', 'é', '😀', '[aB]', '[^a]', '\\w', '\\W', '\\n').map(same),
    fc.constantFrom('\\b', '\\B', '^').map(same),
    fc.constant<Pattern>({ ours: '\\z', theirs: '$' }),
    fc
      .tuple(tie('pattern'), fc.constantFrom('', '?', '*', '+', '{2}', '{1,2}'))
      .map(([inner, after]) => wrapped(inner, after)),
  ),
}))

/** A look ahead is claimed at the end, where searches for words have one. */
const withLook = fc
  .tuple(pattern, fc.constantFrom('', '', '(?=[a])', '(?![b])', '(?![aé])', '(?=[^b])'))
  .map(([inner, look]) => wrapped(inner, look))

/**
 * Whether JavaScript finds `pattern` in `text`, asked at the start of each character. An unanchored
 * search of V8 also looks between the two halves of a surrogate pair, where no character starts:
 * /\\B/u finds a place in 'a😀a'.
 */
function isFoundByJavaScript(pattern: string, text: string): boolean {
  const regex = new RegExp(pattern, 'uy')
  const starts = [0]
  for (const character of text) starts.push(starts.at(-1)! + character.length)
  return starts.some((start) => {
    regex.lastIndex = start
    return regex.test(text)
  })
}

test('the time limit ends a match within one text', async () => {
  await using database = await openDatabase()
  const items = database.db.collection<{ _id: number; text: string }>('items')
  // about two seconds of work: each start keeps the 200 characters after it open
  const random = randomOf(1)
  const text = Array.from({ length: 1_000_000 }, () => (random() < 0.5 ? 'a' : 'b')).join('')
  await items.insertOne({ _id: 1, text })
  const began = performance.now()
  const slow = items.find({ text: /a[ab]{200}[cd]/ }, { maxTimeMS: 50 }).toArray()
  await expect(slow).rejects.toMatchObject({ code: 50 })
  const limited = performance.now() - began
  expect(limited).toBeLessThan(1_000)
})

test('no place is found within a character of two UTF-16 units', () => {
  expect(new Regex('\\B', '').test('a😀a')).toBe(false)
  expect(isFoundByJavaScript('\\B', 'a😀a')).toBe(false)
})

test(`a pattern matches the same texts as in JavaScript (${runs} patterns)`, () => {
  fc.assert(
    fc.property(
      withLook,
      fc.array(text, { minLength: 1, maxLength: 4 }),
      ({ ours, theirs }, texts) => {
        const regex = new Regex(ours, '')
        // each text twice: an expression keeps states from earlier texts
        for (const candidate of [...texts, ...texts])
          expect(regex.test(candidate), JSON.stringify([ours, candidate])).toBe(
            isFoundByJavaScript(theirs, candidate),
          )
      },
    ),
    { numRuns: runs },
  )
})

// What PCRE does otherwise than RE2 and JavaScript.
test.each([
  ['c$', '', 'abc\n', true],
  ['^(?:a|b$)', '', 'b\n', true],
  ['\\s', '', '\v', true],
  ['[\\S]', '', '\v', false],
  ['a{,2}', '', 'a{,2}', true],
  ['\\w', 'i', 'ſ', false],
  ['s', 'i', 'ſ', true],
  ['\\p{Lu}', 'i', 'a', false],
  ['(?i)b|c', '', 'C', true],
  ['a++', '', 'aa', true],
])('%j with the options %j matches %j: %j', (source, options, candidate, expected) => {
  expect(new Regex(source, options).test(candidate)).toBe(expected)
})
