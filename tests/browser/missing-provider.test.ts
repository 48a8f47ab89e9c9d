// The table of missing parts has a part that the server asks and no page does: the provider of the
// replies. Whatever is wrong with it, every page has all that it has otherwise, a person who asks
// for a reply reads what to do, and the question isn't lost.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reasons, type ReasonCode } from '../../realtime/agents/provider.ts'
import { OpenAiServer, type Script } from '../agents/openai-server.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { appPages, fillAccount, type AppPage } from './app-pages.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  listedConversation,
  navigateTo,
  sendMessage,
  startConversation,
  threadText,
  waitForHidden,
  waitForVisible,
} from './user-actions.ts'

const windows = sharedBrowser({ savesData: true })
const parts = new AsyncDisposableStack()
let provider: OpenAiServer
let node: TestNode
/** A node without an assistant, on the same database. */
let plainNode: TestNode
let alice: Person
let pages: AppPage[]

const answers: Script = (answer) => (answer.text('Here I am.'), answer.finish())
const hangs: Script = () => undefined

beforeAll(async () => {
  const database = parts.use(freshDatabase())
  provider = parts.use(await OpenAiServer.start(answers))
  const timings = { firstEventMs: 5_000 }
  node = parts.use(
    await startNode(database, {
      assistant: { baseUrl: provider.url, model: 'tiny' },
      options: { agents: { timings, ...fastReplies.options.agents } },
    }),
  )
  plainNode = parts.use(await startNode(database, fastReplies))
  alice = await signUp(node, 'alice')
  pages = appPages(await fillAccount(alice))
})
afterAll(() => parts.disposeAsync())

/** Every page has what it has otherwise. */
async function walk(page: Page): Promise<void> {
  for (const { name, path, ready } of pages) {
    await navigateTo(page, path)
    await waitForVisible(ready(page).first(), 15_000).catch((error: unknown) => {
      throw new Error(`${name} isn’t ready`, { cause: error })
    })
    await waitForVisible(listedConversation(page, 'Reading list'))
  }
  await expect.poll(() => page.getByRole('alertdialog').count()).toBe(0)
}

test('C: with a provider that hangs, can’t be reached or refuses, every page has what it has otherwise, and a reply or a run says what to do', async () => {
  const page = await windows.open(node.url, '/app', { person: alice })
  provider.answerWith(hangs)
  const id = await startConversation(page, 'Anybody there?')
  await waitForVisible(page.getByRole('button', { name: 'Stop the reply' }))
  await walk(page)

  const wrong: [Script, ReasonCode][] = [
    [hangs, 'no_answer'],
    [(answer) => answer.drop(), 'unreachable'],
    [(answer) => answer.refuse(401), 'unauthorized'],
    [(answer) => answer.refuse(402), 'no_credit'],
    [
      (answer) => answer.respond(200, '<h1>A proxy</h1>', { 'content-type': 'text/html' }),
      'wrong_address',
    ],
  ]
  await navigateTo(page, `/app/c/${id}`)
  for (const [script, code] of wrong) {
    provider.answerWith(script)
    if (code !== 'no_answer') await page.getByRole('button', { name: 'Try again' }).click()
    await waitForVisible(page.getByText(`This reply failed: ${reasons[code]}`, { exact: true }))
    await waitForVisible(threadText(page, 'Anybody there?'))
    await waitForVisible(listedConversation(page, 'Anybody there?').getByText('Reply failed'))
  }
  await navigateTo(page, '/app/agents/assistant')
  await page.getByLabel('Task').fill('A task')
  await page.getByRole('button', { name: 'Run' }).click()
  await waitForVisible(page.getByText(reasons.wrong_address))

  // Once the provider is back, the same question is answered.
  provider.answerWith(answers)
  await page.getByRole('button', { name: 'Run again' }).click()
  await waitForVisible(page.getByText('Here I am.'))
  await navigateTo(page, `/app/c/${id}`)
  await page.getByRole('button', { name: 'Try again' }).click()
  await waitForVisible(threadText(page, 'Here I am.'))
  expect(provider.questions.at(-1)!.body.messages).toMatchObject([{ content: 'Anybody there?' }])
  await page.close()
})

test('C: without a provider, the agents say that they only demonstrate, and those that a person chose earlier answer all the same', async () => {
  const agent = '0199aaaa-0000-7000-8000-000000000001'
  await alice.ask('putPreferences', { body: { default_agent: 'assistant' } })
  const { id } = await alice.ask('createConversation', {
    body: { title: 'Chosen earlier', metadata: { agent: 'assistant' } },
  })
  const page = await windows.open(plainNode.url, '/app', { person: alice })
  await walk(page)
  const says = page.getByText('This server isn’t connected to a model yet')
  for (const path of ['/app/agents', '/app/agents/demo', `/app/agents/${agent}`]) {
    await navigateTo(page, path)
    await waitForVisible(says)
  }
  await navigateTo(page, '/app/settings')
  await expect.poll(() => page.getByLabel('Default agent').inputValue()).toBe('demo')
  await navigateTo(page, `/app/c/${id}`)
  await waitForHidden(says)
  await sendMessage(page, '/demo table silent')
  await waitForVisible(page.getByRole('button', { name: 'Regenerate' }))
  await expect.poll(() => page.getByText('This reply failed').count()).toBe(0)
  await page.close()
})
