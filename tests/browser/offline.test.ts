// A device without a connection. The user continues to work and sees what waits to be sent, and
// nothing is lost.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  startConversation,
  chooseAction,
  waitForHidden,
  listedConversation,
  navigateTo,
  waitForReply,
  threadText,
  sendMessage,
  waitForCodeAhead,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser()

const questionCode = /\/assets\/QuestionDialog-.*\.js/

/** Lets a test hold what matches a pattern of what the server sends by WebSocket. */
async function holdableNews(page: Page) {
  let held: RegExp | undefined
  let waiting: (() => void)[] = []
  await page.routeWebSocket(/socket\.io/, (near) => {
    near.connectToServer().onMessage((message) => {
      const pass = () => near.send(message)
      if (held?.test(String(message))) waiting.push(pass)
      else pass()
    })
  })
  return {
    hold: (pattern: RegExp) => void (held = pattern),
    release() {
      held = undefined
      for (const pass of waiting) pass()
      waiting = []
    },
  }
}

test('a message written offline is shown as waiting, and arrives when the connection is back', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const offline = await windows.open(`http://${wire.address}`, '/app', { person: alice })
  const online = await windows.open(shared.node.url, '/app', { person: await alice.signIn() })
  const id = await startConversation(offline, 'Before the tunnel')
  await waitForVisible(listedConversation(online, 'Before the tunnel'))
  await online.goto(`${shared.node.url}/app/c/${id}`)
  await waitForReply(offline)
  await waitForCodeAhead(offline)

  wire.cut()
  await sendMessage(offline, 'Written in the tunnel')
  await waitForVisible(offline.getByText('Waiting to be sent'))
  await chooseAction(offline, 'Before the tunnel', 'Rename')
  const title = offline.getByRole('textbox', { name: 'Chat title' })
  await title.fill('Renamed in the tunnel')
  await title.press('Enter')
  await waitForVisible(offline.getByRole('complementary').getByText(/waiting$/))
  await expect.poll(() => threadText(online, 'Written in the tunnel').count()).toBe(0)

  const dialogType = new Promise<string>((resolve) => {
    offline.once('dialog', (dialog) => {
      resolve(dialog.type())
      void dialog.dismiss()
    })
  })
  await offline.close({ runBeforeUnload: true })
  expect(await dialogType).toBe('beforeunload')

  wire.restore()
  await waitForVisible(threadText(online, 'Written in the tunnel'), 30_000)
  await waitForVisible(listedConversation(online, 'Renamed in the tunnel'))
  await waitForHidden(offline.getByText('Waiting to be sent'))
  await waitForVisible(offline.getByRole('complementary').getByText('Live on all devices'))
})

test('a chat that is begun offline is there at once, survives leaving it and a reload, and is sent and answered once the connection is back', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await windows.open(`http://${wire.address}`, '/app', { person: alice })
  const tab = await page.context().newPage()
  await tab.goto(`http://${wire.address}/app/new`)
  for (const each of [page, tab])
    await waitForVisible(each.getByRole('complementary').getByText('Live on all devices'))
  // What renders replies may not be there yet. Nobody has to wait for it to read their own words.
  const renderer = /\/assets\/Markdown-/
  await page.route(renderer, (route) => route.abort())
  await waitForCodeAhead(page)
  wire.cut()
  const id = await startConversation(page, 'Begun in the tunnel')
  const isShown = async () => {
    await waitForVisible(threadText(page, 'Begun in the tunnel'))
    await waitForVisible(page.getByText('Waiting to be sent'))
    await expect.poll(() => page.getByText('Couldn’t load').count()).toBe(0)
  }
  await isShown()
  await navigateTo(page, '/app/new')
  await waitForHidden(page.getByRole('region', { name: 'Messages' }))
  await listedConversation(page, 'Begun in the tunnel').click()
  await isShown()
  const asked = new Promise<string>((resolve) =>
    page.once('dialog', (dialog) => {
      resolve(dialog.type())
      void dialog.dismiss()
    }),
  )
  await page.evaluate(() => setTimeout(() => location.reload()))
  expect(await asked).toBe('beforeunload')
  await isShown()

  await page.unroute(renderer)
  wire.restore()
  await waitForReply(page)
  await waitForHidden(page.getByText('Waiting to be sent'))
  await listedConversation(tab, 'Begun in the tunnel').click()
  await page.reload()
  for (const each of [page, tab]) {
    await waitForVisible(threadText(each, 'Begun in the tunnel'))
    await waitForReply(each)
  }
  const { messages } = await alice.ask('getConversation', { params: { id } })
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
})

