// The sidebar: what a person keeps when it is hidden, and which chats in it are unread. A chat is
// unread if somebody or something else has written since the person looked, on whichever device.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  composer,
  listedConversation,
  navigateTo,
  sendMessage,
  startConversation,
  threadText,
  waitForHidden,
  waitForReply,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })

test('a person who hides the sidebar keeps the page, its way to everything, and the focus', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', {
    body: { title: 'Wide', messages: [{ role: 'user', content: 'More room for this' }] },
  })
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  await waitForVisible(threadText(page, 'More room for this'))
  await composer(page).fill('Half a thought')
  const widthOf = async () => (await page.getByRole('main').boundingBox())!.width
  const before = await widthOf()
  await page.getByRole('button', { name: 'Hide sidebar' }).click()
  await waitForHidden(listedConversation(page, 'Wide'))
  await expect.poll(widthOf).toBeGreaterThan(before + 150)
  await waitForVisible(threadText(page, 'More room for this'))
  await expect.poll(() => composer(page).inputValue()).toBe('Half a thought')
  const show = page.getByRole('button', { name: 'Show sidebar' })
  await expect.poll(() => show.evaluate((button) => button === document.activeElement)).toBe(true)

  const rail = page.getByRole('navigation', { name: 'Main' })
  const current = rail.locator('[aria-current="page"]')
  await rail.getByRole('link', { name: 'Agents' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Agents', exact: true }))
  await expect.poll(() => current.getAttribute('aria-label')).toBe('Agents')
  await rail.getByRole('link', { name: 'Settings' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Language and region' }))
  await expect.poll(() => current.getAttribute('aria-label')).toBe('Settings')
  await rail.getByRole('button', { name: 'Search' }).click()
  await page.getByRole('combobox', { name: 'Search chats and commands' }).fill('Wide')
  await waitForVisible(page.getByRole('option', { name: /Wide/ }).first())
  await page.keyboard.press('Enter')
  await waitForVisible(threadText(page, 'More room for this'))
  await expect.poll(() => composer(page).inputValue()).toBe('Half a thought')

  await show.press('Enter')
  await waitForVisible(listedConversation(page, 'Wide'))
  await expect.poll(() => page.evaluate(() => document.activeElement === document.body)).toBe(false)
})

/** Remembers the titles of all chats that the list ever shows as unread. */
async function watchUnread(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const seen = ((window as unknown as { everUnread?: Set<string> }).everUnread =
      new Set<string>())
    const look = () => {
      for (const row of document.querySelectorAll('[data-row].unread'))
        seen.add(row.querySelector('.title')?.textContent?.trim() ?? '')
    }
    look()
    new MutationObserver(look).observe(document.body, {
      subtree: true,
      childList: true,
      attributes: true,
    })
  })
  return () =>
    page.evaluate(() => [...(window as unknown as { everUnread: Set<string> }).everUnread])
}

/** A program writes as the assistant. */
const writeElsewhere = (person: Person, id: string, content: string) =>
  person.ask('putConversation', {
    params: { id },
    body: { messages: [{ role: 'assistant', content }] },
  })
const unread = (page: Page, title: string) =>
  listedConversation(page, 'Unread.').and(listedConversation(page, title))

