// An id in an address may be malformed, cut off, unknown, of something that was purged, or somebody
// else's. Every page with an id says the same sentence to all of them, offers nothing that can't
// work, and leaves the list alone.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import { composer, listedConversation, navigateTo, waitForVisible } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })

/** The ids of one of each thing that an address can name. */
interface Ids {
  chat: string
  agent: string
  run: string
}

async function makeThings(person: Person): Promise<Ids> {
  const agent = newId()
  const { id: chat } = await person.ask('createConversation', {
    body: { title: 'A secret', messages: [{ role: 'user', content: 'Nobody else reads this' }] },
  })
  const { id: run } = await person.ask('createRun', {
    body: { agent: 'demo', input: '/demo code fast silent' },
  })
  await person.ask('putPreferences', { body: { agent_settings: { [agent]: { name: 'Secret' } } } })
  return { chat, agent, run }
}

async function purgeThings(person: Person, { chat, agent, run }: Ids): Promise<void> {
  await person.ask('deleteConversation', { params: { id: chat } })
  await person.ask('purgeConversation', { params: { id: chat } })
  await person.ask('putPreferences', { body: { agent_settings: { [agent]: null } } })
  await person.ask('deleteRun', { params: { id: run } })
}

const places: [path: (ids: Ids) => string, sentence: string][] = [
  [({ chat }) => `/app/c/${chat}`, 'This chat no longer exists'],
  [({ chat }) => `/app/c/${chat}?q=secret`, 'This chat no longer exists'],
  [({ chat }) => `/app/c/${chat}/history`, 'This chat no longer exists'],
  [({ agent }) => `/app/agents/${agent}`, 'This agent no longer exists'],
  [({ run }) => `/app/agents/runs/${run}`, 'This run no longer exists'],
]

test('C: every page says that what its address names is not there, whatever is wrong with the id', async () => {
  const alice = await signUp(shared.node, 'alice')
  const purged = await makeThings(alice)
  await alice.ask('createConversation', { body: { title: 'Still here' } })
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await waitForVisible(listedConversation(page, 'Still here'))
  await purgeThings(alice, purged)
  const same = (id: string): Ids => ({ chat: id, agent: id, run: id })
  const ids: Record<string, Ids> = {
    malformed: same('notauuid'),
    'cut off': same(newId().slice(0, -1)),
    escaped: same('%2e%2e%2f%3Cb%3E'),
    long: same('x'.repeat(3_000)),
    unknown: same(newId()),
    purged,
    'somebody else’s': await makeThings(await signUp(shared.node, 'bob')),
  }
  for (const [kind, of] of Object.entries(ids))
    for (const [path, sentence] of places) {
      await navigateTo(page, path(of))
      const said = page.getByRole('main').getByRole('heading', { name: sentence })
      await waitForVisible(said, 10_000).catch((error: unknown) => {
        throw new Error(`${path(of).slice(0, 80)} (${kind}) doesn’t say it`, { cause: error })
      })
      await expect.poll(() => composer(page).count(), { message: kind }).toBe(0)
      await expect.poll(() => page.getByText(/secret/i).count(), { message: kind }).toBe(0)
      await waitForVisible(listedConversation(page, 'Still here'))
      await waitForVisible(page.getByText('Live on all devices').first())
    }
})

test('C: the history of a chat that is purged meanwhile says so', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', { body: { title: 'Not for long' } })
  const page = await windows.open(shared.node.url, `/app/c/${id}/history`, { person: alice })
  await waitForVisible(page.getByRole('heading', { name: 'History of “Not for long”' }))
  await alice.ask('deleteConversation', { params: { id } })
  await alice.ask('purgeConversation', { params: { id } })
  await waitForVisible(page.getByRole('heading', { name: 'This chat no longer exists' }))
})
