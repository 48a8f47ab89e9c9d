// What the product exists for, seen by two people who share one browser.
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { sharedNodes } from '../harness/shared-node.ts'
import { quickReplies, sharedBrowser } from './browser-windows.ts'
import { begin, composer, listed, shows, signInAs, signOut, signUpAs } from './user-actions.ts'

const shared = sharedNodes(1, quickReplies)
const windows = sharedBrowser()
const nameOf = (name: string) => `${name}-${randomBytes(4).toString('hex')}`
const password = 'correct horse battery staple'

test('alice creates, bob signs in on the same browser and sees nothing of hers; alice again: everything is there', async () => {
  const [alice, bob] = [nameOf('alice'), nameOf('bob')]
  const page = await windows.open(shared.node.url, '/app')
  await signUpAs(page, alice, password)
  await begin(page, 'The secret garden')
  await shows(listed(page, 'The secret garden'))
  await signOut(page)
  expect(await page.content()).not.toContain('secret garden')

  await signUpAs(page, bob, password)
  await shows(page.getByText('Your chats will be listed here'))
  expect(await page.content()).not.toContain('secret garden')
  await page.goBack()
  await shows(composer(page))
  expect(await page.content()).not.toContain('secret garden')
  await signOut(page)

  await signInAs(page, alice, password)
  await shows(listed(page, 'The secret garden'))
})

test('the browser stores nothing, and the session is the only cookie, which no script can read', async () => {
  const page = await windows.open(shared.node.url, '/app')
  await signUpAs(page, nameOf('alice'), password)
  await begin(page, 'Nothing of this is kept here')
  await page.getByRole('button', { name: 'Copy' }).first().waitFor()

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
