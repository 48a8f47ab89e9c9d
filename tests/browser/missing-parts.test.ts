// What can be missing, against every page: the styles or the API. The test of missing things has
// the code of pages. Each
// page then shows what it has or says what is the matter, the list stays, and nothing throws.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { appPages, fillAccount } from './app-pages.ts'
import { sharedBrowser } from './browser-windows.ts'
import { listedConversation, navigateTo, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

const api = /\/(users|conversations|agents|agent-runs|topics|healthz)(\/|\?|$)/

/** Takes a part away from a page that is open. */
const missingParts: Record<string, (page: Page) => Promise<unknown>> = {
  'further styles': (page) => page.route(/\/assets\/.*\.css$/, (route) => route.abort()),
  'the API over HTTP': (page) => page.route(api, (route) => route.abort()),
  'an API that is the server’s': (page) =>
    page.route(api, (route) => route.fulfill({ status: 200, body: '<h1>A proxy</h1>' })),
}

test.each(Object.entries(missingParts))(
  'without %s, every page shows something and the list stays',
  async (part, takeAway) => {
    const alice = await signUp(shared.node, 'alice')
    const ids = await fillAccount(alice)
    const page = await windows.open(shared.node.url, '/app', { person: alice })
    await waitForVisible(page.getByText('Live on all devices').first())
    await takeAway(page)
    for (const { name, path } of appPages(ids)) {
      await navigateTo(page, path)
      const main = page.getByRole('main')
      await expect
        .poll(async () => (await main.innerText()).trim().length, { message: `${part}: ${name}` })
        .toBeGreaterThan(3)
      await waitForVisible(listedConversation(page, 'Reading list'))
    }
  },
)
