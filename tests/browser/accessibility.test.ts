// Checks every page with axe-core, in both themes, on a desktop and on a phone, and checks that a
// keyboard is enough to use the app.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { violations } from './accessibility-violations.ts'
import { appPages, fillAccount } from './app-pages.ts'
import { desktop, phone, sharedBrowser } from './browser-windows.ts'
import {
  composer,
  navigateTo,
  listedConversation,
  threadText,
  waitForFocus,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })

/** Waits until no animation runs, except those that never end. */
const animationsEnd = (page: Page) =>
  page.waitForFunction(() =>
    document
      .getAnimations()
      .every(
        ({ playState, effect }) =>
          playState !== 'running' || effect?.getTiming().iterations === Infinity,
      ),
  )

/**
 * The violations in both themes. The themes differ only in colours, so the dark one needs one rule.
 */
async function violationsInBothThemes(page: Page): Promise<string[]> {
  await animationsEnd(page)
  const light = await violations(page)
  await page.emulateMedia({ colorScheme: 'dark' })
  await animationsEnd(page)
  const dark = await violations(page, ['color-contrast'])
  await page.emulateMedia({ colorScheme: 'light' })
  return [...light, ...dark.map((line) => `dark: ${line}`)]
}

for (const [name, device] of Object.entries({ desktop, phone }))
  test(
    `axe-core finds no violation on any page in either theme: ${name}`,
    { timeout: 180_000 },
    async () => {
      const alice = await signUp(shared.node, 'alice')
      const ids = await fillAccount(alice)
      const found: Record<string, string[]> = {}
      const signedOut = await windows.open(shared.node.url, '/app/sign-in', {
        ...device,
        colorScheme: 'light',
      })
      for (const path of ['/app/sign-in', '/app/sign-up']) {
        await signedOut.goto(shared.node.url + path)
        await waitForVisible(signedOut.getByRole('heading', { level: 1 }))
        found[path] = await violationsInBothThemes(signedOut)
      }
      const signedIn = await windows.open(shared.node.url, '/app', {
        ...device,
        colorScheme: 'light',
        person: alice,
      })
      for (const { path, ready } of appPages(ids)) {
        await navigateTo(signedIn, path)
        await waitForVisible(ready(signedIn))
        await waitForVisible(signedIn.getByRole('heading', { level: 1 }))
        found[path] = await violationsInBothThemes(signedIn)
      }
      expect(Object.entries(found).filter(([, list]) => list.length > 0)).toEqual([])
    },
  )

test('the account menu and the command palette have no violations, and the menu returns the focus', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const account = page.getByRole('button', { name: /^Account of/ })
  await account.click()
  await waitForVisible(page.getByRole('menuitem', { name: 'Sign out' }))
  await animationsEnd(page)
  expect(await violations(page)).toEqual([])
  await page.keyboard.press('Escape')
  await waitForFocus(account)

  await page.keyboard.press('Control+k')
  await waitForVisible(page.getByRole('combobox', { name: 'Search chats and commands' }))
  await animationsEnd(page)
  expect(await violations(page)).toEqual([])
})

test('a menu returns the focus to its control, also where a press focuses no button, as in Safari', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await composer(page).focus()
  const account = page.getByRole('button', { name: /^Account of/ })
  await account.dispatchEvent('click')
  await waitForFocus(page.getByRole('menu', { name: 'Account' }))
  await page.keyboard.press('Escape')
  await waitForFocus(account)
})

test('a user finds, opens, renames and continues a conversation with the keyboard alone', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { conversationId } = await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await waitForVisible(composer(page))
  await page.keyboard.press('Control+k')
  await waitForFocus(page.getByRole('combobox', { name: 'Search chats and commands' }))
  await page.keyboard.type('garden')
  await waitForVisible(page.getByRole('option', { name: /garden/i }).first())
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`/app/c/${conversationId}`))

  await listedConversation(page, 'The garden in spring').focus()
  await page.keyboard.press('F2')
  await waitForFocus(page.getByRole('textbox', { name: 'Chat title' }))
  await page.keyboard.type('The garden in autumn')
  await page.keyboard.press('Enter')
  await waitForVisible(listedConversation(page, 'The garden in autumn'))

  await composer(page).focus()
  await page.keyboard.type('Which bulbs now?')
  await page.keyboard.press('Enter')
  await waitForVisible(threadText(page, 'Which bulbs now?'))
})
