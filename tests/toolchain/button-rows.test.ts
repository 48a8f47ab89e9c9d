// The walk of buttons finds those that it comes across. A button in a state that no scene reaches
// would need no row, so here the buttons come from the source: whatever the page can offer to press
// has a row with what a person sees, by the texts that it can have.
import { globSync, readFileSync } from 'node:fs'
import { parse } from 'svelte/compiler'
import { expect, test } from 'vitest'
import english from '../../ui/texts/en.json' with { type: 'json' }
import { allScenes, parts } from '../browser/button-walk/parts.ts'
import type { WalkAccount } from '../browser/button-walk/walk-account.ts'

/** Buttons of states that the walk can't reach, each with the test that presses it. */
const pressedElsewhere: Record<string, string> = {
  'common.reload': 'missing-parts.test.ts',
  'entry.resetButton': 'entry.test.ts',
  'signIn.continueWith': 'host-users.test.ts',
}

interface Node {
  type?: string
  name?: unknown
  [part: string]: unknown
}
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

/** The nodes below this one, itself included. */
function* within(node: unknown): Generator<Node> {
  if (Array.isArray(node)) for (const child of node) yield* within(child)
  else if (isNode(node)) {
    yield node
    for (const part of Object.values(node)) if (isNode(part)) yield* within(part)
  }
}

/** The texts that this part of a component shows, each as the keys that it can be. */
function textsIn(part: unknown): Texts {
  const texts: Texts = []
  for (const { type, callee, arguments: given } of within(part))
    if (type === 'CallExpression' && isNode(callee) && callee.name === 't' && Array.isArray(given))
      texts.push(
        [...within(given[0])].flatMap(({ type, value }) =>
          type === 'Literal' && typeof value === 'string' && value.includes('.') ? [value] : [],
        ),
      )
  return texts.filter((keys) => keys.length > 0)
}

/** One thing to press: each of its texts, and each of these as the keys that it can be. */
type Texts = string[][]

/** Whether it is named by what a person wrote, such as a chat in the list of chats. */
const showsData = (part: unknown): boolean =>
  [...within(part)].some(
    ({ type, expression }) =>
      type === 'ExpressionTag' &&
      isNode(expression) &&
      (expression.type === 'Identifier' || expression.type === 'MemberExpression') &&
      expression.name !== 'shortcut',
  )

/** What a component's buttons and links say. */
function buttonsOf(file: string): Texts[] {
  const { fragment } = parse(readFileSync(file, 'utf8'), { modern: true })
  return [...within(fragment)].flatMap((node) => {
    if (node.type !== 'RegularElement' || !['a', 'button', 'summary'].includes(String(node.name)))
      return []
    const label = (node.attributes as Node[]).find(({ name }) => name === 'aria-label')
    if (!label && showsData(node.fragment)) return []
    const texts = textsIn(label ?? node.fragment)
    return texts.length > 0 ? [texts] : []
  })
}

/** What menu items, answers to questions and actions of notices say. Two texts are no button. */
const labelsOf = (file: string): Texts[] =>
  [...readFileSync(file, 'utf8').matchAll(/\blabel: t\(([^\n]*)/g)].flatMap(([, given = '']) => {
    const keys = [...given.matchAll(/'([\w]+\.[\w]+)'/g)].map(([, key]) => key!)
    return keys.length > 0 && !/\b(text|tone):/.test(given) ? [[keys]] : []
  })

const textOf = (key: string): string => {
  const [section = '', name = ''] = key.split('.')
  return (english as Record<string, Record<string, string>>)[section]?.[name] ?? key
}
const escaped = (text: string) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')

test('A: whatever the page can offer to press has a row in the walk of buttons', () => {
  const account = { person: { user: {} }, chats: {} } as unknown as WalkAccount
  const rows = allScenes(account).flatMap(({ rows }) => rows)
  const names = rows
    .flatMap(({ control, like }) => [control, like ?? control])
    .map((path) => /"([^"]*)"$/.exec(path)?.[1] ?? '')
    .filter((name) => name !== '*')
  const hasRow = (text: string): boolean => {
    const asPattern = new RegExp(`^${escaped(text).replace(/\\\{[^]*\\\}/g, '.*')}$`)
    return names.some(
      (name) =>
        asPattern.test(name) ||
        name.startsWith(text) ||
        new RegExp(`^${escaped(name).replaceAll('*', '.+')}$`).test(text),
    )
  }
  const isCovered = (key: string) => key in pressedElsewhere || hasRow(textOf(key))
  const missing = globSync('ui/src/**/*.{svelte,ts}').flatMap((file) => {
    const buttons = [...(file.endsWith('.svelte') ? buttonsOf(file) : []), ...labelsOf(file)]
    return buttons
      .filter((texts) => !texts.some((keys) => keys.every(isCovered)))
      .map((texts) => `${file}: ${texts.flat().map((key) => `${key} (“${textOf(key)}”)`)}`)
  })
  expect([...new Set(missing)]).toEqual([])
})

test('A: what has no row because another test presses it is pressed there', () => {
  for (const [key, file] of Object.entries(pressedElsewhere))
    expect(readFileSync(`tests/browser/${file}`, 'utf8'), key).toContain(
      textOf(key).replace(/ ?\{.*/, ''),
    )
})

test('every group of parts of the walk is walked by a file', () => {
  for (const group of Object.keys(parts))
    expect(readFileSync(`tests/browser/button-walk/${group}.test.ts`, 'utf8')).toContain(
      `walkParts('${group}')`,
    )
})
