// Finding conversations by their titles and messages.
import type { Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { fillAccount } from './app-pages.ts'
import { sharedBrowser } from './browser-windows.ts'
import {
  chooseAction,
  composer,
  listedConversation,
  waitForFocus,
  waitForHidden,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })

test('the search covers titles and messages, and marks the matches in the list and in the thread', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const field = page.getByRole('searchbox', { name: 'Search titles and messages' })
  await waitForVisible(listedConversation(page, 'Invoice wording'))
  await field.fill('cliff')
  await waitForVisible(listedConversation(page, 'Trip to the coast'))
  await waitForHidden(listedConversation(page, 'Invoice wording'))
  await waitForVisible(page.getByRole('complementary').locator('mark', { hasText: 'cliff' }))

  await field.fill('square metres')
  await waitForHidden(listedConversation(page, 'Trip to the coast'))
  await listedConversation(page, 'The garden in spring').click()
  const messages = page.getByRole('region', { name: 'Messages' })
  await waitForVisible(messages.getByText('Half a day of sun', { exact: false }))
  await expect
    .poll(() => page.evaluate(() => [...(CSS.highlights.get('search') ?? [])].map(String)))
    .toEqual(['square metres'])

  await field.press('Escape')
  await waitForVisible(listedConversation(page, 'Invoice wording'))
})

/** Holds the page's requests that match, until the test lets one go or refuses it. */
async function holdRequests(page: Page, matching: RegExp) {
  const held: Route[] = []
  await page.route(matching, (route) => void held.push(route))
  /** The request for these words; it may have been cancelled by the page. */
  const taken = async (words: string): Promise<Route> => {
    const find = () =>
      held.findIndex((route) => new URL(route.request().url()).searchParams.get('q') === words)
    await expect.poll(find, { message: words }).not.toBe(-1)
    return held.splice(find(), 1)[0]!
  }
  return {
    /** Waits until the page asks for these words, and holds the request on. */
    holds: async (words: string) => void held.push(await taken(words)),
    letGo: async (words: string) => (await taken(words)).continue().catch(() => undefined),
    refuse: async (words: string) => (await taken(words)).abort().catch(() => undefined),
  }
}

test('answers that come late, in another order or not at all leave the list filtered by what the field says', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await windows.open(`http://${wire.address}`, '/healthz', { person: alice })
  const { holds, letGo, refuse } = await holdRequests(page, /\/conversations\?.*\bq=/)
  await page.goto(`http://${wire.address}/app`)
  const field = page.getByRole('searchbox')
  const rows = page.getByRole('complementary').getByRole('listitem')
  const shows = (...titles: string[]) =>
    expect
      .poll(async () => (await rows.locator('.title').allInnerTexts()).toSorted(), {
        message: titles.join(),
      })
      .toEqual(titles)
  await waitForVisible(listedConversation(page, 'Invoice wording'))
  await waitForVisible(page.getByText('Live on all devices').first())

  // the later answer comes first
  await field.fill('no car')
  await shows()
  await waitForVisible(page.getByText('Searching…'))
  await holds('no car')
  await field.fill('ISO')
  await letGo('ISO')
  await shows('Regex for dates')
  await letGo('no car')
  // what changes elsewhere doesn't bring back the others, unless it matches
  await alice.ask('createConversation', { body: { title: 'Another one' } })
  await alice.ask('createConversation', { body: { title: 'Something about ISO' } })
  await shows('Regex for dates', 'Something about ISO')

  // the same words again, while the first answer is on its way
  await field.fill('no car')
  await field.fill('')
  await shows(
    ...['Another one', 'Invoice wording', 'Reading list', 'Regex for dates'],
    ...['Something about ISO', 'The garden in spring', 'Trip to the coast'],
  )
  await field.fill('no car')
  await letGo('no car')
  await shows('Trip to the coast')

  // a refused request, and a lost connection: what is here is searched, and then the rest
  await field.fill('square metres')
  await refuse('square metres')
  await waitForVisible(page.getByText('Showing only chats that are already loaded'))
  await shows()
  wire.cut()
  await waitForVisible(page.getByRole('complementary').getByText('Offline'))
  await field.fill('due upon')
  await refuse('due upon')
  await waitForVisible(page.getByText('Showing only chats that are already loaded'))
  wire.restore()
  await letGo('due upon')
  await shows('Invoice wording')
})

