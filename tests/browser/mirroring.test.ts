// Two browsers of one person, side by side: what one does, the other shows within a second, without a reload.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { quickReplies, sharedBrowser } from './browser-windows.ts'
import {
  AT_ONCE,
  begin,
  choose,
  composer,
  hides,
  listed,
  replied,
  said,
  say,
  shows,
} from './user-actions.ts'

const shared = sharedNodes(1, quickReplies)
const windows = sharedBrowser()

async function sideBySide(path = '/app') {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, path, { person: alice })
  const right = await windows.open(shared.node.url, path, { person: await alice.signIn() })
  for (const page of [left, right]) await shows(page.getByText('Live on all devices').first())
  return { alice, left, right }
}

test('a new conversation, its name and its end are seen on the other device', async () => {
  const { left, right } = await sideBySide()
  await begin(left, 'Plan the trip')
  await shows(listed(right, 'Plan the trip'), AT_ONCE)

  await choose(right, 'Plan the trip', 'Rename')
  const title = right.getByRole('textbox', { name: 'Title of the conversation' })
  await title.fill('Plan the journey')
  await title.press('Enter')
  await shows(listed(left, 'Plan the journey'), AT_ONCE)

  await choose(left, 'Plan the journey', 'Delete')
  await hides(listed(right, 'Plan the journey'), AT_ONCE)
  await left.getByRole('button', { name: 'Undo' }).click()
  await shows(listed(right, 'Plan the journey'), AT_ONCE)
})

test('a message is seen on the other device, and its reply grows on both until one of them stops it', async () => {
  const { left, right } = await sideBySide()
  const id = await begin(left, '/demo slow')
  await right.goto(`${shared.node.url}/app/c/${id}`)
  await shows(said(right, '/demo slow'))
  for (const page of [left, right]) await shows(page.getByTestId('streaming'))

  await right.getByRole('button', { name: 'Stop the reply' }).click()
  for (const page of [left, right]) {
    await hides(page.getByTestId('streaming'), AT_ONCE)
    await shows(page.getByText('Stopped', { exact: true }), AT_ONCE)
  }
  await say(left, 'Thank you')
  await shows(said(right, 'Thank you'), AT_ONCE)
})

test('theme and density are the account’s: every window follows', async () => {
  const { left, right } = await sideBySide('/app/settings/appearance')
  await left.getByRole('radio', { name: 'Dark' }).click()
  await right.waitForFunction(() => document.documentElement.dataset.theme === 'dark', undefined, {
    timeout: AT_ONCE,
  })
  await left.getByRole('radio', { name: 'Compact' }).click()
  await right.waitForFunction(
    () => document.documentElement.dataset.density === 'compact',
    undefined,
    {
      timeout: AT_ONCE,
    },
  )
  expect(await right.getByRole('radio', { name: 'Dark' }).getAttribute('aria-checked')).toBe('true')
})

test('a draft waits on the next device, and is gone everywhere once it is sent', async () => {
  const { left, right } = await sideBySide()
  const id = await begin(left, 'A thread with a draft')
  await right.goto(`${shared.node.url}/app/c/${id}`)
  await shows(composer(right))
  await composer(left).fill('Half a thought')
  await right.waitForFunction(
    () => document.querySelector<HTMLTextAreaElement>('textarea')?.value === 'Half a thought',
    undefined,
    { timeout: 2 * AT_ONCE },
  )
  await replied(left)
  await composer(right).press('Enter')
  await left.waitForFunction(
    () => document.querySelector<HTMLTextAreaElement>('textarea')?.value === '',
    undefined,
    {
      timeout: 2 * AT_ONCE,
    },
  )
})

test('what came while one looked elsewhere is marked unread until one device has shown it', async () => {
  const { alice, left, right } = await sideBySide()
  const { id } = await alice.ask('createConversation', {
    body: { title: 'News', messages: [{ role: 'assistant', content: 'Hello' }] },
  })
  for (const page of [left, right])
    await shows(listed(page, 'Unread').and(listed(page, 'News')), AT_ONCE)
  await listed(left, 'News').click()
  await shows(said(left, 'Hello'))
  await hides(listed(right, 'Unread').and(listed(right, 'News')), 3 * AT_ONCE)
  expect(id).toBeTruthy()
})

test('each window tells where the other one looks', async () => {
  const { left, right } = await sideBySide()
  await begin(left, 'Look here')
  await listed(right, 'Look here').click()
  for (const page of [left, right]) await shows(page.getByText(/^Also open on /), AT_ONCE)
})
