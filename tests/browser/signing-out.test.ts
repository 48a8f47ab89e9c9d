// A device that is signed out from another one loses everything before one's eyes.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { quickReplies, sharedBrowser } from './browser-windows.ts'
import { begin, listed, shows } from './user-actions.ts'

const shared = sharedNodes(1, quickReplies)
const windows = sharedBrowser()

test('a device is signed out from another one at once and keeps nothing', async () => {
  const alice = await signUp(shared.node, 'alice')
  const other = await alice.signIn()
  const lost = await windows.open(shared.node.url, '/app', { person: other })
  await begin(lost, 'Nobody else may read this')
  await shows(listed(lost, 'Nobody else may read this'))

  const kept = await windows.open(shared.node.url, '/app/settings/devices', { person: alice })
  const row = kept.locator(`[data-session="${other.session.id}"]`)
  await shows(row.getByText('Reading “Nobody else may read this”'))
  await row.getByRole('button', { name: /^Sign out/ }).click()

  await lost.waitForURL(/sign-in/, { waitUntil: 'commit', timeout: 15_000 })
  await shows(lost.getByText('This device was signed out.'))
  expect(await lost.content()).not.toContain('Nobody else may read this')
  expect(await lost.evaluate(() => performance.getEntriesByType('navigation').length)).toBe(1)
  await lost.goto(`${shared.node.url}/app`)
  await shows(lost.getByRole('heading', { name: 'Welcome back' }))
})

test('who deletes the account is out on every device', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app/settings/account', { person: alice })
  const right = await windows.open(shared.node.url, '/app', { person: await alice.signIn() })
  await shows(right.getByText('Live on all devices').first())

  await left.getByLabel('Your password').fill('not the password')
  await left.getByRole('button', { name: 'Delete the account' }).click()
  await left.getByRole('button', { name: 'Delete everything' }).click()
  await shows(left.getByText('The password is wrong.'))
  await left.getByLabel('Your password').fill(alice.password)
  await left.getByRole('button', { name: 'Delete the account' }).click()
  await left.getByRole('button', { name: 'Delete everything' }).click()

  await shows(left.getByText('The account is deleted, with everything in it.'))
  await shows(right.getByText('This device was signed out.'))
})
