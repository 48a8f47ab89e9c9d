// What a person sees of their account: who sits at a device, which sessions there are, and what
// other devices hear of it.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { signIn, signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { composer, threadText, waitForHidden, waitForVisible } from './user-actions.ts'

const live = (page: Page) => page.locator('[data-testid="connection"][data-state="live"]')

const shared = sharedNodes()
const windows = sharedBrowser()
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

test('a rename long after the sign-in asks for the password, and then goes on by itself', async () => {
  const alice = await signUp(shared.node, 'alice')
  const longAgo = new Date(Date.now() - 3_600_000)
  await database.sessions.updateOne({ _id: alice.session.id }, { $set: { created_at: longAgo } })
  const page = await windows.open(shared.node.url, '/app/settings/account', { person: alice })
  const name = page.getByLabel('Username', { exact: true })
  const renamed = `${alice.user.username}-2`
  await name.fill(renamed)
  const change = page.getByRole('button', { name: 'Change username' })
  await change.click()
  const dialog = page.getByRole('alertdialog', { name: 'Confirm it’s you' })
  const password = dialog.getByLabel('Your password')
  await waitForVisible(dialog)
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.getAttribute('autocomplete')))
    .toBe('current-password')

  await password.fill('a wrong guess')
  await password.press('Enter')
  await waitForVisible(dialog.getByText('Incorrect password.'))
  await page.keyboard.press('Escape')
  await waitForHidden(dialog)
  await waitForVisible(page.getByText('Nothing was changed. Confirm it’s you to continue.'))
  expect((await alice.ask('getMe')).user.username).toBe(alice.user.username)

  await expect.poll(() => name.inputValue()).toBe(renamed)
  await change.click()
  await password.fill(alice.password)
  await dialog.getByRole('button', { name: 'Confirm' }).click()
  await waitForVisible(page.getByText('Username changed'))
  await waitForHidden(dialog)
  expect((await alice.ask('getMe')).user.username).toBe(renamed)
})

test('changing the password signs out the other devices; this browser’s tabs stay, and send what waits', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', { body: { title: 'Kept open' } })
  const phone = await windows.open(shared.node.url, '/app', { person: await alice.signIn() })
  const page = await windows.open(shared.node.url, '/app/settings/account', { person: alice })
  const tab = await page.context().newPage()
  await tab.goto(`${shared.node.url}/app/c/${id}`)
  await waitForVisible(tab.getByText('No messages yet'))
  await waitForVisible(live(tab))
  await waitForVisible(phone.getByRole('link', { name: 'Kept open' }))

  const line = await tab.context().newCDPSession(tab)
  const offline = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 }
  await line.send('Network.enable')
  await line.send('Network.emulateNetworkConditions', { ...offline, offline: true })
  // sockets that are open already don't notice what the page's network is set to
  await composer(tab).fill('written before the cookie changed')
  await page.getByLabel('Current password').fill(alice.password)
  await page.getByLabel('New password').fill('battery staple')
  await page.getByRole('button', { name: 'Change password' }).click()
  await waitForVisible(page.getByText('Password changed.', { exact: false }))
  await waitForVisible(phone.getByRole('heading', { name: 'Welcome back' }))

  // its socket was ended, and it can't connect again
  await waitForVisible(
    tab
      .getByTestId('connection')
      .filter({ hasText: /offline|connecting/i })
      .first(),
  )
  await composer(tab).press('Enter')
  await waitForVisible(threadText(tab, 'written before the cookie changed'))
  await line.send('Network.emulateNetworkConditions', { ...offline, offline: false })
  const again = await signIn(shared.node, alice.user.username, 'battery staple')
  await expect
    .poll(async () => (await again.ask('getConversation', { params: { id } })).messages.length)
    .toBeGreaterThan(0)
  await expect.poll(() => tab.getByRole('heading', { name: 'Welcome back' }).count()).toBe(0)

  // and the open pages hear of that new sign-in, until somebody says what it was
  const told = tab.getByRole('region', { name: 'New sign-ins' })
  await waitForVisible(told.getByText('New sign-in on Node from 127.0.0.1', { exact: false }))
  await told.getByRole('button', { name: 'Sign it out' }).click()
  await waitForHidden(told)
  await waitForHidden(page.getByRole('region', { name: 'New sign-ins' }))
  await expect.poll(async () => (await again.rest('GET', '/users/me')).status).toBe(401)

  await page.goto(`${shared.node.url}/app/settings/devices`)
  const own = page.getByRole('listitem').filter({ hasText: 'This device' })
  await waitForVisible(own.getByText('from 127.0.0.1', { exact: false }))
  await waitForVisible(own.getByText(/^\s*Node\b/))
  await page.goto(`${shared.node.url}/app/settings/activity`)
  await waitForVisible(page.getByText('Changed the password', { exact: false }).first())
  await waitForVisible(page.getByText('Signed in again on', { exact: false }).first())
})
