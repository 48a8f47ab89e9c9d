// Sockets that send more events than a user may send.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Execute } from '../../realtime/commands/commands.ts'
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
