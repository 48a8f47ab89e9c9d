// The page is small and soon there: what a browser has to fetch before anything can be done, as it goes over the wire.
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { composer, shows } from './user-actions.ts'
import { fill } from './all-pages.ts'

const shared = sharedNodes()
const windows = sharedBrowser()
const BUDGET = 90 * 1024

/** Bytes of gzipped script that a page fetched until it was usable. */
async function scripts(
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
      const answer = await fetch(url)
      expect(answer.headers.get('content-encoding'), `${url} is sent compressed`).toMatch(
        /^(br|gzip)$/,
      )
      return answer.arrayBuffer()
    }),
  )
  return bodies.reduce((sum, body) => sum + gzipSync(body).length, 0)
}

test('the sign-in page, a new chat and a thread each need at most 90 KB of compressed script', async () => {
  const alice = await signUp(shared.node, 'alice')
  const messages = [{ role: 'assistant' as const, content: '**Markdown** without code' }]
  const { id } = await alice.ask('createConversation', { body: { messages } })
  const visits: [string, (page: Page) => Promise<void>][] = [
    ['/app/new', (page) => shows(composer(page))],
    [`/app/c/${id}`, (page) => shows(page.getByText('Markdown', { exact: true }))],
  ]
  const door = await windows.open(shared.node.url, '/healthz')
  expect(
    await scripts(door, '/app/sign-in', (page) => shows(page.getByLabel('Username'))),
  ).toBeLessThan(BUDGET)
  for (const [path, usable] of visits) {
    const page = await windows.open(shared.node.url, '/healthz', { person: alice })
    expect(await scripts(page, path, usable), path).toBeLessThan(BUDGET)
  }
})

test('who is signed in can write within a second, and nothing jumps while the page fills', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fill(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await shows(composer(page))
  await page.addInitScript(() => {
    const shifts: number[] = []
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries())
        shifts.push((entry as unknown as { value: number }).value)
    }).observe({ type: 'layout-shift', buffered: true })
    Object.assign(window, { shifts })
  })
  const times: number[] = []
  for (let visit = 0; visit < 3; visit++) {
    const began = performance.now()
    await page.goto(`${shared.node.url}/app`, { waitUntil: 'commit' })
    await shows(composer(page))
    times.push(performance.now() - began)
    await shows(page.getByRole('link', { name: /The garden in spring/ }))
  }
  expect(Math.min(...times)).toBeLessThan(1000)
  const shifts = await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts)
  expect(shifts.reduce((sum, value) => sum + value, 0)).toBeLessThan(0.02)
})
