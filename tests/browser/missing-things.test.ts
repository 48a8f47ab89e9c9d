// One bad thing never takes down the rest: a bad address, a purged conversation, or code of the
// page that can't be loaded. Each row of the first table is an address that leads nowhere. Whatever
// the page then says, the list of conversations stays and works.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  composer,
  listedConversation,
  navigateTo,
  startConversation,
  waitForHidden,
  waitForVisible,
  threadText,
} from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })
const unknownId = '0199aaaa-0000-7000-8000-00000000dead'

const addresses: [path: string, text: string][] = [
  ['/app/c/notauuid', 'This chat no longer exists'],
  [`/app/c/${unknownId}`, 'This chat no longer exists'],
  [`/app/c/${unknownId.slice(0, -1)}`, 'This chat no longer exists'],
  ['/app/c/%E0%A4%A', 'Page not found'],
  ['/app/nonsense', 'Page not found'],
  ['/app/c', 'Page not found'],
  ['/app/settingsx', 'Page not found'],
  ['/app/settings/nonsense', 'Page not found'],
  ['/app/settings/devices/more', 'Page not found'],
  ['/app/agents/nonsense', 'This agent no longer exists'],
  ['/app/agents/a/b/c', 'Page not found'],
  ['/app/agents/runs/notauuid', 'This run no longer exists'],
  [`/app/agents/runs/${unknownId}`, 'This run no longer exists'],
]

test('an address that leads nowhere says so, and everything else goes on', async () => {
  const alice = await signUp(shared.node, 'alice')
  await alice.ask('createConversation', { body: { title: 'Still here' } })
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await waitForVisible(listedConversation(page, 'Still here'))
  for (const [path, text] of addresses) {
    await navigateTo(page, path)
    await waitForVisible(page.getByRole('main').getByText(text), 10_000).catch((error: unknown) => {
      throw new Error(`${path} doesn't say “${text}”`, { cause: error })
    })
    await expect.poll(() => composer(page).count(), { message: path }).toBe(0)
    await waitForVisible(listedConversation(page, 'Still here'))
    await waitForVisible(page.getByText('Live on all devices').first())
  }
})

test.each(['/app/c/notauuid', '/app/nonsense', '/nonsense', '/app/c/%E0%A4%A'])(
  'a page that is opened at %s has its list and is live',
  async (path) => {
    const alice = await signUp(shared.node, 'alice')
    await alice.ask('createConversation', { body: { title: 'Still here' } })
    const page = await windows.open(shared.node.url, path, { person: alice })
    await waitForVisible(listedConversation(page, 'Still here'))
    await waitForVisible(page.getByText('Live on all devices').first())
    await waitForVisible(page.getByRole('main').getByRole('link', { name: /chats/ }))
  },
)

test('an address outside of the app says so to somebody who is signed out', async () => {
  const page = await windows.open(shared.node.url, '/nonsense')
  await waitForVisible(page.getByRole('heading', { name: 'Page not found' }))
  await page.getByRole('link', { name: 'Back to chats' }).click()
  await waitForVisible(page.getByRole('button', { name: 'Sign in' }))
})

test('a conversation that was never opened here can’t be shown while offline, which the page says, and it appears afterwards', async () => {
  const alice = await signUp(shared.node, 'alice')
  await alice.ask('createConversation', {
    body: { title: 'Not opened', messages: [{ role: 'user', content: 'Hello from before' }] },
  })
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await windows.open(`http://${wire.address}`, '/app', { person: alice })
  await waitForVisible(listedConversation(page, 'Not opened'))
  await waitForVisible(page.getByText('Live on all devices').first())
  wire.cut()
  await waitForVisible(page.getByRole('complementary').getByText('Offline'))
  await listedConversation(page, 'Not opened').click()
  await waitForVisible(page.getByText('this chat isn’t on this device yet'))
  wire.restore()
  await waitForVisible(page.getByText('Hello from before').last(), 30_000)
  await waitForHidden(page.getByText('this chat isn’t on this device yet'))
})

