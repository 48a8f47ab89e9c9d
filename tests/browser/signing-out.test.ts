// A device that is signed out from another device loses all data at once.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import { startConversation, listedConversation, waitForVisible } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })

test('a device that is signed out from another device leaves at once and keeps nothing', async () => {
  const alice = await signUp(shared.node, 'alice')
  const other = await alice.signIn()
  const revoked = await windows.open(shared.node.url, '/app', { person: other })
  await startConversation(revoked, 'Nobody else may read this')
  await waitForVisible(listedConversation(revoked, 'Nobody else may read this'))

  const page = await windows.open(shared.node.url, '/app/settings/devices', { person: alice })
  const row = page.locator(`[data-session="${other.session.id}"]`)
  await waitForVisible(row.getByText('Viewing “Nobody else may read this”'))
  await row.getByRole('button', { name: /^Sign out/ }).click()

  await revoked.waitForURL(/sign-in/, { waitUntil: 'commit', timeout: 15_000 })
  await waitForVisible(revoked.getByText('This device was signed out.'))
  await expect.poll(() => revoked.content()).not.toContain('Nobody else may read this')
  expect(await revoked.evaluate(() => performance.getEntriesByType('navigation').length)).toBe(1)
  await revoked.goto(`${shared.node.url}/app`)
  await waitForVisible(revoked.getByRole('heading', { name: 'Welcome back' }))
})

test('deleting the account signs out every device', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app/settings/account', { person: alice })
  const right = await windows.open(shared.node.url, '/app', { person: await alice.signIn() })
  await waitForVisible(right.getByText('Live on all devices').first())

  await left.getByLabel('Your password').fill('not the password')
  await left.getByRole('button', { name: 'Delete account' }).click()
  await left.getByRole('button', { name: 'Delete everything' }).click()
  await waitForVisible(left.getByText('Incorrect password.'))
  await left.getByLabel('Your password').fill(alice.password)
  await left.getByRole('button', { name: 'Delete account' }).click()
  await left.getByRole('button', { name: 'Delete everything' }).click()

  await waitForVisible(left.getByText('Your account and everything in it has been deleted.'))
  await waitForVisible(right.getByText('This device was signed out.'))
})

test('the password can be changed, which signs out the other devices', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/account', { person: alice })
  const other = await windows.open(shared.node.url, '/app', { person: await alice.signIn() })
  await waitForVisible(other.getByText('Live on all devices').first())
  await page.getByLabel('Current password').fill(alice.password)
  await page.getByLabel('New password').fill('another horse battery staple')
  await page.getByRole('button', { name: 'Change password' }).click()
  await waitForVisible(page.getByText('Password changed. Your other devices were signed out.'))
  await expect.poll(() => page.getByText("can't be reached").count()).toBe(0)
  await expect.poll(() => page.getByLabel('New password').inputValue()).toBe('')
  await waitForVisible(other.getByText('This device was signed out.'))
})

test('a user who signs out is told so, without an error on the way', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const notices: string[] = []
  await page.exposeFunction('reportNotice', (text: string) => notices.push(text))
  await page.evaluate(() => {
    const report = (window as unknown as { reportNotice: (text: string) => void }).reportNotice
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes)
        for (const node of addedNodes)
          if (node instanceof HTMLElement && node.matches('.notice')) report(node.innerText)
    }).observe(document.body, { childList: true, subtree: true })
  })
  await page.getByRole('button', { name: /^Account of/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await waitForVisible(page.getByText('You’re signed out. Nothing of yours is left'))
  expect(notices).toEqual([])
})

test('signing in leads back to where the session ended, and to a link that was opened while signed out', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', { body: { title: 'Where I was' } })
  const other = await alice.signIn()
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: other })
  await waitForVisible(listedConversation(page, 'Where I was'))
  await alice.ask('revokeSession', { params: { id: other.session.id } })
  await waitForVisible(page.getByText('This device was signed out.'))
  const signIn = async () => {
    await page.getByLabel('Username').fill(alice.user.username)
    await page.getByLabel('Password').fill(alice.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  await signIn()
  await waitForVisible(page.getByRole('button', { name: 'Where I was, rename' }))
  expect(new URL(page.url()).pathname).toBe(`/app/c/${id}`)

  await page.goto(`${shared.node.url}/healthz`) // no page is left that would notice
  await page.context().clearCookies()
  await page.goto(`${shared.node.url}/app/settings/devices`)
  await signIn()
  await waitForVisible(page.getByText('This device').first())
  expect(new URL(page.url()).pathname).toBe('/app/settings/devices')
})

test('switching from signing in to signing up keeps neither the error nor the password', async () => {
  const page = await windows.open(shared.node.url, '/app')
  await page.getByLabel('Username').fill('nobody-here')
  await page.getByLabel('Password').fill('the wrong password')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await waitForVisible(page.getByText('Incorrect username or password.'))
  await page.getByRole('link', { name: 'Create an account' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Create your account' }))
  await expect.poll(() => page.getByText('Incorrect username or password.').count()).toBe(0)
  await expect.poll(() => page.getByLabel('Password').inputValue()).toBe('')
  await expect.poll(() => page.getByLabel('Username').inputValue()).toBe('nobody-here')
})
