// Takes each thing that can be missing from every page. If that may be the code of a page, the page
// is opened for the first time. Every page shows what it has or says what is the matter and what to
// do, the list of chats stays, and nothing throws. When the thing is back, the open page gets what
// it lacks by itself, and so does every other one. The test of missing things has the ids that lead
// nowhere.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addressOf, freshDatabase, throughAddress } from '../harness/database.ts'
import { HttpProxy } from '../harness/http-proxy.ts'
import { startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { Wire } from '../harness/wire.ts'
import { appPages, fillAccount, type AppPage } from './app-pages.ts'
import { sharedBrowser } from './browser-windows.ts'
import { listedConversation, navigateTo, waitForVisible } from './user-actions.ts'

const windows = sharedBrowser()
const parts = new AsyncDisposableStack()
const api = /\/(users|conversations|agents|agent-runs|topics|healthz)(\/|\?|$)/

/** The page comes through a proxy and a wire to the node, which has its database behind another. */
let lines: { page: Wire; database: Wire; proxy: HttpProxy }
let alice: Person
let pages: AppPage[]

beforeAll(async () => {
  const database = parts.use(freshDatabase())
  const databaseWire = parts.use(await Wire.to(addressOf(database.url)))
  const url = throughAddress(database.url, databaseWire.address)
  const node = parts.use(await startNode({ url }))
  const proxy = parts.use(await HttpProxy.to(node.url))
  proxy.passesUpgrades = true
  const page = parts.use(await Wire.to({ port: Number(new URL(proxy.url).port) }))
  lines = { page, database: databaseWire, proxy }
  alice = await signUp(node, 'alice')
  pages = appPages(await fillAccount(alice))
})
afterAll(() => parts.disposeAsync())

interface Missing {
  takeAway: (page: Page) => unknown
  giveBack: (page: Page) => unknown
  /** What a page says in place of what it lacks, by the page's name; `others` for all others. */
  says: Record<string, string>
  /** The code of the pages is out of reach too, so the window must have none of it yet. */
  takesCode?: boolean
  /** What the sidebar says meanwhile. */
  state?: string
  /** The button that the sentences ask for, if the page doesn't recover by itself. */
  remedy?: string
}

/** Everything that isn't loaded yet. */
async function blockFurtherCode(page: Page): Promise<void> {
  const loaded = new Set(
    await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name)),
  )
  await page.route(/\/assets\/.*\.(js|css)$/, (route) =>
    loaded.has(route.request().url()) ? route.fallback() : route.abort(),
  )
}
const unblock = (page: Page) => page.unrouteAll({ behavior: 'ignoreErrors' })
const notLoaded = {
  thread: 'This chat loads as soon as it does.',
  history: 'Couldn’t load the history.',
  activity: 'Couldn’t load your activity.',
  runs: 'Couldn’t load the run history.',
  run: 'Couldn’t load this run.',
}

const missing: Record<string, Missing> = {
  'code and styles of further pages': {
    takesCode: true,
    takeAway: blockFurtherCode,
    giveBack: unblock,
    says: { others: 'Reload to continue.', thread: 'Couldn’t load this chat' },
    remedy: 'Reload',
  },
  'the API over HTTP': {
    takeAway: (page) => page.route(api, (route) => route.abort()),
    giveBack: unblock,
    says: notLoaded,
  },
  'an API that is the server’s': {
    takeAway: (page) =>
      page.route(api, (route) => route.fulfill({ status: 200, body: '<h1>A proxy</h1>' })),
    giveBack: unblock,
    says: notLoaded,
  },
  'a socket': {
    takeAway() {
      lines.proxy.passesUpgrades = false
      lines.proxy.endTunnels()
    },
    giveBack: () => (lines.proxy.passesUpgrades = true),
    says: {},
    state: 'WebSockets are blocked · updates every few seconds',
  },
  'the server': {
    takesCode: true,
    takeAway: () => lines.page.cut(),
    giveBack: () => lines.page.restore(),
    says: { others: 'You’re offline' },
    state: 'Offline',
  },
  'the database': {
    takeAway: () => lines.database.cut(),
    giveBack: () => lines.database.restore(),
    says: notLoaded,
  },
}

test.each(Object.entries(missing))(
  'C: without %s, every page says what it lacks, the list stays, and all is there again afterwards',
  async (_, { takesCode, takeAway, giveBack, says, state, remedy }) => {
    const page = await windows.open(`http://${lines.page.address}`, '/app', {
      person: alice,
      isNew: takesCode,
      alsoExpected: /503 \(Service Unavailable\)/,
    })
    const main = page.getByRole('main')
    await waitForVisible(page.getByText('Live on all devices').first())
    await takeAway(page)
    if (state) await waitForVisible(page.getByRole('complementary').getByText(state), 30_000)
    for (const { name, path, ready } of pages) {
      await navigateTo(page, path)
      const sentence = says[name] ?? says.others
      const content = ready(page)
      const seen = sentence === undefined ? content : content.or(main.getByText(sentence).first())
      await waitForVisible(seen.first(), 15_000).catch(async (error: unknown) => {
        const text = (await main.innerText()).slice(0, 200)
        throw new Error(`${name} says only “${text}”`, { cause: error })
      })
      await waitForVisible(listedConversation(page, 'Reading list'))
    }

    const thread = pages.find(({ name }) => name === 'thread')!
    if (remedy === undefined) await navigateTo(page, thread.path)
    await giveBack(page)
    if (remedy === undefined) await waitForVisible(thread.ready(page), 30_000)
    else await main.getByRole('button', { name: remedy }).click()
    await waitForVisible(page.getByText('Live on all devices').first(), 70_000)
    for (const { path, ready } of pages) {
      await navigateTo(page, path)
      const again = main.getByRole('button', { name: 'Try again' })
      await waitForVisible(ready(page).or(again).first())
      // The page may also get there by itself, at any moment.
      await again.evaluateAll((buttons: HTMLElement[]) => buttons.forEach((it) => it.click()))
      await waitForVisible(ready(page))
    }
    await expect.poll(() => page.getByRole('alertdialog').count()).toBe(0)
  },
)
