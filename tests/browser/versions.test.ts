// Versions of messages, and the choices that a user gets when two devices change the same thing.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  startConversation,
  chooseAction,
  waitForHidden,
  listedConversation,
  sendMessage,
  waitForReply,
  threadText,
  waitForCodeAhead,
  waitForFocus,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser()

test('a reply and a question get new versions, and every version stays reachable on both devices', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app', { person: alice })
  const id = await startConversation(left, 'First wording')
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  await waitForReply(left)
  await left.getByRole('button', { name: 'Regenerate' }).last().click()
  for (const page of [left, right]) await waitForVisible(page.getByText('2 / 2'))
  await waitForReply(left)

  await left.getByRole('article', { name: 'You' }).hover()
  await left.getByRole('button', { name: 'Edit', exact: true }).click()
  await left.getByRole('textbox', { name: 'Edit the message' }).fill('Second wording')
  await left.getByRole('button', { name: 'Send as new version' }).click()
  for (const page of [left, right]) {
    await waitForVisible(threadText(page, 'Second wording'))
    await waitForHidden(threadText(page, 'First wording'))
  }
  await waitForReply(left)
  await right.getByRole('button', { name: 'Earlier version' }).first().click()
  for (const page of [left, right]) {
    await waitForVisible(threadText(page, 'First wording'))
    await waitForVisible(page.getByText('2 / 2'))
  }
})

test('if two devices rename a conversation, the user chooses the title', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', { body: { title: 'Untitled' } })
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  await listedConversation(page, 'Untitled').focus()
  await page.keyboard.press('F2')
  await waitForFocus(page.getByRole('textbox', { name: 'Chat title' }))
  await page.keyboard.type('My name')
  await alice.ask('putConversation', { params: { id }, body: { title: 'Their name' } })
  await waitForVisible(page.getByRole('button', { name: 'Their name, rename' }))
  await page.keyboard.press('Enter')
  const question = page.getByRole('alertdialog', { name: 'Renamed on another device' })
  await waitForVisible(question)
  await waitForVisible(question.getByText('Their name'))
  await page.getByRole('button', { name: 'Use mine' }).click()
  await waitForVisible(listedConversation(page, 'My name'))
})

test('if two devices edit a message, the user chooses the text', async () => {
  const alice = await signUp(shared.node, 'alice')
  const created = await alice.ask('createConversation', {
    body: { title: 'Corrections', messages: [{ role: 'user', content: 'The originl' }] },
  })
  const [message] = created.messages
  const page = await windows.open(shared.node.url, `/app/c/${created.id}`, { person: alice })
  await page.getByRole('article', { name: 'You' }).hover()
  await page.getByRole('button', { name: 'Edit', exact: true }).click()
  await page.getByRole('textbox', { name: 'Edit the message' }).fill('The original')
  const body = {
    messages: [{ id: message!.id, role: 'user' as const, content: 'Something else', version: 1 }],
  }
  await alice.ask('putConversation', { params: { id: created.id }, body })
  await page.getByRole('button', { name: 'Save only' }).click()
  const question = page.getByRole('alertdialog', { name: 'Changed on another device' })
  await waitForVisible(question)
  await waitForVisible(question.getByText('Something else'))
  await page.getByRole('button', { name: 'Replace with mine' }).click()
  await waitForVisible(threadText(page, 'The original'))
  await expect
    .poll(
      async () =>
        (await alice.ask('getConversation', { params: { id: created.id } })).messages[0]?.content,
    )
    .toBe('The original')
})

test('the history shows earlier states of a conversation and restores one on both devices, which can be undone', async () => {
  const alice = await signUp(shared.node, 'alice')
  const messages = [{ id: newId(), role: 'user' as const, content: 'Good words' }]
  const { id } = await alice.ask('createConversation', { body: { title: 'Good name', messages } })
  const body = { title: 'Bad name', messages: [{ ...messages[0]!, content: 'Bad words' }] }
  await alice.ask('putConversation', { params: { id }, body })
  const left = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  await waitForVisible(threadText(right, 'Bad words'))
  await chooseAction(left, 'Bad name', 'History')
  await left.getByRole('button', { name: 'Started a chat' }).click()
  await waitForVisible(left.getByRole('region', { name: 'This version' }).getByText('Good words'))
  await left.getByRole('button', { name: 'Restore title and texts' }).click()
  for (const page of [left, right]) {
    await waitForVisible(threadText(page, 'Good words'))
    await waitForVisible(listedConversation(page, 'Good name'))
  }
  await left.getByRole('button', { name: 'Undo' }).click()
  for (const page of [left, right]) await waitForVisible(threadText(page, 'Bad words'))
})

test('the history says what restoring keeps, and a branch goes on without what came later', async () => {
  const alice = await signUp(shared.node, 'alice')
  const messages = [{ role: 'user' as const, content: 'The only message then' }]
  const { id } = await alice.ask('createConversation', { body: { title: 'Then', messages } })
  const body = { title: 'Now', messages: [{ role: 'user' as const, content: 'Came later' }] }
  await alice.ask('putConversation', { params: { id }, body })
  const page = await windows.open(shared.node.url, `/app/c/${id}/history`, { person: alice })
  await page.getByRole('button', { name: 'Started a chat' }).click()
  await waitForVisible(page.getByText('The later message stays.'))
  await page.getByRole('button', { name: 'Branch from here' }).click()
  await waitForVisible(page.getByText('Created “Then (branch)”'))
  await waitForVisible(threadText(page, 'The only message then'))
  await expect.poll(() => threadText(page, 'Came later').count()).toBe(0)
  const branched = page.url().split('/').at(-1)!
  expect(branched).not.toBe(id)
  expect(
    (await alice.ask('getConversation', { params: { id: branched } })).messages.map(
      ({ content }) => content,
    ),
  ).toEqual(['The only message then'])
  const { message_count } = await alice.ask('getConversation', { params: { id } })
  expect(message_count).toBe(2)
})

