// Sockets that send more events than a user may send.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Execute } from '../../realtime/commands/commands.ts'
import { eventually } from '../harness/eventually.ts'
import { RawSocket } from '../harness/raw-socket.ts'
import { startScriptedNode, type SocketClient } from './scripted-node.ts'

const execute: Execute = () => Promise.resolve({ data: null, seq: 1, version: 1, changed: true })
const ask = (client: SocketClient) =>
  client.request('delete', { conversation_id: newId(), mutation_id: newId() })
const refused = { ok: false, error: { code: 'rate_limited' } }
const slow = { rate: 0.1, burst: 4 }

test('events without an ack count like others', async () => {
  await using node = await startScriptedNode({ execute, settings: { events: slow } })
  const client = await node.join('conversations', node.sessions.signIn().cookie)
  for (let i = 0; i < 4; i++) client.socket.emit('delete', {})
  expect(await ask(client)).toMatchObject(refused)
})

test('all sockets of one user share a limit, and each user has a limit of their own', async () => {
  await using node = await startScriptedNode({ execute, settings: { eventsPerUser: slow } })
  const { cookie } = node.sessions.signIn()
  const clients = await Promise.all(
    ['conversations', 'conversations', 'agents', 'account'].map((topic) =>
      node.join(topic, cookie),
    ),
  )
  for (const client of clients)
    expect(await client.request('range', { from: 1, to: 1 })).toMatchObject({ ok: true })
  for (const client of clients)
    expect(await client.request('range', { from: 1, to: 1 })).toMatchObject(refused)
  const other = await node.join('conversations', node.sessions.signIn().cookie)
  expect(await ask(other)).toMatchObject({ ok: true })
})

test.each([true, false])(
  'a socket that continues after many refusals is ended (with acks: %s)',
  async (withAcks) => {
    await using node = await startScriptedNode({
      execute,
      settings: { events: slow, refusals: 20 },
    })
    const { cookie } = node.sessions.signIn()
    const [flooding, quiet] = [
      await node.join('conversations', cookie),
      await node.join('conversations', cookie),
    ]
    const acks = withAcks ? [() => undefined] : []
    for (let i = 0; i < 24; i++) flooding.socket.emit('delete', {}, ...acks)
    expect(await ask(quiet)).toMatchObject({ ok: true })
    expect(flooding.socket.connected).toBe(true)
    flooding.socket.emit('delete', {}, ...acks)
    await flooding.next('disconnect')
    expect(await node.metric('lockstep_sockets_ended_total')).toBe(1)
    expect(await ask(quiet)).toMatchObject({ ok: true })
  },
)

test('large events count by their bytes, and end a socket that continues with them', async () => {
  await using node = await startScriptedNode({
    execute,
    settings: { eventsPerUser: { rate: 0.1, burst: 25 }, refusals: 20 },
  })
  const { cookie } = node.sessions.signIn()
  const [flooding, quiet] = [
    await node.join('conversations', cookie),
    await node.join('agents', cookie),
  ]
  const bytes = 10 * 32 * 1024
  const large = (text: string) => flooding.request('delete', { text })
  // eleven of 25, then 22, and the debt of the third is the user's
  for (let n = 0; n < 3; n++)
    expect(await large('x'.repeat(bytes))).toMatchObject({ error: { code: 'invalid' } })
  expect(await ask(flooding)).toMatchObject(refused)
  expect(await quiet.request('range', { from: 1, to: 1 })).toMatchObject(refused)
  const other = await node.join('conversations', node.sessions.signIn().cookie)
  expect(await ask(other)).toMatchObject({ ok: true })
  // one small refusal, and these count eleven each
  expect(await large('x'.repeat(bytes))).toMatchObject(refused)
  flooding.socket.emit('delete', { text: '\u{1F600}'.repeat(bytes / 2) })
  await flooding.next('disconnect')
  expect(quiet.socket.connected).toBe(true)
})

/** An event of about so many bytes that is no JSON. */
const broken = (bytes: number, id: number) =>
  `42/conversations,${id}["delete",{${'x'.repeat(bytes)}]`
