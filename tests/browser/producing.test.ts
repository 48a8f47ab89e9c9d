// A program in a page writes replies with the client package. Chromium can't stream the body of a
// request over HTTP/1.1, so the pieces go in batches.
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { rolldown } from 'rolldown'
import { beforeAll, expect, test } from 'vitest'
import type * as Client from '@lockstep/client/produce'
import type { ProducedPiece } from '@lockstep/protocol/produce'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { sharedBrowser } from './browser-windows.ts'
import { threadText, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })
let program = ''

beforeAll(async () => {
  const input = join(import.meta.dirname, '../../clients/typescript/src/produce.ts')
  const bundle = await rolldown({ input, platform: 'browser' })
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false })
  program = output[0].code
  await bundle.close()
})

type Program = Window & {
  hand: (...pieces: ProducedPiece[]) => void
  isReturned: boolean
  outcome: Promise<unknown>
}

/** A page that writes a reply, piece by piece as the test hands them over. */
async function writer(origin: string, person: Person, conversation_id: string): Promise<Page> {
  const page = await windows.open(origin, '/healthz', { person })
  await page.route('**/assets/program.js', (route) =>
    route.fulfill({ contentType: 'text/javascript', body: program }),
  )
  await page.goto(`${origin}/app/new`)
  await page.evaluate(async (id) => {
    const own = window as unknown as Program
    const address = '/assets/program.js'
    const { createProducer } = (await import(address)) as typeof Client
    const ready: ProducedPiece[] = []
    let wake = () => {}
    own.isReturned = false
    own.hand = (...pieces) => {
      ready.push(...pieces)
      wake()
    }
    async function* pieces(): AsyncGenerator<ProducedPiece> {
      try {
        for (;;) {
          const piece = ready.shift()
          if (piece) yield piece
          else await new Promise<void>((resolve) => (wake = resolve))
          if (piece && 'done' in piece) return
        }
      } finally {
        own.isReturned = true
      }
    }
    own.outcome = createProducer({ origin: '' })(id, pieces(), { agent: 'mine' })
  }, conversation_id)
  return page
}
const hand = (page: Page, ...pieces: ProducedPiece[]): Promise<void> =>
  page.evaluate(
    (json) => (window as unknown as Program).hand(...(JSON.parse(json) as ProducedPiece[])),
    JSON.stringify(pieces),
  )
const outcome = (page: Page): Promise<unknown> =>
  page.evaluate(() => (window as unknown as Program).outcome)

async function asking(person: Person): Promise<string> {
  const messages = [{ role: 'user' as const, content: 'Question' }]
  return (await person.ask('createConversation', { body: { messages } })).id
}

test('a page writes a reply that others see grow, also after its connection was cut, and nothing comes twice', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = await asking(alice)
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await writer(`http://${wire.address}`, alice, id)
  const reader = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  await hand(page, { thinking: 'Let me' }, { thinking: ' see.' }, { text: 'One ' })
  await waitForVisible(threadText(reader, 'One'))
  wire.cut()
  await hand(page, { text: 'two ' }, { text: 'three 🎈' })
  wire.restore()
  await waitForVisible(threadText(reader, 'One two three 🎈'), 30_000)
  await hand(page, { done: true })
  expect(await outcome(page)).toMatchObject({ status: 'complete', length: 16 })
  const { messages } = await alice.ask('getConversation', { params: { id } })
  expect(messages.at(-1)).toMatchObject({
    content: 'One two three 🎈',
    status: 'complete',
    metadata: { agent: 'mine', thinking: 'Let me see.' },
  })
})

test('a person who stops a page’s reply ends it, and the page is asked for no more', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = await asking(alice)
  const page = await writer(shared.node.url, alice, id)
  const reader = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  await hand(page, { text: 'Half of it' })
  await waitForVisible(threadText(reader, 'Half of it'))
  await reader.getByRole('button', { name: 'Stop the reply' }).click()
  expect(await outcome(page)).toMatchObject({
    status: 'stopped',
    stopped_by: { session_id: alice.session.id },
  })
  await hand(page, { text: 'never asked for' })
  await expect.poll(() => page.evaluate(() => (window as unknown as Program).isReturned)).toBe(true)
  const { messages } = await alice.ask('getConversation', { params: { id } })
  expect(messages.at(-1)).toMatchObject({ content: 'Half of it', status: 'stopped' })
})
