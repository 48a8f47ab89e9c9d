// A thread of ten thousand messages opens as fast as a short one, and the text that is being read
// does not move.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { eventually } from '../harness/eventually.ts'
import { ownDatabase } from '../harness/own-database.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { threadText, waitForVisible } from './user-actions.ts'

// Ten thousand messages keep a database busy: on a busy machine, tests beside it got no answers.
const shared = sharedNodes(1, {}, ownDatabase)
const windows = sharedBrowser({ savesData: true })
const MESSAGE_COUNT = 10_000

/** Creates a conversation with many messages. Returns its id. */
async function createLongThread(person: Person): Promise<string> {
  const { id } = await person.ask('createConversation', { body: { title: 'Very long' } })
  for (let from = 1; from <= MESSAGE_COUNT; from += 500) {
    const messages = Array.from({ length: 500 }, (_, index) => ({
      role: (from + index) % 2 === 1 ? ('user' as const) : ('assistant' as const),
      content:
        `Message ${from + index}. ${'Some words about it. '.repeat((from + index) % 17)}`.trim(),
    }))
    await person.ask('putConversation', { params: { id }, body: { messages } })
  }
  return id
}

const rows = (page: Page) => page.getByRole('region', { name: 'Messages' }).getByRole('listitem')
/** The first visible row, and the distance from the thread's upper edge to its top in pixels. */
const firstVisibleRow = (page: Page) =>
  page.getByRole('region', { name: 'Messages' }).evaluate((scroller) => {
    const { top } = scroller.getBoundingClientRect()
    const found = [...scroller.querySelectorAll('ol > li')].find(
      (row) => row.getBoundingClientRect().bottom > top + 1,
    )
    return {
      text: found?.textContent.slice(0, 40),
      offset: Math.round((found?.getBoundingClientRect().top ?? 0) - top),
    }
  })
/** The same, once scrolling has come to rest. */
async function restingRow(page: Page) {
  let row = await firstVisibleRow(page)
  for (let same = 0; same < 5;) {
    await twoFrames(page)
    const now = await firstVisibleRow(page)
    same = now.text === row.text && now.offset === row.offset ? same + 1 : 0
    row = now
  }
  return row
}
const twoFrames = (page: Page) =>
  page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  )

test(
  'a thread of ten thousand messages renders few rows, loads older ones on demand, and keeps the reading position',
  { timeout: 300_000 },
  async () => {
    const alice = await signUp(shared.node, 'alice')
    const id = await createLongThread(alice)
    const page = await windows.open(shared.node.url, '/app', {
      person: alice,
      // the list, while the database still stores
      alsoExpected: /503 \(Service Unavailable\)/,
    })
    const link = page.getByRole('complementary').getByRole('link', { name: /Very long/ })
    // On a busy machine the database takes long to store ten thousand messages.
    await waitForVisible(link, 120_000)
    await link.click()
    await waitForVisible(page.getByText(`Message ${MESSAGE_COUNT}.`, { exact: false }).last())
    await expect.poll(() => rows(page).count()).toBeLessThan(60)

    const region = page.getByRole('region', { name: 'Messages' })
    await region.hover()
    const firstMessageNumber = async () =>
      Number(/Message (\d+)\./.exec((await rows(page).nth(0).textContent()) ?? '')?.[1])
    const scrollUpToOlder = async () => {
      await page.mouse.wheel(0, -1500)
      await twoFrames(page)
      return (await firstMessageNumber()) < 9800
    }
    await eventually(scrollUpToOlder, { within: 30_000, what: 'older messages are rendered' })
    await expect.poll(() => rows(page).count()).toBeLessThan(80)

    await page.mouse.wheel(0, 700)
    const before = await restingRow(page)
    await alice.ask('putConversation', {
      params: { id },
      body: { messages: [{ id: newId(), role: 'assistant', content: 'Said meanwhile' }] },
    })
    await waitForVisible(page.getByRole('button', { name: '1 new' }))
    expect(await restingRow(page)).toEqual(before)

    await page.getByRole('button', { name: '1 new' }).click()
    await waitForVisible(threadText(page, 'Said meanwhile'))
  },
)

test('a reopened thread continues where the reader left it', async () => {
  const alice = await signUp(shared.node, 'alice')
  const messages = Array.from({ length: 90 }, (_, index) => ({
    role: 'assistant' as const,
    content: `Line ${index}\n\n${'text '.repeat(60)}`,
  }))
  await alice.ask('createConversation', { body: { title: 'Long enough', messages } })
  await alice.ask('createConversation', {
    body: { title: 'Another one', messages: messages.slice(0, 3) },
  })
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const sidebar = page.getByRole('complementary')
  await sidebar.getByRole('link', { name: /Long enough/ }).click()
  await waitForVisible(page.getByText('Line 89', { exact: true }))
  await page.getByRole('region', { name: 'Messages' }).hover()
  for (let i = 0; i < 5; i++) {
    await page.mouse.wheel(0, -1200)
    await twoFrames(page)
  }
  const before = await restingRow(page)
  await sidebar.getByRole('link', { name: /Another one/ }).click()
  await waitForVisible(page.getByText('Line 2', { exact: true }))
  await sidebar.getByRole('link', { name: /Long enough/ }).click()
  await page.waitForFunction(
    (text) => document.querySelector('ol')?.textContent.includes(text),
    before.text ?? '',
  )
  expect(await restingRow(page)).toEqual(before)
})
