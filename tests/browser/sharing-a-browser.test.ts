// The reason why Lockstep exists: two people share one browser, and neither sees the other's data.
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  startConversation,
  composer,
  listedConversation,
  waitForVisible,
  signInAs,
  signOut,
  signUpAs,
} from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })
const uniqueName = (name: string) => `${name}-${randomBytes(4).toString('hex')}`
const password = 'correct horse battery staple'

test('bob sees nothing of alice’s data in the browser that they share, and alice finds everything again', async () => {
  const [alice, bob] = [uniqueName('alice'), uniqueName('bob')]
  const page = await windows.open(shared.node.url, '/app')
  await signUpAs(page, alice, password)
  await startConversation(page, 'The secret garden')
  await waitForVisible(listedConversation(page, 'The secret garden'))
  await signOut(page)
  await expect.poll(() => page.content()).not.toContain('secret garden')

  await signUpAs(page, bob, password)
  await waitForVisible(page.getByText('No chats yet.'))
  await expect.poll(() => page.content()).not.toContain('secret garden')
  await page.goBack()
  await waitForVisible(composer(page))
  await expect.poll(() => page.content()).not.toContain('secret garden')
  await signOut(page)

  await signInAs(page, alice, password)
  await waitForVisible(listedConversation(page, 'The secret garden'))
})

test('the browser stores nothing except the session cookie, which no script can read', async () => {
  const page = await windows.open(shared.node.url, '/app')
  await signUpAs(page, uniqueName('alice'), password)
  await startConversation(page, 'Nothing of this is kept here')
  await waitForVisible(page.getByRole('button', { name: 'Copy' }).first())

  const stored = await page.evaluate(async () => ({
    local: localStorage.length,
    session: sessionStorage.length,
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
    readable: document.cookie,
  }))
  expect(stored).toEqual({
    local: 0,
    session: 0,
    databases: [],
    caches: [],
    workers: 0,
    readable: '',
  })
  const cookies = await page.context().cookies()
  expect(cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }))).toEqual([
    { name: 'lockstep_session', httpOnly: true, sameSite: 'Lax' },
  ])
})