const waitIn = (text: string) => Number(/"retry_after_ms":(\d+)/.exec(text)?.[1])

test('what a user in debt sends is not parsed, and makes the debt larger', async () => {
  await using node = await startScriptedNode({
    settings: { eventsPerUser: { rate: 1, burst: 20 } },
  })
  const { cookie } = node.sessions.signIn()
  const client = await node.join('conversations', cookie)
  using raw = await RawSocket.join(node.url, cookie, 'conversations')
  await client.request('delete', { text: 'x'.repeat(25 * 32 * 1024) })
  const waits: number[] = []
  for (const id of [1, 2, 3]) {
    raw.send(broken(8 * 32 * 1024, id))
    const answer = await raw.inbox.until<string>('frame', (frame) =>
      frame.startsWith(`43/conversations,${id}[`),
    )
    expect(answer).toContain('"code":"rate_limited"')
    waits.push(waitIn(answer))
  }
  // half of what an accepted event of this size counts: four seconds each
  expect(waits[2]! - waits[0]!).toBeGreaterThan(6_000)
  // a debt of more than a full bucket is too much
  raw.send(broken(60 * 32 * 1024, 4))
  await raw.closed
  expect(await node.metric('lockstep_sockets_ended_total')).toBe(1)
})

test('a user in debt joins again only when the debt is paid, and everybody else at once', async () => {
  await using node = await startScriptedNode({
    settings: { eventsPerUser: { rate: 40, burst: 20 } },
  })
  const { cookie } = node.sessions.signIn()
  const before = await node.join('agents', cookie)
  await before.request('delete', { text: 'x'.repeat(45 * 32 * 1024) })
  const refusal = await node.connect('agents', cookie).next('connect_error')
  expect(refusal.data).toMatchObject({ code: 'rate_limited', status: 429 })
  expect(refusal.data?.retry_after_ms).toBeGreaterThan(100)
  await node.join('agents', node.sessions.signIn().cookie)
  expect(before.socket.connected).toBe(true)
  await eventually(async () => {
    const client = node.connect('agents', cookie)
    await Promise.race([client.next('sync'), client.next('connect_error')])
    return client.eventNames().includes('sync')
  })
})

test('whoever joins in debt all the same gets no further connection, and other people of the address do', async () => {
  await using node = await startScriptedNode({
    settings: { eventsPerUser: { rate: 0.1, burst: 20 }, connections: { rate: 0.1, burst: 44 } },
  })
  const { cookie } = node.sessions.signIn()
  const attempt = async (header: string) =>
    (await node.connect('agents', header).next('connect_error')).data?.code
  const before = await node.join('agents', cookie)
  await before.request('delete', { text: 'x'.repeat(45 * 32 * 1024) })
  expect(await attempt(cookie)).toBe('rate_limited')
  for (let n = 0; n < 30; n++) expect(await attempt(cookie)).toBeUndefined()
  await node.join('agents', node.sessions.signIn().cookie)
  // with other cookies beside it, the session can't be told: this uses up the address's connections
  expect(await attempt(`${cookie}; n=1`)).toBe('rate_limited')
  expect(await attempt(`${cookie}; n=2`)).toBeUndefined()
})

test('refusals do not end a socket if a command is accepted between them', async () => {
  let proceed = (): void => undefined
  const slowly: Execute = async (...command) => {
    await new Promise<void>((resolve) => (proceed = resolve))
    return execute(...command)
  }
  await using node = await startScriptedNode({
    execute: slowly,
    settings: { inFlight: 1, refusals: 5 },
  })
  const client = await node.join('conversations', node.sessions.signIn().cookie)
  for (let round = 0; round < 4; round++) {
    const first = ask(client)
    for (let i = 0; i < 5; i++) expect(await ask(client)).toMatchObject(refused)
    proceed()
    expect(await first).toMatchObject({ ok: true })
  }
  expect(client.socket.connected).toBe(true)
})
