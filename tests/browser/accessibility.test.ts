// Every page, in both themes, on a desktop and on a phone, without a violation that axe-core knows, and by keyboard alone.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { violations } from './accessibility-violations.ts'
import { desktop, phone, sharedBrowser } from './browser-windows.ts'
import { composer, follow, listed, said, shows } from './user-actions.ts'
import { everyPage, fill } from './all-pages.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

const settled = (page: Page) =>
  page.waitForFunction(() =>
    document
      .getAnimations()
      .every(
        ({ playState, effect }) =>
          playState !== 'running' || effect?.getTiming().iterations === Infinity,
      ),
  )

/** Themes differ in nothing but colours. */
async function inBothThemes(page: Page): Promise<string[]> {
  await settled(page)
  const light = await violations(page)
  await page.emulateMedia({ colorScheme: 'dark' })
  await settled(page)
  const dark = await violations(page, ['color-contrast'])
  await page.emulateMedia({ colorScheme: 'light' })
  return [...light, ...dark.map((line) => `dark: ${line}`)]
}

for (const [name, look] of Object.entries({ desktop, phone }))
  test(`no page has a violation in either theme: ${name}`, { timeout: 180_000 }, async () => {
    const alice = await signUp(shared.node, 'alice')
    const { id, run } = await fill(alice)
    const found: Record<string, string[]> = {}
    const outside = await windows.open(shared.node.url, '/app/sign-in', {
      ...look,
      colorScheme: 'light',
    })
    for (const door of ['/app/sign-in', '/app/sign-up']) {
      await outside.goto(shared.node.url + door)
      await shows(outside.getByRole('heading', { level: 1 }))
      found[door] = await inBothThemes(outside)
    }
    const inside = await windows.open(shared.node.url, '/app', {
      ...look,
      colorScheme: 'light',
      person: alice,
    })
    for (const { path, ready } of everyPage(id, run)) {
      await follow(inside, path)
      await shows(ready(inside))
      found[path] = await inBothThemes(inside)
    }
    expect(Object.entries(found).filter(([, list]) => list.length > 0)).toEqual([])
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
