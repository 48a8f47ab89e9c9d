// Agents and their runs, changed on one device and shown on another.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { SYNC_DEADLINE_MS, waitForHidden, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

test('an agent that is created and edited on one device appears on the other at once', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app/agents', { person: alice })
  const right = await windows.open(shared.node.url, '/app/agents', { person: await alice.signIn() })
  await waitForVisible(right.getByRole('heading', { name: 'Demo' }))
  await left.getByRole('button', { name: 'New agent' }).click()
  await waitForVisible(right.getByRole('heading', { name: 'New agent' }), SYNC_DEADLINE_MS)

  await left.getByLabel('Name').fill('Editor')
  await left.getByLabel('Instructions').fill('Be brief.')
  await left.getByRole('switch', { name: 'Custom temperature' }).click()
  await left.getByRole('button', { name: 'Save' }).click()
  await waitForVisible(right.getByRole('heading', { name: 'Editor' }), SYNC_DEADLINE_MS)
  const { preferences } = await alice.ask('getPreferences')
  expect(Object.values(preferences.agent_settings as object)).toEqual([
    { name: 'Editor', instructions: 'Be brief.', temperature: 0.7 },
  ])
})

test('an edit that another device saves while the user is typing is offered, not overwritten silently', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/agents/demo', { person: alice })
  await page.getByLabel('Name').fill('My name for it')
  await alice.ask('putPreferences', {
    body: { agent_settings: { demo: { name: 'Their name for it' } } },
  })
  await waitForVisible(page.getByText('This agent was changed on another device', { exact: false }))
  await page.getByRole('button', { name: 'Use theirs' }).click()
  expect(await page.getByLabel('Name').inputValue()).toBe('Their name for it')
})

test('a run is shown on both devices, can be stopped on the other one, and stays in the history', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app/agents/demo', { person: alice })
  const right = await windows.open(shared.node.url, '/app/agents/runs', {
    person: await alice.signIn(),
  })
  await left.getByLabel('Task').fill('/demo slow')
  await left.getByRole('button', { name: 'Run' }).click()
  await right.getByRole('link', { name: /\/demo slow/ }).click({ timeout: 2 * SYNC_DEADLINE_MS })
  for (const page of [left, right]) await waitForVisible(page.getByText('Running'))

  await right.getByRole('button', { name: 'Stop' }).click()
  for (const page of [left, right])
    await waitForVisible(page.getByText('Stopped', { exact: true }), SYNC_DEADLINE_MS)
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
  expect(await page.getByRole('link', { name: /code fast/ }).count()).toBe(0)
  await page.getByLabel('Status').selectOption('Done')
  await waitForVisible(page.getByRole('link', { name: /code fast/ }))
  expect(await page.getByRole('link', { name: /fail now/ }).count()).toBe(0)
  await page.getByLabel('Status').selectOption('Any status')
  await page.getByRole('button', { name: 'Show older' }).click()
  await waitForVisible(page.getByRole('link', { name: /code fast/ }))
  await waitForHidden(page.getByRole('button', { name: 'Show older' }))
})
