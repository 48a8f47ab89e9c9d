// Agents and their runs, changed on one device and shown on another.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { sharedBrowser } from './browser-windows.ts'
import { waitForHidden, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })

test('a new agent exists once it is saved, and until then its text survives leaving the page, a reload and the way to another device', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app/agents', { person: alice })
  const right = await windows.open(shared.node.url, '/app/agents', { person: await alice.signIn() })
  await waitForVisible(right.getByRole('heading', { name: 'Demo' }))
  const settings = async () => (await alice.ask('getPreferences')).preferences.agent_settings
  const drafts = async () => (await alice.ask('listDrafts')).items.map(({ place }) => place)

  await left.getByRole('button', { name: 'New agent' }).click()
  await left.getByLabel('Instructions').fill('Be brief.')
  await left.getByRole('switch', { name: 'Custom temperature' }).click()
  await left.getByRole('link', { name: 'All agents' }).click()
  await waitForVisible(right.getByRole('button', { name: 'Continue new agent' }))
  for (const page of [left, right]) {
    await waitForVisible(page.getByRole('heading', { name: 'Demo' }))
    await expect.poll(() => page.getByRole('listitem').filter({ hasText: 'Yours' }).count()).toBe(0)
  }
  expect(await settings()).toBeUndefined()
  await right.getByRole('button', { name: 'Continue new agent' }).click()
  await right.reload()
  await expect.poll(() => right.getByLabel('Instructions').inputValue()).toBe('Be brief.')
  await expect.poll(() => right.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true)
  await right.getByLabel('Name').fill('Editor')
  await right.getByRole('button', { name: 'Save' }).click()
  await waitForVisible(right.getByRole('heading', { name: 'Editor' }))
  await waitForVisible(left.getByRole('heading', { name: 'Editor' }))
  expect(Object.values((await settings()) as object)).toEqual([
    { name: 'Editor', instructions: 'Be brief.', temperature: 0.7 },
  ])
  await expect.poll(drafts).toEqual([])

  // The same for an agent that exists, and for a task that hasn't been started.
  await right.getByLabel('Instructions').fill('')
  await right.getByLabel('Description').fill('Half a descr')
  await right.getByLabel('Task').fill('Half a task')
  const texts = async () => (await alice.ask('listDrafts')).items.map(({ text }) => text).join()
  await expect.poll(texts).toMatch(/(Half a descr.*Half a task|Half a task.*Half a descr)/)
  await right.goto('about:blank')
  await waitForVisible(left.getByRole('listitem').filter({ hasText: 'Unsaved changes' }))
  await left.getByRole('link', { name: 'Open Editor' }).click()
  await expect.poll(() => left.getByLabel('Description').inputValue()).toBe('Half a descr')
  await expect.poll(() => left.getByLabel('Instructions').inputValue()).toBe('')
  await expect.poll(() => left.getByLabel('Task').inputValue()).toBe('Half a task')
  await left.getByRole('button', { name: 'Discard changes' }).click()
  await expect.poll(() => left.getByLabel('Instructions').inputValue()).toBe('Be brief.')
  await left.getByRole('button', { name: 'Undo' }).click()
  await expect.poll(() => left.getByLabel('Description').inputValue()).toBe('Half a descr')

  // Deleting says what goes with the agent. That includes what another device left at its place.
  const place = (await drafts()).find((name) => name.startsWith('agent:'))!
  const text = JSON.stringify({ temperature: 0.1 })
  await alice.ask('putDraft', { params: { id: newId() }, body: { place, text } })
  await waitForVisible(left.getByRole('button', { name: 'Discard', exact: true }))
  await left.getByRole('button', { name: 'Delete' }).click()
  const question = left.getByRole('alertdialog')
  await waitForVisible(question.getByText('Your unsaved changes', { exact: false }))
  await question.getByRole('button', { name: 'Delete' }).click()
  await waitForVisible(left.getByRole('button', { name: 'New agent' }))
  await expect.poll(drafts).toEqual([])
})

