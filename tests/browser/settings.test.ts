// Settings apply on every device at once. The activity names the device that made each change. Code
// can be copied, and the page respects reduced motion.
import { expect, test } from 'vitest'
import { openDatabase } from '../../realtime/store/database.ts'
import { countToday } from '../../realtime/store/usage.ts'
import { startNode } from '../harness/node.ts'
import { cookieOf, Person, request, signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { violations } from './accessibility-violations.ts'
import { sharedBrowser } from './browser-windows.ts'
import {
  navigateTo,
  sendMessage,
  threadText,
  waitForHidden,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })

const hour = 3_600_000
const code = 'const due = (weeks: number) => weeks * 7'

/**
 * Creates a conversation of three days, which ends today with a message that contains code. Returns
 * its id.
 */
async function createConversation(person: Person): Promise<string> {
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * hour).toISOString()
  const { id } = await person.ask('createConversation', {
    body: {
      title: 'When to sow',
      messages: [
        { role: 'user', content: 'The first message', created_at: hoursAgo(48) },
        { role: 'user', content: 'The second message', created_at: hoursAgo(24) },
        { role: 'assistant', content: `In code:\n\n\`\`\`ts\n${code}\n\`\`\`` },
      ],
    },
  })
  return id
}

test('the language of dates and the default agent belong to the account, so every window follows', async () => {
  const alice = await signUp(shared.node, 'alice')
  const agent = '0199aaaa-0000-7000-8000-000000000001'
  await alice.ask('putPreferences', { body: { agent_settings: { [agent]: { name: 'Editor' } } } })
  const id = await createConversation(alice)
  const left = await windows.open(shared.node.url, '/app/settings/appearance', { person: alice })
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  const days = right.getByRole('region', { name: 'Messages' })
  await waitForVisible(days.getByText('Yesterday'))
  await left.getByLabel('Date and time format').selectOption('de')
  await waitForVisible(days.getByText('Gestern'))
  await waitForVisible(days.getByText('Heute'))
  await waitForVisible(right.getByRole('button', { name: 'Demo' }))
  await left.getByLabel('Default agent').selectOption('Editor')
  await waitForVisible(right.getByRole('button', { name: 'Editor' }))
  expect((await alice.ask('getPreferences')).preferences).toMatchObject({
    date_language: 'de',
    default_agent: agent,
  })
})

/** A session of the same person on a phone. */
async function signInOnPhone({ url, user, session, password }: Person): Promise<Person> {
  const agent =
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1'
  const { headers } = await request(
    `${url}/auth/login`,
    'POST',
    { username: user.username, password },
    { 'user-agent': agent },
  )
  return new Person(url, { user, session }, cookieOf(headers), password)
}

test('the activity lists each change with its device, as it happens', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/activity', { person: alice })
  await waitForVisible(
    page
      .getByText('Signed up', { exact: false })
      .or(page.getByText('Signed in', { exact: false }))
      .first(),
  )
  const phone = await signInOnPhone(alice)
  await phone.ask('createConversation', { body: { title: 'From the phone' } })
  const entry = page.getByRole('listitem').filter({ hasText: '“From the phone”' })
  await waitForVisible(entry.getByText('Safari on iPhone'))
  await page.getByLabel('Show').selectOption('Settings')
  await waitForVisible(page.getByText('No activity yet.'))
  await phone.ask('putPreferences', { body: { theme: 'dark' } })
  await waitForVisible(
    page.getByRole('listitem').filter({ hasText: 'theme' }).getByText('Safari on iPhone'),
  )
})

test('older activity comes, and comes once, though something changes while it is on its way', async () => {
  const alice = await signUp(shared.node, 'alice')
  for (let n = 0; n < 20; n++) await alice.ask('createConversation', { body: {} })
  const page = await windows.open(shared.node.url, '/app/settings', { person: alice })
  const asked: string[] = []
  const released = Promise.withResolvers<void>()
  await page.route('**/activity?*', async (route) => {
    const address = new URL(route.request().url())
    address.searchParams.set('limit', '16')
    asked.push(address.searchParams.has('cursor') ? 'older' : 'newest')
    if (asked.at(-1) === 'older') await released.promise
    await route.continue({ url: address.href })
  })
  await page.clock.install()
  await page.getByRole('link', { name: 'Activity' }).click()
  const older = page.getByRole('button', { name: 'Show older' })
  await older.click()
  await older.click()
  await alice.ask('createConversation', { body: { title: 'Meanwhile' } })
  await waitForVisible(page.getByText('Meanwhile').first())
  await page.clock.runFor(5_000)
  released.resolve()
  await waitForHidden(older)
  const chats = page.getByRole('listitem').filter({ hasText: 'Started a chat' })
  await expect.poll(() => chats.count()).toBe(20)
  expect(asked).toEqual(['newest', 'older'])
})

test('code is highlighted, and copying it gives the original text', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, `/app/c/${await createConversation(alice)}`, {
    person: alice,
  })
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await waitForVisible(page.locator('pre code [class^="hljs"]').first())
  await page.getByRole('button').getByText('Copy', { exact: true }).click()
  await waitForVisible(page.getByRole('button', { name: 'Copied' }))
  expect((await page.evaluate(() => navigator.clipboard.readText())).trim()).toBe(code)
})

