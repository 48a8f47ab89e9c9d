// The matches of a search in a text, which the list and the thread mark.
import { expect, test } from 'vitest'
import { fromFirstMatch, textMatches } from '../../ui/src/lib/components/elements/text-matches.ts'

const matched = (text: string, query: string) =>
  textMatches(text, query).map(({ start, end }) => text.slice(start, end))

test('every occurrence is matched without regard to case, and matches do not overlap', () => {
  expect(matched('Spring in spring', ' SPRING ')).toEqual(['Spring', 'spring'])
  expect(matched('aaaaa', 'aa')).toEqual(['aa', 'aa'])
})

test('an empty query matches nothing', () => {
  expect(matched('text', ' ')).toEqual([])
})

test('what the server’s search finds is marked, also where case changes the length of a text', () => {
  expect(matched('İstanbul in SPRİNG, straße', 'spring')).toEqual(['SPRİNG'])
  expect(matched('Cafe\u0301 café', 'CAFÉ')).toEqual(['Cafe\u0301', 'café'])
  expect(matched('STRASSE straße', 'straße')).toEqual(['STRASSE', 'straße'])
})

test('a line leaves out its beginning, so that its first match is in sight', () => {
  const words = (count: number) => 'word '.repeat(count)
  expect(fromFirstMatch(`${words(3)}match`, 'match')).toBe(`${words(3)}match`)
  expect(fromFirstMatch(`${words(9)}match ${words(9)}`, 'match')).toBe(
    `…${words(4)}match ${words(9)}`,
  )
  expect(fromFirstMatch(`${'x'.repeat(40)}match`, 'match')).toBe('…match')
  expect(fromFirstMatch(words(20), 'match')).toBe(words(20))
})
