// One walk over all pages at the widths of a desktop, a tablet and phones measures what would make
// a designer write a ticket. In the short form, the seed chooses one of a device's widths for each
// page.
import type { BrowserContextOptions, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { inForm } from '../harness/long-form.ts'
import { signUp, type Person } from '../harness/person.ts'
import { randomOf } from '../harness/random.ts'
import { seed } from '../harness/seed.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { appPages, fillAccount, type AppPage } from './app-pages.ts'
import { desktop, fastReplies, phone, sharedBrowser } from './browser-windows.ts'
import { layoutFaults, mirrorFaults } from './layout-faults.ts'
import { navigateTo, waitForVisible } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser()

const long =
  'Notes on the quarterly planning meeting with the whole product team, and what follows from them'
const widths: [string, BrowserContextOptions, number[]][] = [
  ['a desktop', desktop, [1440, 1024]],
  ['a tablet', { viewport: { width: 768, height: 1024 }, hasTouch: true }, [768, 1024]],
  ['a phone', phone, [390, 360]],
]

/** Has the longest texts and everything that is rare, on every page. */
async function fillWithLongTexts(person: Person): Promise<AppPage[]> {
  const ids = await fillAccount(person)
  const reply = { role: 'assistant' as const, status: 'failed' as const, content: 'Half of it' }
  const wide = `| ${'a column | '.repeat(12)}\n|${'---|'.repeat(12)}\n| ${'some text | '.repeat(12)}`
  const rare = await person.ask('createConversation', {
    body: {
      title: long,
      messages: [
        { role: 'user', content: long },
        {
          ...reply,
          status: 'complete',
          content: `${wide}\n\n\`\`\`\n${'wide '.repeat(60)}\n\`\`\`\n\n1. أهلاً\n\n${'word '.repeat(900)}`,
        },
        { role: 'user', content: 'And then?' },
        { ...reply, metadata: { reason: 'The assistant’s server can’t be reached.' } },
      ],
    },
  })
  for (let number = 0; number < 20; number++)
    await person.ask('createConversation', { body: { title: `Chat ${number}` } })
  const trashed = await person.ask('createConversation', { body: { title: 'In the trash' } })
  await person.ask('deleteConversation', { params: { id: trashed.id } })
  const settings = { name: long.slice(0, 60), description: long.repeat(3), instructions: long }
  await person.ask('putPreferences', {
    body: { agent_settings: { '0199aaaa-0000-7000-8000-000000000002': settings } },
  })
  await person.ask('createRun', { body: { agent: 'demo', input: `${long} ${long}` } })
  const rareThread: AppPage = {
    name: 'rare',
    path: `/app/c/${rare.id}`,
    ready: (page) => page.getByText('This reply failed'),
  }
  const trash: AppPage = {
    name: 'trash',
    path: `/app/c/${trashed.id}`,
    ready: (page) => page.getByRole('button', { name: 'Delete forever' }),
  }
  const gone: AppPage = {
    name: 'gone',
    path: '/app/c/gone',
    ready: (page) => page.getByText('This chat no longer exists'),
  }
  const unknown: AppPage = {
    name: 'unknown',
    path: '/app/unknown',
    ready: (page) => page.getByText('Page not found'),
  }
  return [...appPages(ids), rareThread, trash, gone, unknown]
}

/** Everything that can be wrong with what is shown, at each width. */
async function faultsAt(page: Page, sizes: readonly number[]): Promise<string[]> {
  const height = page.viewportSize()!.height
  const faults: string[] = []
  for (const width of sizes) {
    await page.setViewportSize({ width, height })
    for (const fault of [...(await layoutFaults(page)), ...(await mirrorFaults(page))])
      faults.push(`${width}: ${fault}`)
  }
  return faults
}

/** How many chats of the list can be seen in full. */
const rowsInSight = (page: Page): Promise<number> =>
  page.locator('[data-row]').evaluateAll((rows) => {
    const list = rows[0]?.closest('nav')?.getBoundingClientRect()
    return rows.filter((row) => {
      const { top, bottom } = row.getBoundingClientRect()
      return list !== undefined && top >= list.top && bottom <= list.bottom
    }).length
  })

/** The first headings of the pages, and ways to other pages, that a notice lies over. */
async function coveredByNotice(page: Page, pages: readonly AppPage[]): Promise<string[]> {
  const notice = page.locator('.notice')
  const covered = []
  for (const { name, path, ready } of pages) {
    if ((await notice.count()) === 0) {
      await navigateTo(page, '/app')
      await page.locator('[data-row]', { hasText: 'Chat 1' }).first().getByRole('button').click()
      await page.getByRole('menuitem', { name: 'Archive', exact: true }).click()
    }
    await navigateTo(page, path)
    await waitForVisible(ready(page))
    // What goes away while it is looked at covers nothing any more.
    const over = await notice.evaluateAll(([shown]) => {
      if (!shown) return []
      const box = shown.getBoundingClientRect()
      const important = 'h1:not(.visually-hidden), nav[aria-label] > a, .composer, .tools a'
      return [...document.querySelectorAll<HTMLElement>(important)]
        .concat(document.querySelector<HTMLElement>('main h2') ?? [])
        .filter((element) => element.checkVisibility())
        .filter((element) => {
          const words = document.createRange()
          words.selectNodeContents(element)
          const { left, right, top, bottom } = words.getBoundingClientRect()
          return left < box.right && right > box.left && top < box.bottom && bottom > box.top
        })
        .map((element) => element.innerText)
    })
    covered.push(...over.map((text) => `${name}: ${text}`))
  }
  return covered
}

test.each(widths)(
  'no page has a fault that can be measured on %s',
  { timeout: 120_000 },
  async (name, device, sizes) => {
    const alice = await signUp(shared.node, 'alice')
    const pages = await fillWithLongTexts(alice)
    const found: Record<string, string[]> = {}
    const random = randomOf(seed)
    const look = (at: Page) =>
      faultsAt(at, inForm([sizes[Math.floor(random() * sizes.length)]!], sizes))
    const page = await windows.open(shared.node.url, '/app', { ...device, person: alice })
    await page.waitForFunction(() =>
      performance.getEntriesByType('resource').some(({ name }) => name.includes('/cut-texts')),
    )
    for (const { name, path, ready } of pages) {
      await navigateTo(page, path)
      await waitForVisible(ready(page))
      found[name] = await look(page)
      if (name !== 'rare') continue
      // Away from the end, there are ways back to it.
      await page.getByRole('region', { name: 'Messages' }).focus()
      await page.keyboard.press('Home')
      await waitForVisible(page.getByRole('button', { name: 'Latest' }))
      found.scrolled = await look(page)
    }
    await page.setViewportSize({ ...page.viewportSize()!, width: sizes.at(-1)! })
    if (name !== 'a tablet') {
      await navigateTo(page, '/app')
      await alice.ask('putPreferences', { body: { density: 'compact' } })
      await waitForVisible(page.locator('html[data-density=compact]'))
      expect(await rowsInSight(page), 'a compact list').toBeGreaterThanOrEqual(18)
      found.compact = await faultsAt(page, inForm(sizes.slice(-1), sizes))
    }
    expect(Object.entries(found).filter(([, faults]) => faults.length > 0)).toEqual([])
    if (name === 'a tablet') return
    // The rare thread is shown where it was left, which is its beginning.
    const others = pages.filter(({ name }) => name !== 'rare')
    expect(await coveredByNotice(page, others), 'covered by a notice').toEqual([])
  },
)
