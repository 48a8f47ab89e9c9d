// Presses every button of the product and looks at what a person then sees. The buttons come from
// the accessibility tree of each page and of each menu, dialog and panel that opens. A button that
// the table lacks fails, and so does a row of the table whose button is gone.
import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, phone, sharedBrowser } from './browser-windows.ts'
import { agentScenes } from './button-walk/agent-scenes.ts'
import { conflictScenes } from './button-walk/conflict-scenes.ts'
import { frameScenes, phoneScenes } from './button-walk/frame-scenes.ts'
import { farewellScenes, pageScenes } from './button-walk/page-scenes.ts'
import { signInScenes } from './button-walk/sign-in-scenes.ts'
import { threadScenes } from './button-walk/thread-scenes.ts'
import { prepareAccount, type WalkAccount } from './button-walk/walk-account.ts'
import { ButtonWalk } from './button-walk/walk.ts'
import { signInAs } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser()
let account: WalkAccount
let walk: ButtonWalk
let page: Page

/** In this order: the first ones end signed out, and the last one deletes the account. */
const parts = {
  'before somebody is signed in': signInScenes,
  'around every page': frameScenes,
  'of a chat': threadScenes,
  'where two devices wrote': conflictScenes,
  'of agents and runs': agentScenes,
  'of the history and the settings': pageScenes,
  'that only a phone has': phoneScenes,
  'of the account': farewellScenes,
}

beforeAll(async () => {
  const person = await signUp(shared.node, 'alice')
  account = await prepareAccount(shared.node.url, person)
  walk = new ButtonWalk(Object.values(parts).flatMap((scenes) => scenes(account)))
})

test.each(Object.entries(parts))(
  'A: every button %s does what a person then sees',
  async (_, scenesOf) => {
    const { person } = account
    const { url } = shared.node
    if (scenesOf === signInScenes)
      page = await windows.open(url, '/app', {
        person,
        permissions: ['clipboard-read', 'clipboard-write'],
        lasts: true,
      })
    const shown =
      scenesOf === phoneScenes
        ? await windows.open(url, '/app', { person: await person.signIn(), ...phone })
        : page
    expect(await walk.run(shown, scenesOf(account))).toEqual([])
    if (scenesOf === signInScenes) await signInAs(page, person.user.username, person.password)
  },
)
