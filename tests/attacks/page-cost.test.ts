// What a page costs everybody else whose messages were written by many requests. Each of them had
// as many keys as one request may have, so all together cost far more than their bytes.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { signUp, type Person } from '../harness/person.ts'
import { RawSocket } from '../harness/raw-socket.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { longestTurn, longestTurnAtBest, MAX_TURN_MS } from './turn-meter.ts'

const often = { rate: 1e6, burst: 1e6 }
const shared = sharedNodes(1, {
  options: {
    http: { ...httpSettings, userRate: often, addressRate: often },
    gateway: { ...gatewaySettings, events: often, eventsPerUser: often },
  },
})
const MESSAGES = 12

let eve: Person
let conversation_id: string
let socket: RawSocket
beforeAll(async () => {
  eve = await signUp(shared.node, 'eve')
  conversation_id = (await eve.ask('createConversation', { body: {} })).id
  const keys = Array.from({ length: limits.jsonKeys - 100 }, (_, n) => [n.toString(36), n])
  const part = { id: 'data', type: 'data-x', value: Object.fromEntries(keys) as object }
  const body = JSON.stringify({ messages: [{ role: 'assistant', parts: [part] }] })
  for (let n = 0; n < MESSAGES; n++)
    await send('POST', `/conversations/${conversation_id}/messages`, body)
  socket = await RawSocket.join(shared.node.url, eve.cookie, 'conversations')
}, 120_000)
afterAll(() => socket[Symbol.dispose]())

/** The answer is not parsed, because the client runs in this process too. */
async function send(method: string, path: string, body?: string, headers?: object) {
  const response = await fetch(shared.node.url + path, {
    method,
    headers: { 'content-type': 'application/json', cookie: eve.cookie, ...headers },
    body,
  })
  return { status: response.status, text: await response.text() }
}

const titled = () => JSON.stringify({ title: newId() })
const path = () => `/conversations/${conversation_id}`
const pages: [what: string, status: number, ask: () => ReturnType<typeof send>][] = [
  ['the conversation', 200, () => send('GET', path())],
  ['the conversation after a change', 200, () => send('PUT', path(), titled())],
  ['a conflict', 409, () => send('PUT', path(), titled(), { 'if-match': '1' })],
  ['conversations with their messages', 200, () => send('GET', '/conversations?messages=100')],
  ['the conversation as Markdown', 200, () => send('GET', `${path()}/markdown`)],
  ['the export', 200, () => send('GET', '/users/me/export')],
]

test.each(pages)(
  '%s full of keys holds nobody’s turn',
  { timeout: 120_000 },
  async (_, status, ask) => {
    const longest = await longestTurnAtBest(async () => {
      const { result, longestMs } = await longestTurn(() => Promise.all([ask(), ask()]))
      for (const answer of result) expect(answer.status).toBe(status)
      return longestMs
    })
    expect(longest).toBeLessThan(MAX_TURN_MS)
  },
)

test('nor does a conflict over a socket, whose ack has the page', async () => {
  let number = 0
  const longest = await longestTurnAtBest(async () => {
    const id = ++number
    const command = { mutation_id: newId(), conversation_id, title: newId(), if_version: 1 }
    const { result, longestMs } = await longestTurn(() => {
      socket.send(`42/conversations,${id}${JSON.stringify(['update', command])}`)
      return socket.inbox.until<string>('frame', (frame) =>
        frame.startsWith(`43/conversations,${id}[`),
      )
    })
    const { error } = (JSON.parse(result.slice(result.indexOf('['))) as [{ error: object }])[0]
    expect(error).toMatchObject({ code: 'version_conflict', current: { id: conversation_id } })
    return longestMs
  })
  expect(longest).toBeLessThan(MAX_TURN_MS)
})
