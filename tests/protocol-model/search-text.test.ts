// Which texts the search treats as equal. The pattern is used by the database and by the page.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { searchPattern } from '@lockstep/protocol/search-text'

const finds = (query: string, text: string): boolean =>
  new RegExp(searchPattern(query), 'u').test(text)

const equal = [
  ['mavi', 'MAVİ', 'MAVI', 'mavı', 'Mavi\u0307'],
  ['ısı', 'ISI', 'isi', 'İSİ'],
  ['straße', 'STRASSE', 'STRAẞE', 'strasse', 'ſtraſſe'],
  ['café', 'CAFÉ', 'cafe\u0301', 'CAFE\u0301'],
  ['Σίσυφος', 'ΣΊΣΥΦΟΣ', 'σίσυφοσ', 'ΣΙ\u0301ΣΥΦΟΣ'],
  ['office', 'oﬃce', 'oﬀice', 'ofﬁce', 'OFFICE'],
  ['10 kΩ', '10 KΩ', '10 \u212a\u2126'],
  ['ångström', 'ÅNGSTRÖM', '\u212bngström', 'a\u030angstro\u0308m'],
  ['việt', 'VIỆT', 'vie\u0323\u0302t', 'vie\u0302\u0323t', 'vi\u1eb9\u0302t', 'vi\u00ea\u0323t'],
  ['한국', '\u1112\u1161\u11ab\u1100\u116e\u11a8', '\ud558\u11ab국'],
  ['кот', 'КОТ'],
  ['a.b*(c) [d] {e} $ ^ \\ | ? +-/#', 'A.B*(C) [D] {E} $ ^ \\ | ? +-/#'],
]

test.for(equal)('%s and its other forms find each other', (forms) => {
  for (const query of forms)
    for (const text of forms) expect(finds(query, `(${text})`), `${query} in ${text}`).toBe(true)
})

test.for([
  ['cafe', 'café'],
  ['cafe', 'cafe\u0301'],
  ['café', 'cafe'],
  ['a.b', 'axb'],
  ['mavi', 'mav'],
])('%s is not found in %s', ([query, text]) => {
  expect(finds(query!, text!)).toBe(false)
})

test('any text finds itself in any case and normal form', () => {
  const letter = fc.constantFrom(
    ...'aiIsSßİıéÉǅﬁσςΣΐᾳкЁ한ế𐐀𝒳 .\\[(-क😀'.split(/(?:)/u),
    ...[
      'e\u0301',
      'o\u0323\u0302',
      'o\u0302\u0323',
      'कि',
      'Å',
      '\u212b',
      '\u212a',
      'ss',
      'ffi',
      'i\u0307',
    ],
  )
  // Longer runs of letters of which several may be written as one are cut (search-text.ts).
  const isCut = (made: string) => /[sfi]{7}/u.test(made.toUpperCase().toLowerCase())
  const text = fc
    .array(letter, { maxLength: 40 })
    .map((letters) => letters.join(''))
    .filter((made) => !isCut(made))
  const change = fc.constantFrom(
    (made: string) => made,
    (made: string) => made.normalize('NFD'),
    (made: string) => made.normalize('NFC'),
  )
  fc.assert(
    fc.property(text, change, change, (made, one, other) => finds(one(made), other(made))),
    { numRuns: 2_000 },
  )
})

test('a long run of letters that may be written as one is found as it was written (seed -1359726981)', () => {
  expect(finds('ßsssß', 'ßsssß')).toBe(true)
  expect(finds('Straßsssße', 'STRAßSSSßE')).toBe(true)
})

test('a text of the greatest length makes a pattern that databases accept', () => {
  for (const letter of ['a', 'ế', 'ᾦ', 'ﬃ', 'ffi', '한', 'i', '\\'])
    expect(Buffer.byteLength(searchPattern(letter.repeat(500 / letter.length)))).toBeLessThan(
      32_000,
    )
})
