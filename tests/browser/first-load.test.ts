// The first load is small and fast. The budget counts the compressed scripts that a browser needs
// before the user can do anything.
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fillAccount } from './app-pages.ts'
import { sharedBrowser } from './browser-windows.ts'
import { composer, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

/** In bytes. */
const SCRIPT_BUDGET = 90 * 1024

/** The bytes of gzipped script that a page fetches until it is usable. */
async function scriptBytes(
  page: Page,
  path: string,
  usable: (page: Page) => Promise<void>,
): Promise<number> {
  const urls = new Set<string>()
  page.on('request', (request) => {
    if (request.url().endsWith('.js')) urls.add(request.url())
  })
  await page.goto(shared.node.url + path)
  await usable(page)
  expect(urls.size).toBeGreaterThan(0)
  const bodies = await Promise.all(
    [...urls].map(async (url) => {
      const response = await fetch(url)
      expect(response.headers.get('content-encoding'), `${url} is sent compressed`).toMatch(
        /^(br|gzip)$/,
      )
      return response.arrayBuffer()
    }),
  )
  return bodies.reduce((sum, body) => sum + gzipSync(body).length, 0)
}

test('the sign-in page, a new chat and a thread each need at most 90 KB of compressed script', async () => {
  const alice = await signUp(shared.node, 'alice')
  const messages = [{ role: 'assistant' as const, content: '**Markdown** without code' }]
  const { id } = await alice.ask('createConversation', { body: { messages } })
  const pages: [string, (page: Page) => Promise<void>][] = [
    ['/app/new', (page) => waitForVisible(composer(page))],
    [`/app/c/${id}`, (page) => waitForVisible(page.getByText('Markdown', { exact: true }))],
  ]
  const signedOut = await windows.open(shared.node.url, '/healthz', { isNew: true })
  expect(
    await scriptBytes(signedOut, '/app/sign-in', (page) =>
      waitForVisible(page.getByLabel('Username')),
    ),
  ).toBeLessThan(SCRIPT_BUDGET)
  for (const [path, usable] of pages) {
    const page = await windows.open(shared.node.url, '/healthz', { person: alice, isNew: true })
    expect(await scriptBytes(page, path, usable), path).toBeLessThan(SCRIPT_BUDGET)
  }
})

test('a signed-in user can write within a second, and the layout does not shift while the page fills', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await waitForVisible(composer(page))
  await page.addInitScript(() => {
    const shifts: number[] = []
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries())
        shifts.push((entry as unknown as { value: number }).value)
    }).observe({ type: 'layout-shift', buffered: true })
    Object.assign(window, { shifts })
  })
  const times: number[] = []
  for (let load = 0; load < 3; load++) {
    const began = performance.now()
    await page.goto(`${shared.node.url}/app`, { waitUntil: 'commit' })
    await waitForVisible(composer(page))
    times.push(performance.now() - began)
    await waitForVisible(page.getByRole('link', { name: /The garden in spring/ }))
  }
  expect(Math.min(...times)).toBeLessThan(1000)
  const shifts = await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts)
  expect(shifts.reduce((sum, value) => sum + value, 0)).toBeLessThan(0.02)
})
