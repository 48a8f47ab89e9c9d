// The catalogues of texts: complete in every language, and in use.
import { readdirSync, readFileSync } from 'node:fs'
import { parse, type Token } from '@messageformat/parser'
import { describe, expect, test } from 'vitest'
import { reasons } from '../../realtime/agents/provider.ts'
import { compileCatalogue } from '../../tools/vite/texts.ts'
import {
  languageFor,
  languages,
  loadLaterTexts,
  showLanguage,
  shownLanguage,
  t,
} from '../../ui/src/lib/texts.ts'
import { formatIn } from '../../ui/src/lib/format-message.ts'

type Catalogue = Record<string, Record<string, string>>
const folder = new URL('../../ui/texts/', import.meta.url)
const catalogueOf = (language: string): Catalogue =>
  JSON.parse(readFileSync(new URL(`${language}.json`, folder), 'utf8')) as Catalogue
const messagesOf = (catalogue: Catalogue): Map<string, string> =>
  new Map(
    Object.entries(catalogue).flatMap(([section, messages]) =>
      Object.entries(messages).map(([key, message]): [string, string] => [
        `${section}.${key}`,
        message,
      ]),
    ),
  )
const english = messagesOf(catalogueOf('en'))

/** The names of the values that a message shows. */
function valuesOf(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token) =>
    token.type === 'content' || token.type === 'octothorpe'
      ? []
      : 'cases' in token
        ? [token.arg, ...token.cases.flatMap(({ tokens }) => valuesOf(tokens))]
        : [token.arg],
  )
}
/** The cases of the plurals in a message, without those for exact numbers. */
function pluralsOf(message: string): string[][] {
  return parse(message).flatMap((token) =>
    token.type === 'plural'
      ? [token.cases.map(({ key }) => key).filter((key) => !key.startsWith('='))]
      : [],
  )
}
/** Whether a message has what the page can't format, such as `{at, date}`. */
const hasOtherType = (tokens: readonly Token[]): boolean =>
  tokens.some((token) =>
    'cases' in token
      ? token.type === 'selectordinal' ||
        token.pluralOffset !== undefined ||
        token.cases.some(({ tokens }) => hasOtherType(tokens))
      : token.type === 'function',
  )

test('each language that can be chosen has a catalogue, and each catalogue is a language', () => {
  const files = readdirSync(folder).map((file) => file.replace('.json', ''))
  expect(files.sort()).toEqual(languages.map(({ tag }) => tag).sort())
})

describe.each(languages.map(({ tag }) => tag))('the catalogue %s', (language) => {
  const messages = messagesOf(catalogueOf(language))

  test('has every text', () => {
    expect([...messages.keys()].sort()).toEqual([...english.keys()].sort())
    expect([...messages].filter(([, message]) => message.trim() === '')).toEqual([])
  })

  test('shows the same values as the English one', () => {
    for (const [key, message] of messages)
      expect(new Set(valuesOf(parse(message))), key).toEqual(
        new Set(valuesOf(parse(english.get(key) ?? ''))),
      )
  })

  test('has the plurals of its language', () => {
    const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions()
    for (const [key, message] of messages)
      for (const cases of pluralsOf(message))
        expect([...cases].sort(), key).toEqual([...pluralCategories].sort())
  })

  test('has only values, plurals and choices', () => {
    const others = [...messages].filter(([, message]) => hasOtherType(parse(message)))
    expect(others).toEqual([])
  })

  test('is written in its script', () => {
    const script = language === 'ar' ? /\p{Script=Arabic}/u : /\p{Script=Latin}/u
    // names of the product and of keys, and texts that only put values together
    const others = /^common\.(appName|pageTitle|server)$|Keys?$/
    const bare = (message: string): string => message.replace(/\{[^{}]*\}/g, '')
    for (const [key, message] of messages)
      if (!others.test(key) && /\p{L}/u.test(bare(english.get(key) ?? '')))
        expect(message, key).toMatch(script)
  })
})

test('every text is in use', () => {
  const sources = readdirSync(new URL('../src/', folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8'))
    .join('\n')
  const isUsed = (key: string): boolean =>
    sources.includes(`'${key}'`) ||
    key.startsWith('reasons.') ||
    ['newChat', 'devtoolsPanel'].some(
      (section) => key.startsWith(`${section}.`) && sources.includes(`\`${section}.\${`),
    )
  expect([...english.keys()].filter((key) => !isUsed(key))).toEqual([])
})

test('each reason why a reply ended has a text', () => {
  expect(Object.keys(catalogueOf('en').reasons!).sort()).toEqual(Object.keys(reasons).sort())
})

test('the language is the wanted one, or the first of the browser that has a catalogue', () => {
  expect(languageFor('ar', ['en-GB'])).toBe('ar')
  expect(languageFor(undefined, ['fr-CH', 'ar-EG', 'en'])).toBe('ar')
  expect(languageFor('tlh', ['de', 'en-AU'])).toBe('en')
  expect(languageFor(undefined, ['de'])).toBe('en')
  expect(languageFor('en-XA', ['ar'])).toBe('en-XA')
})

test('in a text from right to left each value stands for itself, in plurals too', () => {
  const message = '“{name}” {count, plural, one {# of {name}} other {#}}'
  const compiled = (language: string) =>
    JSON.stringify(compileCatalogue({ section: { key: message } }, { language }))
  const isolated = JSON.stringify(['\u2068', ['name'], '\u2069']).slice(1, -1)
  for (const { tag, direction } of languages)
    expect(compiled(tag).split(isolated).length - 1, tag).toBe(direction === 'rtl' ? 2 : 0)
})

test('a message shows its values, the plural of its language and the choice of a value', () => {
  const say = (language: string, message: string, values: Record<string, string | number>) =>
    formatIn(language)(
      compileCatalogue({ section: { message } }, { language })['section.message']!,
      values,
    )
  const chats = '{count, plural, =0 {No chats} one {# chat of {name}} other {# chats of {name}}}'
  expect(say('en', chats, { count: 0, name: 'Ann' })).toBe('No chats')
  expect(say('en', chats, { count: 1, name: 'Ann' })).toBe('1 chat of Ann')
  expect(say('en', chats, { count: 1200, name: 'Ann' })).toBe('1,200 chats of Ann')
  const few = '{count, plural, two {اثنان} few {قليل} other {كثير}}'
  expect([2, 5, 100].map((count) => say('ar', few, { count }))).toEqual(['اثنان', 'قليل', 'كثير'])
  const saved = '{isNew, select, yes {A new # of {name}} other {An old one}}'
  expect(say('en', saved, { isNew: 'yes', name: 'Ann' })).toBe('A new # of Ann')
  expect(say('en', saved, { isNew: 'no', name: 'Ann' })).toBe('An old one')
})

test('a language that is chosen while the later texts are loaded is shown, with those texts', async () => {
  const load = (language: string, part: string): Promise<Record<string, string[]>> =>
    Promise.resolve({
      [part === 'start' ? 'common.appName' : 'agents.title']: [`${part} texts in ${language}`],
    })
  await showLanguage('en', load)
  await Promise.all([showLanguage('ar', load), loadLaterTexts(load)])
  expect(shownLanguage()).toBe('ar')
  expect(t('agents.title')).toBe('later texts in ar')

  const fail = (): Promise<never> => Promise.reject(new Error('The server is away.'))
  await expect(Promise.all([showLanguage('en-XA', fail), loadLaterTexts(fail)])).rejects.toThrow()
  await loadLaterTexts(load)
  expect(shownLanguage()).toBe('ar')
})