test('a user who prefers reduced motion sees no animation', async () => {
  const alice = await signUp(shared.node, 'alice')
  /** Opens a chat that waits for a reply. Returns a function that counts the animations in it. */
  async function animationCount(reducedMotion: 'reduce' | 'no-preference') {
    const page = await windows.open(shared.node.url, '/app/new', { person: alice, reducedMotion })
    await sendMessage(page, '/demo slow')
    await waitForVisible(threadText(page, '/demo slow'))
    await waitForVisible(page.getByRole('button', { name: 'Stop' }))
    return () =>
      page.evaluate(
        () =>
          document
            .getAnimations()
            .filter(({ effect }) => Number(effect?.getComputedTiming().activeDuration) > 1).length,
      )
  }
  await expect.poll(await animationCount('no-preference')).toBeGreaterThan(0)
  expect(await (await animationCount('reduce'))()).toBe(0)
})

test('whoever has used 90 % of any limit is told so, and sees in the settings how much is left', async () => {
  const node = windows.keep(
    await startNode(shared.database, {
      quotas: {
        ...{ conversations: 10, bytes: 100_000, runsDay: 10, tokensDay: 100 },
        importBytesDay: 1_000,
      },
      devicesPerUser: 20,
      assistant: { baseUrl: 'http://127.0.0.1:1', model: 'small' },
      assistantModels: ['medium'],
    }),
  )
  const alice = await signUp(node, 'alice')
  const database = await openDatabase(shared.database.url)
  const today = { runs: 9, tokens: 95, import_bytes: 940 } as const
  for (const what of ['runs', 'tokens', 'import_bytes'] as const)
    await countToday(database, alice.user.id, what, today[what], new Date())
  await database.close()
  const messages = [{ role: 'user' as const, content: 'x'.repeat(88_000) }]
  await alice.ask('createConversation', { body: { messages } })
  for (let n = 1; n < 9; n++) await alice.ask('createConversation', { body: {} })
  const devices = await Promise.all(Array.from({ length: 18 }, () => alice.device('account')))
  const page = await windows.open(node.url, '/app', {
    ...{ person: alice, alsoExpected: /429 .*users\/me\/import/ },
  })
  // all in one notice, because another one could take its place
  // the page itself may be the nineteenth device by then
  const told = page.getByText(
    /You’ve nearly reached these limits: Chats 90%, Connected devices 9[05]%, Stored data 9\d%, Replies and runs today 90%, Tokens today 95%, and Imported today 94%\./,
  )
  await waitForVisible(told)
  await page.getByRole('button', { name: 'Show usage' }).first().click()
  const row = (name: string) => page.locator(`[data-quota="${name}"]`)
  await waitForVisible(row('conversations').getByText('9 of 10'))
  await waitForVisible(row('bytes').getByText('of 0.1 MB'))
  await waitForVisible(row('devices').getByText('19 of 20'))
  await waitForVisible(row('runs_day').getByText('9 of 10 · resets'))
  await waitForVisible(row('tokens_day').getByText('95 of 100 · resets'))
  await waitForVisible(row('import_bytes_day').getByText('· resets'))
  await expect
    .poll(() => row('conversations').getByRole('meter').getAttribute('aria-label'))
    .toBe('Chats')
  expect(await violations(page)).toEqual([])
  // 60 bytes are left of today: the page says so at once, instead of waiting until midnight
  await page.getByLabel('Files').setInputFiles({
    name: 'conversations.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify([{ uuid: 'c1', name: 'Old', chat_messages: [] }])),
  })
  await page.getByRole('button', { name: 'Preview import' }).click()
  await waitForVisible(
    page.getByText(/That’s more than you can still import today\. Try again in \d+ hours?\./),
  )
  await navigateTo(page, '/app/agents/assistant')
  await waitForVisible(page.getByText('This server allows these models: small, medium'))
  const model = page.getByLabel('Model', { exact: true })
  await model.fill('large')
  await expect.poll(() => model.getAttribute('aria-invalid')).toBe('true')
  await model.fill('medium')
  await expect.poll(() => model.getAttribute('aria-invalid')).toBe(null)
  expect(await violations(page)).toEqual([])
  for (const device of devices) device.close()
})

test('a full account refuses what the page does by itself, such as a read mark, without a word to the person', async () => {
  const node = windows.keep(await startNode(shared.database, { quotas: { bytes: 600_000 } }))
  const alice = await signUp(node, 'alice')
  const messages = [{ role: 'assistant' as const, content: 'Unread so far' }]
  const { id } = await alice.ask('createConversation', { body: { messages } })
  for (const size of [200_000, 20_000, 2_000, 200, 20])
    for (let isFull = false; !isFull;) {
      const content = 'x'.repeat(size)
      const body = { messages: [{ role: 'user' as const, content }] }
      await alice.ask('createConversation', { body }).catch(() => (isFull = true))
    }
  const page = await windows.open(node.url, '/healthz', { person: alice })
  const refused = Promise.withResolvers<void>()
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      if (String(payload).includes('"full"')) refused.resolve()
    }),
  )
  // a notice goes by itself, so each one leaves a trace
  await page.addInitScript(() => {
    const look = () => {
      if (document.querySelector('[data-kind="error"]'))
        document.documentElement.dataset.told = 'yes'
    }
    new MutationObserver(look).observe(document, { childList: true, subtree: true })
  })
  await page.goto(`${node.url}/app/c/${id}`)
  await waitForVisible(threadText(page, 'Unread so far'))
  await refused.promise
  await navigateTo(page, '/app/settings/data')
  await waitForVisible(page.locator('[data-quota="bytes"]'))
  await expect.poll(() => page.locator('html').getAttribute('data-told')).toBe(null)
})
