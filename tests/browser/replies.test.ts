// Replies that take their time, that broke off, or that nobody asked for.
import { expect, test } from 'vitest'
import type { MessageInput } from '@lockstep/protocol/message'
import { reasons } from '../../realtime/agents/provider.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { begin, hides, replied, said, shows } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

/** A window on a conversation in which a reply to this question ended so. */
async function opened(
  person: Person,
  question: string,
  ending?: Pick<MessageInput, 'status' | 'metadata'>,
) {
  const reply = ending && { role: 'assistant' as const, content: 'Half of it', ...ending }
  const messages = [{ role: 'user' as const, content: question }, ...(reply ? [reply] : [])]
  const { id } = await person.ask('createConversation', { body: { messages } })
  return { id, page: await windows.open(shared.node.url, `/app/c/${id}`, { person }) }
}
const read = async (person: Person, id: string) =>
  (await person.ask('getConversation', { params: { id } })).messages

test('a reply that broke off says why, once, and can be continued', async () => {
  const alice = await signUp(shared.node, 'alice')
  const metadata = { reason: reasons.restarted, reason_code: 'restarted' }
  const { id, page } = await opened(alice, '/demo fast code silent', {
    status: 'interrupted',
    metadata,
  })
  await shows(page.getByText(`Interrupted: ${reasons.restarted}`, { exact: true }))
  await page.getByRole('button', { name: 'Continue' }).click()
  await shows(said(page, 'Please continue.'))
  await hides(page.getByRole('button', { name: 'Continue' }))
  await expect
    .poll(async () => (await read(alice, id)).map(({ role }) => role))
    .toEqual(['user', 'assistant', 'user', 'assistant'])
})

test('a reply that broke off can be asked for again', async () => {
  const alice = await signUp(shared.node, 'alice')
  const metadata = { reason: reasons.lost, reason_code: 'lost' }
  const { id, page } = await opened(alice, '/demo fast code silent', {
    status: 'interrupted',
    metadata,
  })
  await page.getByRole('button', { name: 'Try again' }).click()
  await shows(page.getByText('2 / 2'))
  await hides(said(page, 'Half of it'))
  await replied(page)
  const [, broken, again] = await read(alice, id)
  expect(again).toMatchObject({ role: 'assistant', status: 'complete', replaces: broken!.id })
})

test('a reply that met a limit says so, and can be continued', async () => {
  const alice = await signUp(shared.node, 'alice')
  const metadata = { reason: reasons.cut, reason_code: 'cut' }
  const { page } = await opened(alice, '/demo fast code silent', { status: 'complete', metadata })
  await shows(page.getByText(reasons.cut, { exact: true }))
  expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(0)
  await page.getByRole('button', { name: 'Continue' }).click()
  await shows(said(page, 'Please continue.'))
})

test('that the model thinks is shown with its time on every device, also on one that comes later', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app', { person: alice })
  const id = await begin(left, '/demo think 60')
  await shows(left.getByText(/^Thinking… [3-9] s$/), 10_000)
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  const there = right.getByText(/^Thinking… \d+ s$/)
  await shows(there)
  expect(Number(/\d+/.exec((await there.textContent())!)![0])).toBeGreaterThanOrEqual(3)
  await right.getByRole('button', { name: 'Stop' }).click()
  for (const page of [left, right]) {
    await shows(page.getByText(/^thought for \d+(\.\d)? s$/))
    await hides(page.getByText(/^Thinking…/))
  }
})

test('a model that only takes its time is not said to think', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await begin(page, '/demo code silent rate 0.5')
  await shows(page.getByTestId('streaming'))
  expect(await page.getByText(/Thinking/).count()).toBe(0)
  await page.getByRole('button', { name: 'Stop' }).click()
  await shows(page.getByText('Stopped', { exact: true }))
  expect(await page.getByText(/thought/).count()).toBe(0)
})

test('a question that nobody asked a reply for is offered one', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id, page } = await opened(alice, '/demo fast code silent')
  await page.getByRole('button', { name: 'Get a reply' }).click()
  await hides(page.getByRole('button', { name: 'Get a reply' }))
  await replied(page)
  expect((await read(alice, id)).map(({ role, status }) => [role, status])).toEqual([
    ['user', 'complete'],
    ['assistant', 'complete'],
  ])
})
