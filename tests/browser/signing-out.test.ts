// A device that is signed out from another one loses everything before one's eyes.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import { startConversation, listedConversation, waitForVisible } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser()

test('a device is signed out from another one at once and keeps nothing', async () => {
  const alice = await signUp(shared.node, 'alice')
  const other = await alice.signIn()
  const lost = await windows.open(shared.node.url, '/app', { person: other })
  await startConversation(lost, 'Nobody else may read this')
  await waitForVisible(listedConversation(lost, 'Nobody else may read this'))

  const kept = await windows.open(shared.node.url, '/app/settings/devices', { person: alice })
  const row = kept.locator(`[data-session="${other.session.id}"]`)
  await waitForVisible(row.getByText('Reading “Nobody else may read this”'))
  await row.getByRole('button', { name: /^Sign out/ }).click()

  await lost.waitForURL(/sign-in/, { waitUntil: 'commit', timeout: 15_000 })
  await waitForVisible(lost.getByText('This device was signed out.'))
  expect(await lost.content()).not.toContain('Nobody else may read this')
  expect(await lost.evaluate(() => performance.getEntriesByType('navigation').length)).toBe(1)
  await lost.goto(`${shared.node.url}/app`)
  await waitForVisible(lost.getByRole('heading', { name: 'Welcome back' }))
})

test('who deletes the account is out on every device', async () => {
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
