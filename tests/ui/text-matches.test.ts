// The matches of a search in a text, which the list and the thread mark.
import { expect, test } from 'vitest'
import { textMatches } from '../../ui/src/lib/components/elements/text-matches.ts'

const matched = (text: string, query: string) =>
  textMatches(text, query).map(({ start, end }) => text.slice(start, end))

test('every occurrence is matched without regard to case, and matches do not overlap', () => {
  expect(matched('Spring in spring', ' SPRING ')).toEqual(['Spring', 'spring'])
  expect(matched('aaaaa', 'aa')).toEqual(['aa', 'aa'])
})

test('an empty query matches nothing', () => {
  expect(matched('text', ' ')).toEqual([])
})

test('nothing is matched in a text whose length changes in lower case', () => {
  expect('İ'.toLocaleLowerCase('en').length).toBeGreaterThan(1)
  expect(matched('İstanbul in spring', 'spring')).toEqual([])
})
