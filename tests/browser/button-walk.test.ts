// Presses every button of the product and looks at what a person then sees. The buttons come from
// the accessibility tree of each page and of each menu, dialog and panel that opens. A button that
// the table lacks fails, and so does a row of the table whose button is gone.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { named } from '../attacks/security-requests.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { fastReplies, phone, sharedBrowser } from './browser-windows.ts'
import { agentScenes } from './button-walk/agent-scenes.ts'
import { conflictScenes } from './button-walk/conflict-scenes.ts'
import { encryptionScenes } from './button-walk/encryption-scenes.ts'
import { frameScenes, phoneScenes } from './button-walk/frame-scenes.ts'
import { farewellScenes, pageScenes } from './button-walk/page-scenes.ts'
import { refusalScenes } from './button-walk/refusal-scenes.ts'
import { securityScenes } from './button-walk/security-scenes.ts'
import { signInScenes } from './button-walk/sign-in-scenes.ts'
import { threadScenes } from './button-walk/thread-scenes.ts'
import { prepareAccount, storageOfWalk, type WalkAccount } from './button-walk/walk-account.ts'
import { ButtonWalk } from './button-walk/walk.ts'
import { signInAs } from './user-actions.ts'

const shared = sharedNodes(1, { ...fastReplies, quotas: { bytes: storageOfWalk } })
const windows = sharedBrowser()
let account: WalkAccount
let walk: ButtonWalk
let page: Page

/**
 * In this order: the first ones end signed out, the settings sign out the session that
 * `account.person` has, and the last one deletes the account.
 */
const parts = {
  'before somebody is signed in': signInScenes,
  'around every page': frameScenes,
  'of a chat': threadScenes,
  'where two devices wrote': conflictScenes,
  'of encrypted chats': encryptionScenes,
  'of what the server refused': refusalScenes,
  'of agents and runs': agentScenes,
  'of the history and the settings': pageScenes,
  'of passkeys and the second step': securityScenes,
  'that only a phone has': phoneScenes,
  'of the account': farewellScenes,
}

let database: Database
let line: Wire

beforeAll(async () => {
  database = await openDatabase(shared.database.url)
  line = await Wire.to({ port: Number(new URL(shared.node.url).port) })
  const person = await signUp(shared.node, 'alice')
  const longAgo = new Date(Date.now() - 3_600_000)
  account = await prepareAccount({
    // An IP address can have no passkeys.
    url: named(`http://${line.address}`),
    person,
    line,
    forgetSignIn: () =>
      database.sessions.updateMany(
        { user_id: person.user.id },
        { $set: { created_at: longAgo }, $unset: { confirmed_at: '' } },
      ),
  })
  walk = new ButtonWalk(Object.values(parts).flatMap((scenes) => scenes(account)))
})

afterAll(async () => {
  await database.close()
  await line[Symbol.asyncDispose]()
})

test.each(Object.entries(parts))(
  'A: every button %s does what a person then sees',
  async (_, scenesOf) => {
    const { person, url } = account
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
