// A node under a path of its own: the page, its links, HTTP and sockets all stay below it.
import { expect, test } from 'vitest'
import { freshDatabase } from '../harness/database.ts'
import { Nginx, snippetOf } from '../harness/nginx.ts'
import { startNode } from '../harness/node.ts'
import { request } from '../harness/person.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  composer,
  listedConversation,
  sendMessage,
  signOut,
  signUpAs,
  threadText,
  waitForVisible,
} from './user-actions.ts'

const windows = sharedBrowser()

test('under BASE_PATH, behind nginx as the docs have it, a person signs up, writes, follows links, reloads and signs out, and nothing is asked for outside of it', async () => {
  const database = windows.keep(freshDatabase())
  const basePath = '/a/chat'
  const node = windows.keep(await startNode(database, { basePath, trustProxy: 1, ...fastReplies }))
  const text = await snippetOf('operating.md')
  const conf = text.replace('location /', `location ${basePath}/`)
  const nginx = windows.keep(await Nginx.from(conf, { target: node.url }))
  const url = nginx.url + basePath
  const page = await windows.open(url, '')
  const outside: string[] = []
  page.on('request', (sent) => {
    if (!sent.url().startsWith(url) && !sent.url().startsWith('blob:')) outside.push(sent.url())
  })
  let live = 0
  page.on('websocket', (socket) => {
    socket.once('framereceived', () => live++)
    if (!socket.url().replace('ws', 'http').startsWith(`${url}/socket.io/`))
      outside.push(socket.url())
  })
  await waitForVisible(page.getByLabel('Username'))
  await signUpAs(page, 'alice', 'a password of alice')
  await sendMessage(page, 'Hello from below')
  await page.waitForURL(`${url}/app/c/*`)
  await waitForVisible(threadText(page, 'Hello from below'))
  const thread = page.url()
  const cookies = await page.context().cookies()
  expect(cookies.map(({ path }) => path)).toEqual(['/a/chat'])

  // A change by one tab arrives at another one over its socket.
  const second = await page.context().newPage()
  await second.goto(thread)
  await waitForVisible(threadText(second, 'Hello from below'))
  await page.evaluate(async (url) => {
    const headers = { 'content-type': 'application/json' }
    await fetch(url, { method: 'POST', headers, body: JSON.stringify({ title: 'Made elsewhere' }) })
  }, `${url}/conversations`)
  await waitForVisible(listedConversation(second, 'Made elsewhere'))

  await page.getByRole('link', { name: 'Agents' }).first().click()
  await page.waitForURL(`${url}/app/agents`)
  await page.reload()
  await waitForVisible(page.getByRole('heading', { name: 'Agents' }))
  const addresses = await page.evaluate(() => Array.from(document.links, ({ href }) => href))
  expect(addresses.filter((address) => !address.startsWith(url))).toEqual([])
  await listedConversation(page, 'Hello from below').click()
  await page.waitForURL(thread)
  await page.goBack()
  await page.waitForURL(`${url}/app/agents`)
  await page.goto(`${url}/app/nonsense`)
  await page.getByRole('link', { name: 'Back to chats' }).click()
  await page.waitForURL(`${url}/app`)
  await signOut(page)
  await page.goto(thread)
  await page.getByLabel('Username').fill('alice')
  await page.getByLabel('Password').fill('a password of alice')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(thread)
  await waitForVisible(composer(page))
  expect(outside).toEqual([])
  expect(live).toBeGreaterThan(0)
})

test('outside of BASE_PATH everything is 404', async () => {
  const database = windows.keep(freshDatabase())
  const node = windows.keep(await startNode(database, { basePath: '/chat' }))
  const { origin } = new URL(node.url)
  const statusOf = async (path: string) => (await request(origin + path, 'GET')).status
  for (const path of [
    '/',
    '/healthz',
    '/readyz',
    '/app',
    '/auth/methods',
    '/chatter',
    '/chatter/healthz',
    '/socket.io/',
  ])
    expect(await statusOf(path), path).toBe(404)
  for (const path of [
    '/chat',
    '/chat/',
    '/chat?a',
    '/chat/app',
    '/chat/healthz',
    '/chat/readyz',
    '/chat/auth/methods',
  ])
    expect(await statusOf(path), path).toBe(200)
})
