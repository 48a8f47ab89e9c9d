// Readers that don't read, over real sockets.
import { describe, expect, test } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import type { Sync } from '@lockstep/protocol/sync'
import { newId } from '@lockstep/protocol/ids'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { eventually } from '../harness/eventually.ts'
import { Wire } from '../harness/wire.ts'
import { startScriptedNode, tcpOf, type SocketClient, type ScriptedNode } from './scripted-node.ts'
import { ScriptedLog } from './scripted-log.ts'

/** Delivers changes of a kilobyte each, giving the network its turns. */
async function deliver(node: ScriptedNode, user_id: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const change = node.log.append(user_id, { data: { text: 'x'.repeat(1_000) } })
    node.gateway.deliver(user_id, change)
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The `seq`s a client was given, by syncs and changes, in order. */
function seqs(client: SocketClient): number[] {
  return client.seen.flatMap(({ event, payload }) => {
    if (event === 'sync') return (payload as Sync).changes.map(({ seq }) => seq)
    return event === 'change' ? [(payload as WireChange).seq] : []
  })
}

test('GATE-4 a paused reader costs little memory, is caught up when it reads on, and misses nothing', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  const slow = await node.join('conversations', cookie)
  const fast = await node.join('conversations', cookie)
  tcpOf(slow).pause()
  const count = 12_000
  await deliver(node, user_id, count)
  await eventually(() => seqs(fast).length === count)
  expect(await node.metric('lockstep_device_lags_total')).toBeGreaterThan(0)
  // 12 MB were delivered, and the log holds them all
  expect(await node.metric('lockstep_backlog_bytes')).toBeLessThan(1_000_000)
  tcpOf(slow).resume()
  await eventually(() => seqs(slow).length === count, { within: 15_000 })
  expect(seqs(slow)).toEqual(Array.from({ length: count }, (_, i) => i + 1))
  const live = node.log.append(user_id)
  node.gateway.deliver(user_id, live)
  await eventually(() => slow.seen.at(-1)?.event === 'change')
})

test('GATE-4 a reader that stays slow is let go', async () => {
  await using node = await startScriptedNode({ settings: { timings: { slow: 200 } } })
  const { cookie, user_id } = node.sessions.signIn()
  const slow = await node.join('conversations', cookie)
  tcpOf(slow).pause()
  await deliver(node, user_id, 8_000)
  await eventually(async () => (await node.metric('lockstep_sockets_ended_total')) === 1)
  await eventually(async () => (await node.metric('lockstep_sockets')) === 0)
})

test('GATE-4 answers that nobody reads end the connection', async () => {
  await using node = await startScriptedNode({
    settings: { transport: { ...gatewaySettings.transport, maxBytes: 2_000_000 } },
    execute: () =>
      Promise.resolve({ data: 'x'.repeat(1_000_000), seq: 1, version: 1, changed: true }),
  })
  const { cookie, user_id } = node.sessions.signIn()
  const greedy = await node.join('conversations', cookie)
  tcpOf(greedy).pause()
  for (let i = 0; i < 50; i++)
    greedy.socket.emit(
      'delete',
      { conversation_id: user_id, mutation_id: user_id },
      () => undefined,
    )
  await eventually(async () => (await node.metric('lockstep_sockets')) === 0)
})

test('GATE-4 a slow line is no dead one: whatever takes longer than the deadlines arrives, over the same connection', async () => {
  const settings = { wire: { ...gatewaySettings.transport, slowest: 1_000_000 } }
  const timings = { ping: 100, pong: 1_000, slow: 2_000 }
  await using node = await startScriptedNode({ settings: { ...settings, timings } })
  await using wire = await Wire.to({ port: node.port })
  wire.limit('down', 4_000_000)
  const { cookie, user_id } = node.sessions.signIn()
  const slow = await node.join('conversations', cookie, {}, wire.port)
  const count = 5
  for (let i = 0; i < count; i++)
    node.gateway.deliver(
      user_id,
      node.log.append(user_id, { data: { text: 'x'.repeat(3_500_000) } }),
    )
  await eventually(() => seqs(slow).length === count, { within: 20_000 })
  expect(seqs(slow)).toEqual([1, 2, 3, 4, 5])
  expect(slow.eventNames()).not.toContain('disconnect')
})