test('if a conversation was deleted meanwhile, the user can restore it and send the waiting message', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await windows.open(`http://${wire.address}`, '/healthz', { person: alice })
  const news = await holdableNews(page)
  await page.route(questionCode, (route) => route.abort())
  await page.goto(`http://${wire.address}/app`)
  const id = await startConversation(page, 'A thread that goes away')
  await waitForReply(page)
  const question = page.getByRole('alertdialog')
  const restoreAndSend = question.getByRole('button', { name: 'Restore and send' })

  wire.cut()
  await sendMessage(page, 'Too late')
  await waitForVisible(page.getByText('Waiting to be sent'))
  await alice.ask('deleteConversation', { params: { id } })
  // The question is asked even if its code can't be loaded at first.
  const isMissed = page.waitForEvent('requestfailed', (failed) => questionCode.test(failed.url()))
  wire.restore()
  await isMissed
  await page.unroute(questionCode)
  await waitForVisible(question.getByText('Too late'))
  await restoreAndSend.click()
  await waitForVisible(threadText(page, 'Too late'))
  // The thread has an earlier reply. While the one to this message is written, nothing can be sent.
  const complete = async () => {
    const { messages } = await alice.ask('getConversation', { params: { id } })
    return messages.filter(({ status }) => status === 'complete').length
  }
  await expect.poll(complete).toBe(4)
  await waitForHidden(page.getByRole('button', { name: 'Stop the reply' }))

  // The refusal of a message may arrive before the news that its conversation is in the trash.
  news.hold(/"op":"deleted"/)
  await alice.ask('deleteConversation', { params: { id } })
  await sendMessage(page, 'A moment too late')
  await waitForVisible(question.getByText('A moment too late'))
  await waitForVisible(question.getByRole('button', { name: 'Keep as draft' }))
  await waitForHidden(restoreAndSend)
  news.release()
  await restoreAndSend.click()
  await waitForVisible(threadText(page, 'A moment too late'))
  await waitForReply(page)
  const { messages } = await alice.ask('getConversation', { params: { id } })
  expect(messages.filter(({ role }) => role === 'user').map(({ content }) => content)).toEqual([
    'A thread that goes away',
    'Too late',
    'A moment too late',
  ])
})

test('two messages written offline are counted as two, and get one reply without an error', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await windows.open(`http://${wire.address}`, '/app', { person: alice })
  const id = await startConversation(page, 'Before the tunnel')
  await waitForReply(page)

  wire.cut()
  const status = page.getByRole('complementary').getByText(/waiting$/)
  for (const [text, count] of [
    ['First in the tunnel', 1],
    ['Second in the tunnel', 2],
  ] as const) {
    const draftIsSaved = page.waitForFunction(
      () => document.querySelector<HTMLTextAreaElement>('textarea')?.value !== '',
    )
    await page.getByRole('textbox', { name: 'Message' }).pressSequentially(text)
    await draftIsSaved
    await page.getByRole('textbox', { name: 'Message' }).press('Enter')
    await waitForVisible(status.and(page.getByText(new RegExp(`· ${count} waiting$`))))
  }

  wire.restore()
  await waitForVisible(page.getByRole('complementary').getByText('Live on all devices'), 30_000)
  await expect
    .poll(async () => {
      const { messages } = await alice.ask('getConversation', { params: { id } })
      return messages.map(({ role, status }) => `${role} ${status}`)
    })
    .toEqual([
      'user complete',
      'assistant complete',
      'user complete',
      'user complete',
      'assistant complete',
    ])
  await expect.poll(() => page.getByText(/being written already/).count()).toBe(0)
})