test('what another device saves is shown beside unsaved edits of the same field, and neither replaces the other unseen', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const saveElsewhere = (settings: Record<string, string>) =>
    alice.ask('putPreferences', { body: { agent_settings: { demo: settings } } })
  const stored = async () =>
    (await alice.ask('getPreferences')).preferences.agent_settings as {
      demo: Record<string, string>
    }
  const page = await windows.open(`http://${wire.address}`, '/app/agents/demo', { person: alice })
  const value = (label: string) => page.getByLabel(label).inputValue()
  await page.getByLabel('Name').fill('My name for it')
  await saveElsewhere({ name: 'Their name for it', description: 'Theirs' })
  await expect.poll(() => value('Description')).toBe('Theirs')
  const told = page.getByText('This agent was changed on another device', { exact: false })
  await waitForVisible(told)
  await waitForVisible(page.getByText('Name: Their name for it'))
  await expect.poll(() => value('Name')).toBe('My name for it')
  // The code of the notices can't be loaded at first. Nothing that they say is lost.
  const noticesCode = /\/assets\/Notices-.*\.js/
  await page.route(noticesCode, (route) => route.abort())
  const isMissed = page.waitForEvent('requestfailed', (failed) => noticesCode.test(failed.url()))
  await page.getByRole('button', { name: 'Use theirs' }).click()
  await isMissed
  await page.unroute(noticesCode)
  await waitForVisible(page.getByText('Changes discarded'))
  await expect.poll(() => value('Name')).toBe('Their name for it')

  // Saved offline: another field that changes meanwhile is no conflict, the same field is one.
  const live = () => waitForVisible(page.getByText('Live on all devices').first())
  await live()
  wire.cut()
  await page.getByLabel('Name').fill('Named in the tunnel')
  await page.getByRole('button', { name: 'Save' }).click()
  await saveElsewhere({ description: 'Theirs again' })
  wire.restore()
  await waitForVisible(page.getByText('Saved', { exact: true }))
  expect((await stored()).demo).toEqual({
    name: 'Named in the tunnel',
    description: 'Theirs again',
  })
  await live()
  wire.cut()
  await page.getByLabel('Description').fill('Described in the tunnel')
  await page.getByRole('button', { name: 'Save' }).click()
  await saveElsewhere({ description: 'Their last word' })
  wire.restore()
  await waitForVisible(page.getByText('Your changes aren’t saved yet', { exact: false }))
  await waitForVisible(page.getByText('Description: Their last word'))
  await expect.poll(() => value('Description')).toBe('Described in the tunnel')
  expect((await stored()).demo.description).toBe('Their last word')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect.poll(async () => (await stored()).demo.description).toBe('Described in the tunnel')
})

test('edits that two devices make at once are offered to each other, and can be joined', async () => {
  const alice = await signUp(shared.node, 'alice')
  const open = (person: Person) => windows.open(shared.node.url, '/app/agents/demo', { person })
  const [left, right] = [await open(alice), await open(await alice.signIn())]
  for (const page of [left, right])
    await waitForVisible(page.getByText('Live on all devices').first())
  await Promise.all([
    left.getByLabel('Instructions').fill('From the left'),
    right.getByLabel('Description').fill('From the right'),
  ])
  const offered = (page: Page) => page.getByRole('region', { name: 'Also written here' })
  await waitForVisible(offered(left).getByText('Description: From the right'))
  await waitForVisible(offered(right).getByText('Instructions: From the left'))
  await offered(left).getByRole('button', { name: 'Add to mine' }).click()
  for (const page of [left, right]) {
    await expect.poll(() => page.getByLabel('Instructions').inputValue()).toBe('From the left')
    await expect.poll(() => page.getByLabel('Description').inputValue()).toBe('From the right')
  }
})

test('a run is shown on both devices, can be stopped on the other one, and stays in the history', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app/agents/demo', { person: alice })
  const right = await windows.open(shared.node.url, '/app/agents/runs', {
    person: await alice.signIn(),
  })
  await left.getByLabel('Task').fill('/demo slow')
  await left.getByRole('button', { name: 'Run' }).click()
  await right.getByRole('link', { name: /\/demo slow/ }).click()
  for (const page of [left, right]) await waitForVisible(page.getByText('Running'))

  await right.getByRole('button', { name: 'Stop' }).click()
  for (const page of [left, right]) await waitForVisible(page.getByText('Stopped', { exact: true }))
  await left.goto(`${shared.node.url}/app/agents/runs`)
  await left.getByLabel('Status').selectOption('Stopped')
  await waitForVisible(left.getByRole('link', { name: /\/demo slow/ }))
  await left.getByLabel('Status').selectOption('Failed')
  await waitForVisible(left.getByText('No runs match these filters.'))
})

test('the server filters the history, so a filter also finds runs that are not loaded yet', async () => {
  const alice = await signUp(shared.node, 'alice')
  const run = async (input: string) => {
    const { id } = await alice.ask('createRun', { body: { agent: 'demo', input } })
    await expect
      .poll(async () => (await alice.ask('getRun', { params: { id } })).ended_at)
      .not.toBeNull()
  }
  await run('/demo code fast silent')
  for (let i = 0; i < 51; i++) await run('/demo silent fail now')
  const page = await windows.open(shared.node.url, '/app/agents/runs', { person: alice })
  await waitForVisible(page.getByRole('button', { name: 'Show older' }))
  await expect.poll(() => page.getByRole('link', { name: /code fast/ }).count()).toBe(0)
  await page.getByLabel('Status').selectOption('Done')
  await waitForVisible(page.getByRole('link', { name: /code fast/ }))
  await expect.poll(() => page.getByRole('link', { name: /fail now/ }).count()).toBe(0)
  await page.getByLabel('Status').selectOption('Any status')
  await page.getByRole('button', { name: 'Show older' }).click()
  await waitForVisible(page.getByRole('link', { name: /code fast/ }))
  await waitForHidden(page.getByRole('button', { name: 'Show older' }))
})