test('what is sent in a chat before the chat has loaded stays in view, and is sent when it has', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', {
    body: { title: 'Slow', messages: [{ role: 'user', content: 'Hello from before' }] },
  })
  const page = await windows.open(shared.node.url, '/app/settings', { person: alice })
  const loads = /\/conversations(\/|\?|$)/
  const chat = Promise.withResolvers<void>()
  await page.route(loads, async (route) => {
    await chat.promise
    await route.continue()
  })
  await page.goto(`${shared.node.url}/app/c/${id}`)
  await composer(page).fill('Written too early')
  await composer(page).press('Enter')
  const waiting = page.getByText('Waiting to be sent')
  await waitForVisible(page.getByText('Written too early', { exact: true }))
  await waitForVisible(waiting)
  await page.getByRole('complementary').getByRole('link', { name: 'New chat' }).click()
  await waitForHidden(waiting)
  await page.goBack()
  await waitForVisible(waiting)
  chat.resolve()
  await waitForVisible(threadText(page, 'Hello from before'))
  await waitForVisible(threadText(page, 'Written too early'))
  await waitForHidden(waiting)
})

test('a conversation that is purged elsewhere while it is open is gone, and what was being written is kept', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', {
    body: { title: 'Gone', messages: [{ role: 'user', content: 'Hello' }] },
  })
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  await waitForVisible(page.getByRole('region', { name: 'Messages' }).getByText('Hello'))
  await composer(page).fill('Half a thought')
  await alice.ask('deleteConversation', { params: { id } })
  await alice.ask('purgeConversation', { params: { id } })
  await waitForVisible(page.getByText('This chat no longer exists'))
  await waitForHidden(composer(page))
  await waitForVisible(page.getByText('Half a thought'))
  await page.getByRole('button', { name: 'Use in a new chat' }).click()
  await expect.poll(() => composer(page).inputValue()).toBe('Half a thought')
})

test('a page whose code isn’t here while offline says so, and opens with its styles when the connection is back', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await windows.open(`http://${wire.address}`, '/healthz', { person: alice })
  // The pages are loaded ahead; here that has not happened yet.
  const blocked = /\/assets\/(SettingsPage|AgentsPages)-.*\.js/
  await page.route(blocked, (route) => route.abort())
  await page.goto(`http://${wire.address}/app`)
  await waitForVisible(page.getByText('Live on all devices').first())
  wire.cut()
  await waitForVisible(page.getByRole('complementary').getByText('Offline'))
  for (const path of ['/app/settings/appearance', '/app/agents']) {
    await navigateTo(page, path)
    await waitForVisible(page.getByText('You’re offline'))
  }
  await page.unroute(blocked)
  wire.restore()
  await waitForVisible(page.getByRole('heading', { name: 'Demo' }), 30_000)
  const columns = await page
    .getByRole('heading', { name: 'Demo' })
    .evaluate((heading) => getComputedStyle(heading.closest('ul')!).display)
  expect(columns).toBe('grid')
})

test('after a deployment, a page whose code the server no longer has is opened in the new version', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/healthz', { person: alice })
  await page.route(/\/assets\/SettingsPage-.*\.js/, (route) => route.fulfill({ status: 404 }))
  await page.goto(`${shared.node.url}/app`)
  await waitForVisible(page.getByText('Live on all devices').first())
  await navigateTo(page, '/app/settings/appearance')
  await waitForVisible(page.getByRole('heading', { name: 'A new version is available' }))
  await page.unroute(/\/assets\/SettingsPage-.*\.js/)
  await page.getByRole('button', { name: 'Reload' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Language and region' }))
})

test('while the server is away in the middle of a reply, further messages can be queued', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await windows.open(`http://${wire.address}`, '/app', { person: alice })
  const id = await startConversation(page, '/demo code rate 4')
  await waitForVisible(page.getByTestId('streaming'))
  wire.cut()
  await waitForVisible(page.getByRole('complementary').getByText(/^Offline/))
  await composer(page).fill('Meanwhile')
  await composer(page).press('Enter')
  await waitForVisible(page.getByText('Waiting to be sent'))
  wire.restore()
  await expect
    .poll(
      async () => {
        const { messages } = await alice.ask('getConversation', { params: { id } })
        return messages.map(({ role, status }) => `${role} ${status}`)
      },
      { timeout: 60_000 },
    )
    .toEqual(['user complete', 'assistant complete', 'user complete', 'assistant complete'])
})
