// Two browsers of one user, side by side. What happens in one is shown in the other within a
// second, without a reload.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  SYNC_DEADLINE_MS,
  startConversation,
  chooseAction,
  composer,
  waitForHidden,
  listedConversation,
  waitForReply,
  threadText,
  sendMessage,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })

/**
 * Collects how long changes take. A busy machine delays one or the other, so the deadline is for
 * the faster half of them.
 */
class SyncTimes {
  readonly #times: number[] = []

  async add(shown: Promise<unknown>): Promise<void> {
    const began = performance.now()
    await shown
    this.#times.push(performance.now() - began)
  }
  get lowerMedian(): number {
    return this.#times.toSorted((a, b) => a - b)[(this.#times.length - 1) >> 1]!
  }
}

/** Opens two windows with different sessions of one new user. */
async function openSideBySide(path = '/app') {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, path, { person: alice })
  const right = await windows.open(shared.node.url, path, { person: await alice.signIn() })
  for (const page of [left, right])
    await waitForVisible(page.getByText('Live on all devices').first())
  return { alice, left, right }
}

test('creating, renaming and deleting a conversation shows on the other device', async () => {
  const syncs = new SyncTimes()
  const { left, right } = await openSideBySide()
  await startConversation(left, 'Plan the trip')
  await syncs.add(waitForVisible(listedConversation(right, 'Plan the trip')))

  await chooseAction(right, 'Plan the trip', 'Rename')
  const title = right.getByRole('textbox', { name: 'Chat title' })
  await title.fill('Plan the journey')
  await title.press('Enter')
  await syncs.add(waitForVisible(listedConversation(left, 'Plan the journey')))

  await chooseAction(left, 'Plan the journey', 'Delete')
  await syncs.add(waitForHidden(listedConversation(right, 'Plan the journey')))
  await left.getByRole('button', { name: 'Undo' }).click()
  await syncs.add(waitForVisible(listedConversation(right, 'Plan the journey')))
  expect(syncs.lowerMedian).toBeLessThan(SYNC_DEADLINE_MS)
})

test('both devices show a message and its growing reply, and the other device can stop the reply', async () => {
  const syncs = new SyncTimes()
  const { left, right } = await openSideBySide()
  const id = await startConversation(left, '/demo slow')
  await right.goto(`${shared.node.url}/app/c/${id}`)
  await waitForVisible(threadText(right, '/demo slow'))
  for (const page of [left, right]) await waitForVisible(page.getByTestId('streaming'))

  await right.getByRole('button', { name: 'Stop the reply' }).click()
  for (const page of [left, right]) {
    await syncs.add(waitForHidden(page.getByTestId('streaming')))
    await syncs.add(waitForVisible(page.getByText('Stopped', { exact: true })))
  }
  await sendMessage(left, 'Thank you')
  await syncs.add(waitForVisible(threadText(right, 'Thank you')))
  expect(syncs.lowerMedian).toBeLessThan(SYNC_DEADLINE_MS)
})

test('theme and density belong to the account, so every window follows', async () => {
  const syncs = new SyncTimes()
  const { left, right } = await openSideBySide('/app/settings/appearance')
  await left.getByRole('radio', { name: 'Dark' }).click()
  await syncs.add(right.waitForFunction(() => document.documentElement.dataset.theme === 'dark'))
  await left.getByRole('radio', { name: 'Compact' }).click()
  await syncs.add(
    right.waitForFunction(() => document.documentElement.dataset.density === 'compact'),
  )
  await expect
    .poll(() => right.getByRole('radio', { name: 'Dark' }).getAttribute('aria-checked'))
    .toBe('true')
  expect(syncs.lowerMedian).toBeLessThan(SYNC_DEADLINE_MS)
})

test('a draft appears on the next device, and disappears everywhere once it is sent', async () => {
  const syncs = new SyncTimes()
  const { left, right } = await openSideBySide()
  const id = await startConversation(left, 'A thread with a draft')
  await right.goto(`${shared.node.url}/app/c/${id}`)
  await waitForVisible(composer(right))
  await composer(left).fill('Half a thought')
  await syncs.add(
    right.waitForFunction(
      () => document.querySelector<HTMLTextAreaElement>('textarea')?.value === 'Half a thought',
    ),
  )
  await waitForReply(left)
  await composer(right).press('Enter')
  await syncs.add(
    left.waitForFunction(
      () => document.querySelector<HTMLTextAreaElement>('textarea')?.value === '',
    ),
  )
  expect(syncs.lowerMedian).toBeLessThan(SYNC_DEADLINE_MS)
})

test('a conversation with new messages is unread until one device has shown them', async () => {
  const syncs = new SyncTimes()
  const { alice, left, right } = await openSideBySide()
  const { id } = await alice.ask('createConversation', {
    body: { title: 'News', messages: [{ role: 'assistant', content: 'Hello' }] },
  })
  for (const page of [left, right])
    await syncs.add(
      waitForVisible(listedConversation(page, 'Unread').and(listedConversation(page, 'News'))),
    )
  await listedConversation(left, 'News').click()
  await waitForVisible(threadText(left, 'Hello'))
  await syncs.add(
    waitForHidden(listedConversation(right, 'Unread').and(listedConversation(right, 'News'))),
  )
  expect(id).toBeTruthy()
  expect(syncs.lowerMedian).toBeLessThan(SYNC_DEADLINE_MS)
})

test('each window shows that the conversation is also open on another device', async () => {
  const syncs = new SyncTimes()
  const { left, right } = await openSideBySide()
  await startConversation(left, 'Look here')
  await listedConversation(right, 'Look here').click()
  for (const page of [left, right])
    await syncs.add(waitForVisible(page.getByRole('main').getByText(/^Also open on /)))
  expect(syncs.lowerMedian).toBeLessThan(SYNC_DEADLINE_MS)
})

test('a second tab of a browser is not another device', async () => {
  const alice = await signUp(shared.node, 'alice')
  const tab = await windows.open(shared.node.url, '/app', { person: alice })
  const id = await startConversation(tab, 'In two tabs')
  const secondTab = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  for (const page of [tab, secondTab])
    await waitForVisible(page.getByText('Also open in another tab', { exact: true }))
  await expect.poll(() => tab.getByTitle(/other devices? open/).count()).toBe(0)
  await windows.open(shared.node.url, '/app', { person: await alice.signIn() })
  await waitForVisible(tab.getByTitle('1 other device open'))
})
