// Presses every button of the product and looks at what a person then sees. The buttons come from
// the accessibility tree of each page and of each menu, dialog and panel that opens.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, phone, sharedBrowser } from './browser-windows.ts'
import { frameScenes, phoneScenes } from './button-walk/frame-scenes.ts'
import { farewellScenes, pageScenes } from './button-walk/page-scenes.ts'
import { signInScenes } from './button-walk/sign-in-scenes.ts'
import { threadScenes } from './button-walk/thread-scenes.ts'
import { prepareAccount } from './button-walk/walk-account.ts'
import { ButtonWalk } from './button-walk/walk.ts'
import { signInAs } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser()

test('A: every button does what it says, and a person sees it', async () => {
  const alice = await signUp(shared.node, 'alice')
  const account = await prepareAccount(shared.node.url, alice)
  const signedOut = signInScenes(account)
  const onPhone = phoneScenes(account)
  const last = farewellScenes(account)
  const signedIn = [...frameScenes(account), ...threadScenes(account), ...pageScenes(account)]
  const walk = new ButtonWalk([...signedOut, ...signedIn, ...onPhone, ...last])
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await walk.run(page, signedOut)
  await signInAs(page, alice.user.username, alice.password)
  await walk.run(page, signedIn)
  const person = await alice.signIn()
  const onSmallScreen = await windows.open(shared.node.url, '/app', { person, ...phone })
  await walk.run(onSmallScreen, onPhone)
  await walk.run(page, last)
  expect(walk.problems).toEqual([])
})
