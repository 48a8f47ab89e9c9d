import { expect, it } from 'vitest'
import { textsInCatalogues } from '../../tools/eslint-texts.ts'
import { lint } from './lint.ts'

it.each([
  ['text in markup', 'a.svelte', '<p>Hello</p>'],
  ['text beside an expression', 'a.svelte', '<p>{count} devices</p>'],
  ['a label', 'a.svelte', '<button aria-label="Close"></button>'],
  ['a placeholder with an expression', 'a.svelte', '<input placeholder="Search {name}" />'],
  ['a sentence in a script', 'a.ts', `notify('Moved to trash')`],
  ['a sentence with a value', 'a.ts', 'notify(`Renamed to ${title}`)'],
  ['a word that a menu shows', 'a.ts', `openMenu([{ label: 'Archive' }])`],
])('%s is reported', (_, file, code) => {
  expect(lint(textsInCatalogues, file, code)).toEqual([expect.stringContaining('catalogues')])
})

it.each([
  ['a text of the catalogues', 'a.svelte', `<p aria-label={t('a.b')}>{t('a.c')}</p>`],
  ['the key of a text', 'a.ts', `const tab = { label: 'settings.title' }`],
  ['the name of a key or an event', 'a.ts', `const isEnd = event.key === 'Escape'`],
  ['markup without words', 'a.svelte', '<p>{a} · {b}</p>'],
  ['an attribute that nobody reads', 'a.svelte', '<a class="big button" href="/app/new">{a}</a>'],
  ['an error for programmers', 'a.ts', `throw new Error('There is no catalogue')`],
  ['a style sheet', 'a.svelte', '<style>p { color: red }</style>'],
])('%s is not', (_, file, code) => {
  expect(lint(textsInCatalogues, file, code)).toEqual([])
})