test('the undo of a delete is offered until the conversation is purged, on whichever device', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', { body: { title: 'Soon gone' } })
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await chooseAction(page, 'Soon gone', 'Delete')
  await waitForVisible(page.getByRole('button', { name: 'Undo' }))
  await alice.ask('purgeConversation', { params: { id } })
  await waitForHidden(page.getByRole('button', { name: 'Undo' }), 6_000)
  await expect.poll(() => page.getByText('Moved to trash').count()).toBe(0)
})

test('a message written while an earlier version is shown continues that version, which other devices show too', async () => {
  const alice = await signUp(shared.node, 'alice')
  const [question, reply] = [newId(), newId()]
  const { id } = await alice.ask('createConversation', {
    body: {
      messages: [
        { id: question, role: 'user', content: 'First wording' },
        { id: reply, role: 'assistant', content: 'First answer' },
        { role: 'user', content: 'Second wording', replaces: question },
        { role: 'assistant', content: 'Second answer' },
      ],
    },
  })
  const left = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  await waitForVisible(threadText(right, 'Second answer'))
  await left.getByRole('button', { name: 'Earlier version' }).first().click()
  for (const page of [left, right]) await waitForVisible(threadText(page, 'First answer'))
  await left.reload()
  await waitForVisible(threadText(left, 'First answer'))
  await sendMessage(left, 'Go on from the first')
  await waitForReply(left)
  for (const page of [left, right]) {
    await waitForVisible(threadText(page, 'Go on from the first'))
    await waitForVisible(threadText(page, 'First answer'))
    await expect.poll(() => threadText(page, 'Second answer').count()).toBe(0)
  }
  const { messages } = await alice.ask('getConversation', { params: { id } })
  expect(messages[4]).toMatchObject({ content: 'Go on from the first', follows: reply })
  await right.getByRole('button', { name: 'Later version' }).first().click()
  for (const page of [left, right]) await waitForVisible(threadText(page, 'Second answer'))
})

test('an edit or rename made offline doesn’t replace another device’s later one: the person compares both', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const { id, messages } = await alice.ask('createConversation', {
    body: { title: 'Before', messages: [{ role: 'user', content: 'The originl' }] },
  })
  const page = await windows.open(`http://${wire.address}`, `/app/c/${id}`, { person: alice })
  const live = () => waitForVisible(page.getByText('Live on all devices').first(), 20_000)
  const renameTo = async (title: string) => {
    await page.getByRole('button', { name: /, rename$/ }).click()
    await page.getByRole('textbox', { name: 'Chat title' }).fill(title)
    await page.keyboard.press('Enter')
  }
  await waitForVisible(threadText(page, 'The originl'))
  await live()
  await waitForCodeAhead(page)
  wire.cut()
  await renameTo('Mine')
  await alice.ask('putConversation', { params: { id }, body: { title: 'Theirs' } })
  wire.restore()
  const question = page.getByRole('alertdialog', { name: 'Renamed on another device' })
  await waitForVisible(question.getByRole('definition').getByText('Theirs'), 20_000)
  await waitForVisible(question.getByRole('definition').getByText('Mine'))
  expect((await alice.ask('getConversation', { params: { id } })).title).toBe('Theirs')
  await page.getByRole('button', { name: 'Use mine' }).click()
  await waitForVisible(listedConversation(page, 'Mine'))

  // Anything else that changes meanwhile is no conflict.
  await live()
  wire.cut()
  await renameTo('Mine again')
  await alice.ask('putConversation', { params: { id }, body: { pinned: true } })
  wire.restore()
  await expect
    .poll(async () => (await alice.ask('getConversation', { params: { id } })).title, {
      timeout: 20_000,
    })
    .toBe('Mine again')
  await expect.poll(() => question.count()).toBe(0)

  await live()
  wire.cut()
  await page.getByRole('article', { name: 'You' }).hover()
  await page.getByRole('button', { name: 'Edit', exact: true }).click()
  await page.getByRole('textbox', { name: 'Edit the message' }).fill('The original')
  await page.getByRole('button', { name: 'Save only' }).click()
  const edit = { id: messages[0]!.id, role: 'user' as const, content: 'Something else' }
  await alice.ask('putConversation', { params: { id }, body: { messages: [edit] } })
  wire.restore()
  const conflict = page.getByRole('alertdialog', { name: 'Changed on another device' })
  await waitForVisible(conflict.getByText('Something else'), 20_000)
  await waitForVisible(conflict.getByText('The original'))
  await page.getByRole('button', { name: 'Replace with mine' }).click()
  await waitForVisible(threadText(page, 'The original'))
})

test('an edit that was left unfinished can be continued, also on another device', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', {
    body: { messages: [{ role: 'user', content: 'Words' }] },
  })
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  await page.getByRole('article', { name: 'You' }).hover()
  await page.getByRole('button', { name: 'Edit', exact: true }).click()
  await page.getByRole('textbox', { name: 'Edit the message' }).fill('Better words')
  await page.close()
  const other = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  await other.getByRole('button', { name: 'Continue your edit' }).click()
  const field = other.getByRole('textbox', { name: 'Edit the message' })
  await expect.poll(() => field.inputValue()).toBe('Better words')
  await field.press('Escape')
  await other.getByRole('button', { name: 'Undo' }).click()
  await other.getByRole('button', { name: 'Continue your edit' }).click()
  await other.getByRole('button', { name: 'Save only' }).click()
  await waitForVisible(threadText(other, 'Better words'))
  await expect.poll(async () => (await alice.ask('listDrafts')).items).toEqual([])
})