test('what a person writes, imports or watches is never unread, and what somebody else writes is unread until the person looks at it', async () => {
  const alice = await signUp(shared.node, 'alice')
  const old = await alice.ask('createConversation', {
    body: { title: 'Here before', messages: [{ role: 'assistant', content: 'Old news' }] },
  })
  const list = await windows.open(shared.node.url, '/app', { person: alice })
  const chat = await windows.open(shared.node.url, '/app', { person: await alice.signIn() })
  for (const page of [list, chat])
    await waitForVisible(page.getByText('Live on all devices').first())
  const everUnread = await watchUnread(list)

  // Written, answered while it was watched, renamed, and imported: nothing of it is news.
  const id = await startConversation(chat, 'Asked elsewhere')
  await waitForReply(chat)
  await sendMessage(chat, 'Asked again')
  await waitForVisible(threadText(chat, 'Asked again'))
  await expect
    .poll(async () => {
      const { messages } = await alice.ask('getConversation', { params: { id } })
      return messages.filter(({ status }) => status === 'complete').length
    })
    .toBe(4)
  await alice.ask('putConversation', {
    params: { id: old.id },
    body: { title: 'Here long before' },
  })
  const data = { conversations: [{ id: 'c1', title: 'Brought along', messages: [] }] }
  const source = 'browser'
  await alice.ask('importMe', { body: { source, data } })
  await alice.ask('createConversation', {
    body: { title: 'My own program', messages: [{ role: 'user', content: 'I asked this' }] },
  })
  for (const title of ['Asked elsewhere', 'Here long before', 'Brought along', 'My own program'])
    await waitForVisible(listedConversation(list, title))
  // The mark of the other device has come, so anything unread would be shown by now.
  await expect
    .poll(async () => (await alice.ask('getPreferences')).preferences.read)
    .toMatchObject({ counts: { [id]: 4 } })
  expect(await everUnread()).toEqual([])

  // Nobody looks, and something else writes.
  await navigateTo(chat, '/app/settings/devices')
  await waitForVisible(chat.getByText('This device'))
  await writeElsewhere(alice, id, 'This is news')
  for (const page of [list, chat]) await waitForVisible(unread(page, 'Asked elsewhere'))
  await listedConversation(list, 'Asked elsewhere').click()
  await waitForVisible(threadText(list, 'This is news'))
  for (const page of [list, chat]) await waitForHidden(unread(page, 'Asked elsewhere'))
  // While it is looked at, further news isn't unread anywhere.
  await writeElsewhere(alice, id, 'More while I look')
  await waitForVisible(threadText(list, 'More while I look'))
  await expect.poll(() => unread(chat, 'Asked elsewhere').count()).toBe(0)
  await expect
    .poll(async () => (await alice.ask('getPreferences')).preferences.read)
    .toMatchObject({ counts: { [id]: 6 } })
  await navigateTo(list, '/app')
  await expect.poll(() => unread(list, 'Asked elsewhere').count()).toBe(0)
})

test('a thread that is left off its end says how many messages came since the end was in view on any device, and only the reader leaves the end', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', {
    body: {
      title: 'Read to the end',
      messages: Array.from({ length: 60 }, (_, at) => ({
        role: at % 2 ? ('assistant' as const) : ('user' as const),
        content: `Line ${at + 1}`,
      })),
    },
  })
  const path = `/app/c/${id}`
  const page = await windows.open(shared.node.url, path, { person: alice })
  await waitForVisible(threadText(page, 'Line 60'))
  const thread = (of: Page) => of.getByRole('region', { name: 'Messages' })
  const latest = (of: Page) => of.getByRole('button', { name: /^(Latest|\d+ new)$/ })
  const scrollUp = async (of: Page) => {
    await thread(of).hover()
    await of.mouse.wheel(0, -600)
    await waitForVisible(latest(of))
  }

  // A row shrinks and grows again, as when its parts are loaded, before the browser says that this
  // has moved the viewport.
  await thread(page).evaluate(async (scroller) => {
    const frame = () => new Promise(requestAnimationFrame)
    const row = [...scroller.querySelectorAll<HTMLElement>('li[data-key]')].at(-1)!
    row.style.display = 'none'
    void scroller.scrollTop
    row.style.display = ''
    for (let frames = 0; frames < 3; frames++) await frame()
  })
  await expect.poll(() => latest(page).count(), { message: 'nobody has scrolled' }).toBe(0)

  const readMarks = async () =>
    (await alice.ask('getPreferences')).preferences.read as { counts: Record<string, number> }
  await expect.poll(readMarks).toMatchObject({ counts: { [id]: 60 } })
  await scrollUp(page)
  await expect.poll(() => latest(page).textContent()).toBe('Latest')
  await navigateTo(page, '/app/settings/devices')
  await waitForVisible(page.getByText('This device'))
  await navigateTo(page, path)
  await waitForVisible(page.getByRole('button', { name: 'Latest', exact: true }))

  // What comes while nobody sees the end is new, also after the thread was left and opened again.
  await writeElsewhere(alice, id, 'This is news')
  await waitForVisible(page.getByRole('button', { name: '1 new', exact: true }))
  await navigateTo(page, '/app/settings/devices')
  await waitForVisible(page.getByText('This device'))
  await navigateTo(page, path)
  await waitForVisible(page.getByRole('button', { name: '1 new', exact: true }))
  // The account's mark is the truth: what another device has shown isn't new here.
  const other = await windows.open(shared.node.url, path, { person: await alice.signIn() })
  await waitForVisible(threadText(other, 'This is news'))
  await waitForVisible(page.getByRole('button', { name: 'Latest', exact: true }))
  await scrollUp(other)
  await expect.poll(() => latest(other).textContent()).toBe('Latest')
})
