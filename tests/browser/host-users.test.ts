// Signing in through an identity provider in a real browser, under the page's own
// Content-Security-Policy and cookie rules.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OidcProvider, client } from '../auth/oidc-provider.ts'
import { freshDatabase } from '../harness/database.ts'
import { freePort } from '../harness/free-port.ts'
import { runProgram } from '../../realtime/program.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { sharedBrowser } from './browser-windows.ts'
import {
  composer,
  listedConversation,
  signInAs,
  signOut,
  waitForHidden,
  waitForVisible,
} from './user-actions.ts'

const windows = sharedBrowser({ savesData: true })
const database = freshDatabase()
let provider: OidcProvider
let node: TestNode

beforeAll(async () => {
  provider = await OidcProvider.start()
  const port = await freePort() // the node's origin, one of its settings, has the port
  node = await startNode(database, {
    port,
    publicOrigins: [`http://127.0.0.1:${port}`],
    oidc: { issuer: provider.issuer, ...client, name: 'Example' },
    withoutPasswords: true,
  })
})
afterAll(async () => {
  await node.stop()
  await provider[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

test('a user who signs in through the provider needs no password, not even to delete the account', async () => {
  const page = await windows.open(node.url, '/app')
  const signInLink = page.getByRole('link', { name: 'Continue with Example' })
  await waitForVisible(signInLink)
  await expect.poll(() => page.getByLabel('Your password').count()).toBe(0)

  provider.errorCode = 'access_denied'
  await signInLink.click()
  await waitForVisible(page.getByText('Sign-in was cancelled.'))
  provider.errorCode = undefined
  await signInLink.click()
  await waitForVisible(composer(page))
  provider.sid = 'of the laptop'
  await signOut(page)
  await waitForVisible(page.getByText('You’re signed out. Nothing of yours'))
  expect(provider.signOuts.map((asked) => asked.has('id_token_hint'))).toEqual([true])
  await signInLink.click()
  await waitForVisible(composer(page))

  const token = new URLSearchParams({ logout_token: provider.logoutToken({ sid: provider.sid }) })
  await fetch(`${node.url}/auth/oidc/backchannel-logout`, { method: 'POST', body: token })
  await waitForVisible(page.getByText('This device was signed out.'))
  provider.sid = undefined
  await signInLink.click()
  await waitForVisible(composer(page))

  await page.goto(`${node.url}/app/settings/account`)
  await waitForVisible(page.getByRole('heading', { name: 'Delete account' }))
  await waitForHidden(page.getByRole('heading', { name: 'Password' }))
  await expect.poll(() => page.locator('input[type=password]').count()).toBe(0)
  await page.getByRole('button', { name: 'Delete account' }).click()
  await page.getByRole('button', { name: 'Delete everything' }).click()
  await waitForVisible(page.getByText('Your account and everything in it has been deleted.'))
})

test('a user who followed a link while signed out is led to it, also when the first attempt fails', async () => {
  const page = await windows.open(node.url, '/app/settings/devices?x=1')
  const signInLink = page.getByRole('link', { name: 'Continue with Example' })
  provider.errorCode = 'access_denied'
  await signInLink.click()
  await waitForVisible(page.getByText('Sign-in was cancelled.'))
  provider.errorCode = undefined
  await signInLink.click()
  await waitForVisible(page.getByText('This device', { exact: true }))
  expect(page.url()).toBe(`${node.url}/app/settings/devices?x=1`)
})

test('a foreign address to return to leads to the start page', async () => {
  const page = await windows.open(node.url, '/auth/oidc?return=https://example.com/app/c')
  await waitForVisible(composer(page))
  expect(page.url()).toBe(`${node.url}/app`)
})

test('an account with a password that an operator links is entered through the provider, and back again', async () => {
  const own = windows.keep(freshDatabase())
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const oidc = { issuer: provider.issuer, ...client, name: 'Example' }
  const both = windows.keep(await startNode(own, { port, publicOrigins: [url], oidc }))
  const alice = await signUp(both, 'alice')
  const title = 'Written before the link'
  await alice.ask('createConversation', { body: { title } })
  provider.user = { sub: 'subject-of-a-linked-account', preferred_username: 'somebody' }
  const lockstep = async (...args: string[]) => {
    const told: string[] = []
    const settings = {
      ...{ MONGODB_URL: own.url, SESSION_SECRET: 'x'.repeat(32), PUBLIC_ORIGIN: url },
      ...{ OIDC_ISSUER: provider.issuer, OIDC_CLIENT_ID: 'lockstep', PASSWORD_SIGN_IN: 'true' },
    }
    const code = await runProgram(args, settings, {
      print: () => undefined,
      tell: (line) => void told.push(line),
      readInput: () => Promise.resolve(''),
      onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
    })
    expect([code, told]).toEqual([0, [expect.anything()]])
  }
  await lockstep('link', alice.user.username, 'subject-of-a-linked-account')

  const page = await windows.open(url, '/app')
  const account = page.getByRole('button', { name: `Account of ${alice.user.username}` })
  const signInLink = page.getByRole('link', { name: 'Continue with Example' })
  await signInLink.click()
  await waitForVisible(account)
  await waitForVisible(listedConversation(page, title))
  await page.goto(`${url}/app/settings/activity`)
  await waitForVisible(page.getByText('Linked the account to a sign-in provider'))

  await lockstep('unlink', alice.user.username)
  await waitForVisible(page.getByText('Unlinked the account from its sign-in provider'))
  await page.goto(`${url}/app`)
  await signOut(page)
  await signInAs(page, alice.user.username, alice.password)
  await waitForVisible(listedConversation(page, title))
  await signOut(page)
  // the provider's user is somebody else from now on
  await signInLink.click()
  await waitForVisible(page.getByRole('button', { name: 'Account of somebody' }))
  await expect.poll(() => listedConversation(page, title).count()).toBe(0)
})
