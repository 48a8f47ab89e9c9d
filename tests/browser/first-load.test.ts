// The first load is small and fast. The budget counts the compressed scripts that a browser needs
// before the user can do anything.
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fillAccount } from './app-pages.ts'
import { sharedBrowser } from './browser-windows.ts'
import { composer, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

/** In bytes. */
const SCRIPT_BUDGET = 90 * 1024

/**
 * The bytes of gzipped script that a page asks for until what a person came for is there, which
 * `selector` finds. Later scripts are loaded ahead.
 */
async function scriptBytes(page: Page, path: string, selector: string): Promise<number> {
  await page.addInitScript((selector) => {
    new MutationObserver((_, observer) => {
      if (!document.querySelector(selector)) return
      observer.disconnect()
      Object.assign(window, { usableAt: performance.now() })
    }).observe(document, { childList: true, subtree: true })
  }, selector)
  await page.goto(shared.node.url + path)
  const found = await page.waitForFunction(() => {
    const { usableAt } = window as { usableAt?: number }
    return (
      usableAt !== undefined &&
      performance
        .getEntriesByType('resource')
        .filter(({ name, startTime }) => name.endsWith('.js') && startTime < usableAt)
        .map(({ name }) => name)
    )
  })
  const urls = new Set((await found.jsonValue()) || [])
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
  const pages: [path: string, selector: string, person?: Person][] = [
    ['/app/sign-in', 'input[autocomplete~=username]'],
    ['/app/new', 'textarea', alice],
    [`/app/c/${id}`, '.markdown strong', alice],
  ]
  for (const [path, selector, person] of pages) {
    const page = await windows.open(shared.node.url, '/healthz', { person, isNew: true })
    const bytes = await scriptBytes(page, path, selector)
    expect(bytes, path).toBeLessThan(SCRIPT_BUDGET)
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
  // The machine may be busy, so the best of some loads counts.
  let best = Infinity
  for (let load = 0; load < 20 && best >= 1000; load++) {
    const began = performance.now()
    await page.goto(`${shared.node.url}/app`, { waitUntil: 'commit' })
    await waitForVisible(composer(page))
    best = Math.min(best, performance.now() - began)
    await waitForVisible(page.getByRole('link', { name: /The garden in spring/ }))
  }
  expect(best).toBeLessThan(1000)
  const shifts = await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts)
  expect(shifts.reduce((sum, value) => sum + value, 0)).toBeLessThan(0.02)
})