test('a search whose code does not arrive says what to do, and the list is there again', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/healthz', {
    person: alice,
    alsoExpected: /ERR_FAILED/,
  })
  await page.route(/\/assets\/conversation-search.*\.js/, (route) => route.abort())
  await page.goto(`${shared.node.url}/app`)
  const field = page.getByRole('searchbox')
  await waitForVisible(listedConversation(page, 'Invoice wording'))
  await waitForVisible(page.getByText('Live on all devices').first())
  await field.fill('cliff')
  await waitForVisible(page.getByText('Reload to continue.'))
  await waitForHidden(listedConversation(page, 'Invoice wording'))
  await field.press('Escape')
  await waitForVisible(listedConversation(page, 'Invoice wording'))
  await page.unroute(/\/assets\/conversation-search/)
})

test('whoever types into a field while a page is still loading goes on typing there', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/healthz', { person: alice })
  const arrive = Promise.withResolvers<void>()
  await page.route(/\/assets\/NewChat-.*\.js/, async (route) => {
    await arrive.promise
    await route.continue()
  })
  await page.goto(`${shared.node.url}/app`)
  const field = page.getByRole('searchbox')
  await waitForVisible(listedConversation(page, 'Invoice wording'))
  await field.press('c')
  arrive.resolve()
  await waitForVisible(composer(page))
  await page.keyboard.type('liff')
  await expect.poll(() => field.inputValue()).toBe('cliff')
  await waitForHidden(listedConversation(page, 'Invoice wording'))
  await waitForVisible(listedConversation(page, 'Trip to the coast'))

  // whoever asks for a new chat from that field wants to write in it
  for (const ask of [
    () => page.keyboard.press('Control+Shift+O'),
    async () => {
      await page.keyboard.press('Control+K')
      await waitForFocus(page.getByRole('combobox'))
      await page.keyboard.type('New chat')
      await page.keyboard.press('Enter')
    },
  ]) {
    await listedConversation(page, 'Trip to the coast').click()
    await waitForFocus(composer(page))
    await field.focus()
    await ask()
    await waitForVisible(page.getByRole('heading', { name: /^Good / }))
    await waitForFocus(composer(page))
  }
})

test('pinned conversations come first, and the archive and the trash are separate lists', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const rows = page.getByRole('complementary').getByRole('listitem')
  await waitForVisible(listedConversation(page, 'Reading list'))
  await expect.poll(() => rows.first().textContent()).toContain('Reading list')
  await chooseAction(page, 'Invoice wording', 'Archive')
  await chooseAction(page, 'Regex for dates', 'Delete')
  await waitForHidden(listedConversation(page, 'Regex for dates'))

  await page.getByRole('button', { name: 'Chats', exact: true }).click()
  await page.getByRole('menuitemradio', { name: 'Archive' }).click()
  await waitForVisible(listedConversation(page, 'Invoice wording'))
  await page.getByRole('button', { name: 'Archive', exact: true }).click()
  await page.getByRole('menuitemradio', { name: 'Trash' }).click()
  await listedConversation(page, 'Regex for dates').click()
  await waitForVisible(page.getByText(/^This chat is in the trash/))
  await page.getByRole('button', { name: 'Delete forever' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete forever' }).click()
  await waitForHidden(listedConversation(page, 'Regex for dates'))
})

test('G6: several words mean AND, a row shows what was found, and more hits than a page can be reached', async () => {
  const alice = await signUp(shared.node, 'alice')
  const messages = (...contents: string[]) =>
    contents.map((content) => ({ role: 'user' as const, content }))
  const body = (title: string, ...contents: string[]) => ({
    body: { title, messages: messages(...contents) },
  })
  await alice.ask(
    'createConversation',
    body('Both', 'A **heron** is', 'and blue it was', 'The end'),
  )
  await alice.ask('createConversation', body('Blue in the title', 'A heron stands there', 'End'))
  await alice.ask('createConversation', body('Only one', 'A heron', 'The end'))
  for (let at = 0; at < 95; at++)
    await alice.ask('createConversation', body(`Common ${at}`, 'needle'))
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await page.getByRole('searchbox').fill('heron blue')
  await waitForVisible(listedConversation(page, 'Both'))
  await waitForVisible(listedConversation(page, 'Blue in the title'))
  await expect.poll(() => page.getByRole('complementary').getByRole('listitem').count()).toBe(2)
  await waitForVisible(
    listedConversation(page, 'Blue in the title').locator('mark', { hasText: 'heron' }),
  )
  await page.getByRole('searchbox').fill('needle')
  await waitForVisible(listedConversation(page, 'Common 94'))
  await expect
    .poll(async () => {
      await page.getByRole('complementary').getByRole('listitem').last().scrollIntoViewIfNeeded()
      return page.getByRole('complementary').getByRole('listitem').count()
    })
    .toBe(95)
})
