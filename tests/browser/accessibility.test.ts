// Every page, in both themes, on a desktop and on a phone, without a violation that axe-core knows, and by keyboard alone.
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { desktop, phone, sharedBrowser } from './browser.ts'
import { composer, listed, said, shows } from './pages.ts'
import { everyPage, fill } from './tour.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

interface Result {
  violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[]
}

async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source)
  const run = () => (window as unknown as { axe: { run: (what: Document) => Promise<Result> } }).axe.run(document)
  const { violations: found } = await page.evaluate(run)
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`),
  )
}

const settled = (page: Page) =>
  page.waitForFunction(() =>
    document
      .getAnimations()
      .every(({ playState, effect }) => playState !== 'running' || effect?.getTiming().iterations === Infinity),
  )

async function inspect(
  person: Person,
  id: string,
  run: string,
  look: Parameters<typeof windows.open>[2],
): Promise<void> {
  const found: Record<string, string[]> = {}
  const page = await windows.open(shared.node.url, '/app/sign-in', look)
  for (const door of ['/app/sign-in', '/app/sign-up']) {
    await page.goto(shared.node.url + door)
    await shows(page.getByRole('heading', { level: 1 }))
    found[door] = await violations(page)
  }
  const inside = await windows.open(shared.node.url, '/app', { ...look, person })
  for (const { path, ready } of everyPage(id, run)) {
    await inside.goto(shared.node.url + path)
    await shows(ready(inside))
    await settled(inside)
    found[path] = await violations(inside)
  }
  expect(Object.entries(found).filter(([, list]) => list.length > 0)).toEqual([])
}

for (const colorScheme of ['light', 'dark'] as const)
  for (const [name, look] of Object.entries({ desktop, phone }))
    test(`no page has a violation: ${name}, ${colorScheme}`, { timeout: 120_000 }, async () => {
      const alice = await signUp(shared.node, 'alice')
      const { id, run } = await fill(alice)
      await inspect(alice, id, run, { ...look, colorScheme })
    })

test('menus, questions and the palette have no violation either, and give the focus back', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fill(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const account = page.getByRole('button', { name: /^Account of/ })
  await account.click()
  await shows(page.getByRole('menuitem', { name: 'Sign out' }))
  await settled(page)
  expect(await violations(page)).toEqual([])
  await page.keyboard.press('Escape')
  expect(await account.evaluate((element) => element === document.activeElement)).toBe(true)

  await page.keyboard.press('Control+k')
  await shows(page.getByRole('combobox', { name: 'Search chats and commands' }))
  await settled(page)
  expect(await violations(page)).toEqual([])
})

test('a conversation is found, opened, renamed and answered with the keyboard alone', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await fill(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await shows(composer(page))
  await page.keyboard.press('Control+k')
  await shows(page.getByRole('combobox', { name: 'Search chats and commands' }))
  await page.keyboard.type('garden')
  await shows(page.getByRole('option', { name: /garden/i }).first())
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`/app/c/${id}`))

  await listed(page, 'The garden in spring').focus()
  await page.keyboard.press('F2')
  await page.keyboard.type('The garden in autumn')
  await page.keyboard.press('Enter')
  await shows(listed(page, 'The garden in autumn'))

  await composer(page).focus()
  await page.keyboard.type('Which bulbs now?')
  await page.keyboard.press('Enter')
  await shows(said(page, 'Which bulbs now?'))
})
