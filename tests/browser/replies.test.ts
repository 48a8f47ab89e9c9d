// Replies that take long, that ended early, or that were never requested.
import { expect, test } from 'vitest'
import type { MessageInput } from '@lockstep/protocol/message'
import { reasons } from '../../realtime/agents/provider.ts'
import { Upload } from '../agents/upload.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import {
  startConversation,
  waitForHidden,
  waitForReply,
  threadText,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })

/**
 * Opens a window on a new conversation with this question. If `ending` is given, the conversation
 * also has a reply that ended this way.
 */
async function openConversation(
  person: Person,
  question: string,
  ending?: Pick<MessageInput, 'status' | 'metadata'>,
) {
  const reply = ending && { role: 'assistant' as const, content: 'Half of it', ...ending }
  const messages = [{ role: 'user' as const, content: question }, ...(reply ? [reply] : [])]
  const { id } = await person.ask('createConversation', { body: { messages } })
  return { id, page: await windows.open(shared.node.url, `/app/c/${id}`, { person }) }
}
const messagesOf = async (person: Person, id: string) =>
  (await person.ask('getConversation', { params: { id } })).messages

test('an interrupted reply shows its reason once, and can be continued', async () => {
  const alice = await signUp(shared.node, 'alice')
  const metadata = { reason: reasons.restarted, reason_code: 'restarted' }
  const { id, page } = await openConversation(alice, '/demo fast code silent', {
    status: 'interrupted',
    metadata,
  })
  const reason = page.getByText(`Interrupted: ${reasons.restarted}`, { exact: true })
  await expect.poll(() => reason.count()).toBe(1)
  await page.getByRole('button', { name: 'Continue' }).click()
  await waitForVisible(threadText(page, 'Please continue.'))
  await waitForHidden(page.getByRole('button', { name: 'Continue' }))
  // nothing is proposed that can't be done any more
  const rest = 'Interrupted: The server was restarted while it was writing this. Try again.'
  await waitForVisible(page.getByText(rest, { exact: true }))
  await expect
    .poll(async () => (await messagesOf(alice, id)).map(({ role }) => role))
    .toEqual(['user', 'assistant', 'user', 'assistant'])
})

test('an interrupted reply can be requested again', async () => {
  const alice = await signUp(shared.node, 'alice')
  const metadata = { reason: reasons.lost, reason_code: 'lost' }
  const { id, page } = await openConversation(alice, '/demo fast code silent', {
    status: 'interrupted',
    metadata,
  })
  await page.getByRole('button', { name: 'Try again' }).click()
  await waitForVisible(page.getByText('2 / 2'))
  await waitForHidden(threadText(page, 'Half of it'))
  await waitForReply(page)
  const [, broken, again] = await messagesOf(alice, id)
  expect(again).toMatchObject({ role: 'assistant', status: 'complete', replaces: broken!.id })
})

test('a reply that a limit cut off says so, and can be continued', async () => {
  const alice = await signUp(shared.node, 'alice')
  const metadata = { reason: reasons.cut, reason_code: 'cut' }
  const { page } = await openConversation(alice, '/demo fast code silent', {
    status: 'complete',
    metadata,
  })
  await waitForVisible(page.getByText(reasons.cut, { exact: true }))
  await expect.poll(() => page.getByRole('button', { name: 'Try again' }).count()).toBe(0)
  await page.getByRole('button', { name: 'Continue' }).click()
  await waitForVisible(threadText(page, 'Please continue.'))
  await waitForVisible(
    page.getByText('The reply reached the model’s length limit.', { exact: true }),
  )
})

test('a reply that content rules ended early says so, and can’t be continued', async () => {
  const alice = await signUp(shared.node, 'alice')
  const metadata = { reason: reasons.withheld, reason_code: 'withheld' }
  const { page } = await openConversation(alice, 'Go on', { status: 'complete', metadata })
  await waitForVisible(page.getByText(reasons.withheld, { exact: true }))
  await expect.poll(() => page.getByRole('button', { name: 'Continue' }).count()).toBe(0)
})