test('a device that answers no ping, with nothing on its way to it, is let go soon', async () => {
  await using node = await startScriptedNode({ settings: { timings: { ping: 50, pong: 200 } } })
  const dead = await node.join('conversations', node.sessions.signIn().cookie)
  tcpOf(dead).pause()
  await eventually(async () => (await node.metric('lockstep_sockets_ended_total')) === 1)
  await eventually(async () => (await node.metric('lockstep_sockets')) === 0)
})

describe('GATE-4 ranges that a device asks for', () => {
  const ASKED = 20

  /** A client whose answers have a megabyte each, and who doesn't read them. `askAll` resolves when the server has got all it asked for. */
  async function paused(node: ScriptedNode, executed: { count: number }) {
    const { cookie, user_id } = node.sessions.signIn()
    node.log.append(user_id, { data: { text: 'x'.repeat(1_000_000) } })
    const client = await node.join('conversations', cookie)
    tcpOf(client).pause()
    const answers: unknown[] = []
    const askAll = async () => {
      for (let i = 0; i < ASKED; i++)
        client.socket.emit('range', { from: 1, to: 1 }, (answer: unknown) => answers.push(answer))
      client.socket.emit(
        'delete',
        { conversation_id: newId(), mutation_id: newId() },
        () => undefined,
      )
      await eventually(() => executed.count > 0)
    }
    return { client, answers, askAll }
  }

  function counting() {
    const executed = { count: 0 }
    const execute = () =>
      Promise.resolve({ data: null, seq: 1, version: 1, changed: Boolean(++executed.count) })
    return { executed, execute }
  }

  test('are read one after the other, each when the last was taken, and all answered', async () => {
    const { executed, execute } = counting()
    const log = new ScriptedLog()
    let [running, most] = [0, 0]
    log.beforeRead = async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
    }
    await using node = await startScriptedNode({ execute, log })
    const { client, answers, askAll } = await paused(node, executed)
    await askAll()
    await eventually(async () => (await node.metric('lockstep_backlog_bytes')) > 64 * 1024)
    expect(await node.metric('lockstep_backlog_bytes')).toBeLessThan(2_000_000)
    expect(log.reads).toBeLessThan(ASKED)
    tcpOf(client).resume()
    await eventually(() => answers.length === ASKED, { within: 15_000 })
    expect(log.reads).toBe(ASKED)
    expect(most).toBe(1)
  })

  test('are forgotten when it goes', async () => {
    const { executed, execute } = counting()
    await using node = await startScriptedNode({
      execute,
      settings: { timings: { stop: 600_000 } },
    })
    const { client, askAll } = await paused(node, executed)
    await askAll()
    await eventually(async () => (await node.metric('lockstep_backlog_bytes')) > 64 * 1024)
    client.socket.disconnect()
    tcpOf(client).destroy()
    await node.gateway.stop() // waits for what has not been answered
    expect(node.log.reads).toBeLessThan(ASKED)
  })

  test('wait for their turn among the devices that are caught up', async () => {
    const log = new ScriptedLog()
    await using node = await startScriptedNode({ log, settings: { catchUps: 1 } })
    const { cookie, user_id } = node.sessions.signIn()
    log.append(user_id)
    const client = await node.join('conversations', cookie)
    const held = Promise.withResolvers<void>()
    log.beforeRead = () => (log.reads > 0 ? held.promise : Promise.resolve())
    const returning = node.connect('conversations', cookie, {
      protocol: 1,
      since: { epoch: log.epoch, seq: 0 },
    })
    await eventually(() => log.reads === 1)
    const asked = client.request('range', { from: 1, to: 1 })
    await client.request('nonsense', {})
    expect(log.reads).toBe(1)
    held.resolve()
    await returning.next('sync')
    expect(await asked).toMatchObject({ ok: true })
    expect(log.reads).toBe(2)
  })
})
