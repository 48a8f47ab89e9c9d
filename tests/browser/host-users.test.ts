// A browser's whole way to the provider and back, under the page's own rules for content and cookies.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OidcProvider, client } from '../auth/oidc-provider.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { composer, hides, shows, signOut } from './user-actions.ts'

const windows = sharedBrowser()
const database = freshDatabase()
let provider: OidcProvider
let node: TestNode

beforeAll(async () => {
  provider = await OidcProvider.start()
  const port = await freePort()
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

/** The provider has to know it before the node listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

test('who comes by the provider needs no password, neither to get in nor to leave for good', async () => {
  const page = await windows.open(node.url, '/app')
  const door = page.getByRole('link', { name: 'Continue with Example' })
  await shows(door)
  expect(await page.getByLabel('Password').count()).toBe(0)

  provider.errorCode = 'access_denied'
  await door.click()
  await shows(page.getByText('The sign-in was cancelled.'))
  provider.errorCode = undefined
  await door.click()
  await shows(composer(page))
  await signOut(page)
  await door.click()
  await shows(composer(page))

  await page.goto(`${node.url}/app/settings/account`)
  await shows(page.getByRole('heading', { name: 'Delete the account' }))
  await hides(page.getByRole('heading', { name: 'Password' }))
  expect(await page.locator('input[type=password]').count()).toBe(0)
  await page.getByRole('button', { name: 'Delete the account' }).click()
  await page.getByRole('button', { name: 'Delete everything' }).click()
  await shows(page.getByText('The account is deleted, with everything in it.'))
})