test('every device shows how long the model has been thinking, and what, also a device that opens later', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app', { person: alice })
  const id = await startConversation(left, '/demo think 60')
  await waitForVisible(left.getByText(/^Thinking… ([3-9]|\d\d)s$/))
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  const thinkingTime = right.getByText(/^Thinking… \d+s$/)
  await waitForVisible(thinkingTime)
  expect(Number(/\d+/.exec((await thinkingTime.textContent())!)![0])).toBeGreaterThanOrEqual(3)
  for (const page of [left, right]) {
    await waitForHidden(page.getByText('Thoughts', { exact: true }))
    const thoughts = page.getByTestId('thoughts')
    const before = (await thoughts.textContent())!
    expect(before).toMatch(/^They wrote/)
    await waitForVisible(thoughts.filter({ hasText: new RegExp(`^${RegExp.escape(before)}.`) }))
  }
  await right.getByRole('button', { name: 'Stop' }).click()
  for (const page of [left, right]) {
    await waitForVisible(page.getByText(/^Thought for \d+(\.\d)?s$/))
    await waitForHidden(page.getByText(/^Thinking…/))
  }
})

test('a model that is only slow is not shown as thinking', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await startConversation(page, '/demo code silent rate 0.5')
  await waitForVisible(page.getByTestId('streaming'))
  await expect.poll(() => page.getByText(/Thinking/).count()).toBe(0)
  await page.getByRole('button', { name: 'Stop' }).click()
  await waitForVisible(page.getByText('Stopped', { exact: true }))
  await expect.poll(() => page.getByText(/thought/i).count()).toBe(0)
})

test('a message without a reply offers to request one', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id, page } = await openConversation(alice, '/demo fast code silent')
  await page.getByRole('button', { name: 'Get a reply' }).click()
  await waitForHidden(page.getByRole('button', { name: 'Get a reply' }))
  await waitForReply(page)
  expect((await messagesOf(alice, id)).map(({ role, status }) => [role, status])).toEqual([
    ['user', 'complete'],
    ['assistant', 'complete'],
  ])
})

test('a reply that fails before its first text is not shown as being written', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await startConversation(page, '/demo fail now')
  await waitForVisible(page.getByText(/^This reply failed/))
  const list = page.getByRole('complementary')
  await waitForVisible(list.getByText('Reply failed'))
  // what helps is offered once, and there is no text to copy
  const reply = page.getByRole('article', { name: 'Demo' })
  await waitForVisible(reply.getByRole('button', { name: 'Try again' }))
  await expect
    .poll(() =>
      reply.getByRole('button').evaluateAll((all) => all.map(({ ariaLabel }) => ariaLabel)),
    )
    .toEqual([null, 'Message actions'])
  // a page that hasn't loaded the messages claims nothing about them
  await page.goto(`${shared.node.url}/app/c/notauuid`)
  await waitForVisible(list.getByText('2 messages', { exact: true }))
  await expect.poll(() => page.getByText('Writing…').count()).toBe(0)
})

test('a reply that a program of the host writes looks like any other, can be stopped in the page, and tells why it failed', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id, page } = await openConversation(alice, 'What is the weather?')
  await waitForVisible(page.getByRole('button', { name: 'Get a reply' }))
  const program = await alice.signIn()
  const upload = new Upload(program, id, { agent: 'forecaster', model: 'm-1' })
  upload.send({ thinking: 'I have to look it up' })
  await waitForVisible(page.getByText(/^Thinking… \d+s$/))
  await waitForVisible(page.getByTestId('thoughts').filter({ hasText: 'I have to look it up' }))
  const call = { id: 'c', type: 'tool', name: 'weather', call_id: '1', arguments: { at: 'home' } }
  upload.send({ part: { ...call, state: 'calling' } }, { text: 'It is ' })
  const card = page.locator('[data-part=tool]')
  await waitForVisible(card.getByText('is being called…', { exact: true }))
  await waitForVisible(threadText(page, 'It is'))
  upload.send({ part: { ...call, state: 'done', result: 'sunny' } }, { text: '**sunny**.' })
  await waitForVisible(card.getByText('done', { exact: true }))
  await waitForVisible(page.locator('strong', { hasText: 'sunny' }))
  await card.getByText('weather', { exact: true }).click()
  await waitForVisible(card.getByText('sunny', { exact: true }))
  await page.getByRole('button', { name: 'Stop' }).click()
  const { session } = alice
  expect((await upload.answer).body).toMatchObject({
    status: 'stopped',
    stopped_by: { session_id: session.id, device: session.device },
  })
  await waitForVisible(page.getByText('Stopped', { exact: true }))
  await waitForHidden(page.getByText(/^Thinking…/))

  const next = new Upload(program, id).send({ text: 'Half' }, { failed: 'The tool broke' })
  expect((await next.answer).body).toMatchObject({ status: 'failed' })
  await waitForVisible(page.getByText('This reply failed: The tool broke', { exact: true }))
  await waitForVisible(page.getByRole('button', { name: 'Try again' }))
})
