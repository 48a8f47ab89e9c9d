// The interactive page of the documentation: a developer finds a request, fills it in and sends it
// to a running server, through the server of `npm run docs` and without anything from elsewhere.
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { serveSite } from '../../tools/docs/serve.ts'
import { writeTryPage } from '../../tools/docs/try-page.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

test('a developer sends requests of the API from the documentation, with a token, and reads what comes', async () => {
  const person = await signUp(shared.node)
  const { token } = await person.ask('createToken', { body: { name: 'Documentation' } })
  const folder = windows.keep(await mkdtempDisposable(path.join(tmpdir(), 'lockstep-try-')))
  writeTryPage(folder.path)
  const site = windows.keep(await serveSite(folder.path, 0, shared.node.url))
  const page = await windows.open(site.url, '/try.html', {
    isNew: true,
    alsoExpected: /401|404/,
  })
  const outside: string[] = []
  page.on('request', (sent) => {
    if (!sent.url().startsWith(site.url)) outside.push(sent.url())
  })

  // Without a token, the answer says what is missing.
  await page.getByLabel('Filter').fill('get /conversations summaries')
  await waitForVisible(page.getByText(/^1 of \d+ requests$/))
  const list = page.locator('details:visible')
  await list.locator('summary').click()
  await list.getByRole('button', { name: 'Send' }).click()
  await waitForVisible(list.getByText(/^401 .* in \d+ ms$/))
  await waitForVisible(list.getByText('"code": "unauthenticated"'))

  // With one, a conversation is made from the example that the page offers.
  await page.getByLabel('Token').fill(token)
  await page.getByLabel('Filter').fill('post create conversation')
  await waitForVisible(page.getByText(/^1 of \d+ requests$/))
  const create = page.locator('details:visible')
  await create.locator('summary').click()
  await create.getByLabel('Body').fill('{"title": "From the documentation"}')
  await create.getByRole('button', { name: 'Send' }).click()
  await waitForVisible(create.getByText(/^201 .* in \d+ ms$/))
  const { items } = await person.ask('listConversations')
  expect(items.map(({ title }) => title)).toEqual(['From the documentation'])
  // what it shows for a shell doesn't hold the token
  await waitForVisible(create.getByText('Bearer $TOKEN'))
  await expect.poll(() => page.locator('main').innerText()).not.toContain(token)

  // A parameter in the path and one in the query.
  await page.getByLabel('Filter').fill('delete /conversations/{id} move')
  await waitForVisible(page.getByText(/^1 of \d+ requests$/))
  const remove = page.locator('details:visible')
  await remove.locator('summary').click()
  await remove.getByLabel(/^id/).fill(items[0]!.id)
  await remove.getByRole('button', { name: 'Send' }).click()
  await waitForVisible(remove.getByText(/^20\d .* in \d+ ms$/))
  expect((await person.ask('listConversations')).items).toEqual([])
  expect(outside).toEqual([])

  // Pages of other sites can't use the way to the server, nor can programs by mistake.
  const strangers: Record<string, string>[] = [
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    {},
  ]
  for (const headers of strangers) {
    const answer = await fetch(`${site.url}/server/healthz`, { headers })
    expect(answer.status).toBe(403)
  }
  const outOfIt = await fetch(`${site.url}/..%2f..%2fetc%2fpasswd`)
  expect(outOfIt.status).toBe(404)
})
