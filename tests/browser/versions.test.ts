// Versions of what was said, and the choices when two devices change the same thing.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { quickReplies, sharedBrowser } from './browser-windows.ts'
import { begin, choose, hides, listed, replied, said, shows } from './user-actions.ts'

const shared = sharedNodes(1, quickReplies)
const windows = sharedBrowser()

test('a reply is written again, a question is asked differently, and every version stays reachable on both devices', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app', { person: alice })
  const id = await begin(left, 'First wording')
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  await replied(left)
  await left.getByRole('button', { name: 'Write it again' }).last().click()
  for (const page of [left, right]) await shows(page.getByText('2 / 2'))
  await replied(left)

  await left.getByRole('article', { name: 'You' }).hover()
  await left.getByRole('button', { name: 'Edit', exact: true }).click()
  await left.getByRole('textbox', { name: 'Edit the message' }).fill('Second wording')
  await left.getByRole('button', { name: 'Send as new version' }).click()
  for (const page of [left, right]) {
    await shows(said(page, 'Second wording'))
    await hides(said(page, 'First wording'))
  }
  await replied(left)
  await right.getByRole('button', { name: 'Earlier version' }).first().click()
  await shows(said(right, 'First wording'))
  await shows(right.getByText('2 / 2'))
  expect(await said(left, 'Second wording').count()).toBe(1)
})

test('a name that both devices change is a choice', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', { body: { title: 'Untitled' } })
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  await listed(page, 'Untitled').focus()
  await page.keyboard.press('F2')
  await page.keyboard.type('My name')
  await alice.ask('putConversation', { params: { id }, body: { title: 'Their name' } })
  await shows(page.getByRole('button', { name: 'Their name, rename' }))
  await page.keyboard.press('Enter')
  const question = page.getByRole('alertdialog', { name: 'Renamed meanwhile' })
  await shows(question)
  await shows(question.getByText('Their name'))
  await page.getByRole('button', { name: 'Use mine' }).click()
  await shows(listed(page, 'My name'))
})

test('a correction of a message that was corrected elsewhere is a choice', async () => {
  const alice = await signUp(shared.node, 'alice')
  const made = await alice.ask('createConversation', {
    body: { title: 'Corrections', messages: [{ role: 'user', content: 'The originl' }] },
  })
  const [message] = made.messages
  const page = await windows.open(shared.node.url, `/app/c/${made.id}`, { person: alice })
  await page.getByRole('article', { name: 'You' }).hover()
  await page.getByRole('button', { name: 'Edit', exact: true }).click()
  await page.getByRole('textbox', { name: 'Edit the message' }).fill('The original')
  const body = {
    messages: [{ id: message!.id, role: 'user' as const, content: 'Something else', version: 1 }],
  }
  await alice.ask('putConversation', { params: { id: made.id }, body })
  await page.getByRole('button', { name: 'Save only' }).click()
  const question = page.getByRole('alertdialog', { name: 'Changed on another device' })
  await shows(question)
  await shows(question.getByText('Something else'))
  await page.getByRole('button', { name: 'Replace it with mine' }).click()
  await shows(said(page, 'The original'))
  await expect
    .poll(
      async () =>
        (await alice.ask('getConversation', { params: { id: made.id } })).messages[0]?.content,
    )
    .toBe('The original')
})

test('what a conversation was can be seen in its history and brought back, on both devices, and that undone', async () => {
  const alice = await signUp(shared.node, 'alice')
  const messages = [{ id: newId(), role: 'user' as const, content: 'Good words' }]
  const { id } = await alice.ask('createConversation', { body: { title: 'Good name', messages } })
  const body = { title: 'Bad name', messages: [{ ...messages[0]!, content: 'Bad words' }] }
  await alice.ask('putConversation', { params: { id }, body })
  const left = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  await shows(said(right, 'Bad words'))
  await choose(left, 'Bad name', 'History')
  await left.getByRole('button', { name: 'Created with 1 message' }).click()
  await shows(left.getByRole('region', { name: 'As it was' }).getByText('Good words'))
  await left.getByRole('button', { name: 'Restore this version' }).click()
  for (const page of [left, right]) {
    await shows(said(page, 'Good words'))
    await shows(listed(page, 'Good name'))
  }
  await left.getByRole('button', { name: 'Undo' }).click()
  for (const page of [left, right]) await shows(said(page, 'Bad words'))
})
