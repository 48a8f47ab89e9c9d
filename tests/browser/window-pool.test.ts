// Nothing of a test is left in the window that a later test gets.
import type { Page } from 'playwright-core'
import { afterAll, expect, test } from 'vitest'
import { sharedNodes } from '../harness/shared-node.ts'
import { openContext, sharedBrowser } from './browser-windows.ts'
import { WindowPool } from './window-pool.ts'

const shared = sharedNodes()
const windows = sharedBrowser()
const pool = new WindowPool()
afterAll(() => pool.close())

async function create() {
  const context = await openContext(windows.browser, shared.node.url)
  return pool.add('key', context, await context.newPage(), [])
}
const seen = () => ({
  cookies: document.cookie,
  stored: Object.keys(localStorage),
  ofTheTab: Object.keys(sessionStorage),
  pagesBefore: history.length,
})
const leaveTraces = async () => {
  document.cookie = 'a=1'
  localStorage.setItem('a', '1')
  sessionStorage.setItem('a', '1')
  history.pushState(null, '', '/healthz?again')
  await new Promise((resolve) => (indexedDB.open('a').onsuccess = resolve))
}
const databases = () => indexedDB.databases().then((all) => all.map(({ name }) => name))

test('a window that is given back is like a new one', async () => {
  const address = `${shared.node.url}/healthz`
  const first = await create()
  await pool.visit(first, address)
  const before = await first.page.evaluate(seen)
  await first.page.evaluate(leaveTraces)
  await first.page.route('**', (route) => route.fulfill({ body: 'not the server' }))
  expect(await first.page.evaluate(seen)).not.toEqual(before)
  await pool.giveBack(first)
  expect(pool.take('another key')).toBeUndefined()
  const second = pool.take('key')!
  expect(second).toBe(first)
  await pool.visit(second, address)
  expect(await second.page.evaluate(seen)).toEqual(before)
  expect(await second.page.evaluate(databases)).toEqual([])
  await expect.poll(() => second.page.content()).not.toContain('not the server')
  await pool.giveBack(second)
})

test.each<[string, (page: Page) => unknown]>([
  ['listens', (page) => page.on('request', () => undefined)],
  ['runs code in every page', (page) => page.addInitScript('a = 1')],
  ['opens a further tab', (page) => page.context().newPage()],
  ['closes it', (page) => page.close()],
])('a window is not used again if a test %s', async (_, alter) => {
  const altered = await create()
  await pool.visit(altered, `${shared.node.url}/healthz`)
  await alter(altered.page)
  await pool.giveBack(altered)
  expect(pool.take('key')).not.toBe(altered)
})
