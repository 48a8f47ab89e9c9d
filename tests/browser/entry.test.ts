// What somebody sees who may not come in yet: without an invitation, before the approval, when the
// account is locked, and with the operator's link for a new password.
import { expect, test } from 'vitest'
import { hashOf, newSecret } from '../../realtime/commands/secret-links.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { insertInvitation } from '../../realtime/store/invitations.ts'
import { setApproved, setLocked, setReset } from '../../realtime/store/users.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { sharedBrowser } from './browser-windows.ts'
import { composer, waitForHidden, waitForVisible } from './user-actions.ts'

const windows = sharedBrowser({ savesData: true })
const password = 'correct horse'

/** A window in which a refused form is no error of the page. */
const open = (url: string, path: string) =>
  windows.open(url, path, { alsoExpected: /422 \(Unprocessable/ })

test('the sign-up page says who may make an account, and lets in whoever may', async () => {
  const fresh = windows.keep(freshDatabase())
  const database = await openDatabase(fresh.url)
  const approving = windows.keep(await startNode(fresh, { signUp: 'approval' }))
  const inviting = windows.keep(await startNode(fresh, { signUp: 'invite' }))
  const closed = windows.keep(await startNode(fresh, { signUp: 'closed' }))

  const page = await open(closed.url, '/app/sign-in')
  await waitForVisible(page.getByRole('button', { name: 'Sign in' }))
  await expect.poll(() => page.getByRole('link', { name: 'Create an account' }).count()).toBe(0)
  await page.goto(`${closed.url}/app/sign-up`)
  await waitForVisible(page.getByText('This server isn’t taking new accounts.'))
  await expect.poll(() => page.getByLabel('Password').count()).toBe(0)
  await waitForVisible(page.getByRole('link', { name: 'Sign in' }))

  const fill = async (username: string, button: string) => {
    await page.getByLabel('Username').fill(username)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: button }).click()
  }
  await page.goto(`${approving.url}/app/sign-up`)
  await waitForVisible(page.getByText('approves new accounts', { exact: false }))
  await fill('ada-waits', 'Sign up')
  await waitForVisible(page.getByText('Your account was created.', { exact: false }))
  await page.getByRole('link', { name: 'Sign in' }).click()
  await fill('ada-waits', 'Sign in')
  await waitForVisible(page.getByText('This account is waiting for approval.', { exact: false }))
  await setApproved(database, (await database.users.findOne({ username: 'ada-waits' }))!._id)
  await fill('ada-waits', 'Sign in')
  await waitForVisible(composer(page))
  await page.goto(`${approving.url}/healthz`)
  await page.context().clearCookies()

  await page.goto(`${inviting.url}/app/sign-up`)
  await waitForVisible(page.getByRole('heading', { name: 'You need an invitation' }))
  await page.goto(`${inviting.url}/healthz`)
  await page.goto(`${inviting.url}/app/sign-up#${newSecret()}`)
  await fill('ada-comes', 'Sign up')
  await waitForVisible(page.getByText('This invitation is no longer valid.', { exact: false }))
  const secret = newSecret()
  const now = Date.now()
  const expires_at = new Date(now + 600_000)
  await insertInvitation(database, {
    _id: hashOf(secret),
    uses: 1,
    created_at: new Date(now),
    expires_at,
  })
  await page.goto(`${inviting.url}/healthz`)
  await page.goto(`${inviting.url}/app/sign-up#${secret}`)
  await waitForVisible(page.getByLabel('Username'))
  expect(page.url()).not.toContain(secret)
  await fill('ada-comes', 'Sign up')
  await waitForVisible(composer(page))
  await database.close()
})

test('somebody who is locked out, or has forgotten the password, is told what to do; the operator’s link sets a new one', async () => {
  const fresh = windows.keep(freshDatabase())
  const database = await openDatabase(fresh.url)
  const node = windows.keep(await startNode(fresh))
  const alice = await signUp(node, 'alice')
  const page = await open(node.url, '/app/sign-in')
  const signInWith = async (given: string) => {
    await page.getByLabel('Username').fill(alice.user.username)
    await page.getByLabel('Password').fill(given)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  await setLocked(database, alice.user.id, true)
  await signInWith(alice.password)
  const isLocked = page.getByText('This account is locked. Contact your administrator.')
  await waitForVisible(isLocked)
  // the same after a sign-in at a provider, which leads back with the reason
  await page.goto(`${node.url}/app/sign-in?failed=locked`)
  await waitForVisible(isLocked)
  await page.goto(`${node.url}/app/sign-in?failed=awaiting_approval`)
  await waitForVisible(page.getByRole('alert'))
  await waitForHidden(isLocked)
  await setLocked(database, alice.user.id, false)

  const secret = newSecret()
  const expires_at = new Date(Date.now() + 600_000)
  await setReset(database, alice.user.id, { hash: hashOf(secret), expires_at })
  const link = `${node.url}/app/reset-password#${alice.user.id}.${secret}`
  await page.goto(link)
  await waitForVisible(page.getByRole('heading', { name: 'Choose a new password' }))
  expect(page.url()).not.toContain(secret)
  const save = page.getByRole('button', { name: 'Save password' })
  await page.getByLabel('Password').fill('password')
  await save.click()
  await waitForVisible(page.getByText('most common', { exact: false }))
  await page.getByLabel('Password').fill('battery staple')
  await save.click()
  await waitForVisible(page.getByText('Your password was changed.', { exact: false }))
  await page.getByRole('link', { name: 'Sign in' }).click()
  await signInWith('battery staple')
  await waitForVisible(composer(page))

  await page.goto(`${node.url}/healthz`)
  await page.goto(link)
  await page.getByLabel('Password').fill('the newest horse')
  await save.click()
  await waitForVisible(page.getByText('This link is no longer valid.', { exact: false }))
  await waitForHidden(page.getByText('Your password was changed.', { exact: false }))
  await database.close()
})
