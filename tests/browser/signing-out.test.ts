// A device that is signed out from another device loses all data at once.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import { startConversation, listedConversation, waitForVisible } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser()

test('a device that is signed out from another device leaves at once and keeps nothing', async () => {
  const alice = await signUp(shared.node, 'alice')
  const other = await alice.signIn()
  const revoked = await windows.open(shared.node.url, '/app', { person: other })
  await startConversation(revoked, 'Nobody else may read this')
  await waitForVisible(listedConversation(revoked, 'Nobody else may read this'))

  const page = await windows.open(shared.node.url, '/app/settings/devices', { person: alice })
  const row = page.locator(`[data-session="${other.session.id}"]`)
  await waitForVisible(row.getByText('Reading “Nobody else may read this”'))
  await row.getByRole('button', { name: /^Sign out/ }).click()

  await revoked.waitForURL(/sign-in/, { waitUntil: 'commit', timeout: 15_000 })
  await waitForVisible(revoked.getByText('This device was signed out.'))
  expect(await revoked.content()).not.toContain('Nobody else may read this')
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
  await left.getByRole('button', { name: 'Delete the account' }).click()
  await left.getByRole('button', { name: 'Delete everything' }).click()
  await waitForVisible(left.getByText('The password is wrong.'))
  await left.getByLabel('Your password').fill(alice.password)
  await left.getByRole('button', { name: 'Delete the account' }).click()
  await left.getByRole('button', { name: 'Delete everything' }).click()

  await waitForVisible(left.getByText('The account is deleted, with everything in it.'))
  await waitForVisible(right.getByText('This device was signed out.'))
})
