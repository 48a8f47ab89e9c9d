// Devices that do not read what they are sent, over real sockets.
import { describe, expect, test } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import type { Sync } from '@lockstep/protocol/sync'
import { newId } from '@lockstep/protocol/ids'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { eventually } from '../harness/eventually.ts'
import { Wire } from '../harness/wire.ts'
import { startScriptedNode, tcpOf, type SocketClient, type ScriptedNode } from './scripted-node.ts'
import { ScriptedLog } from './scripted-log.ts'

/** Delivers changes of a kilobyte each, and lets the network work in between. */
async function deliver(node: ScriptedNode, user_id: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const change = node.log.append(user_id, { data: { text: 'x'.repeat(1_000) } })
    node.gateway.deliver(user_id, change)
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The `seq` of each change that a client received, in a sync or alone, in order. */
function seqs(client: SocketClient): number[] {
  return client.seen.flatMap(({ event, payload }) => {
    if (event === 'sync') return (payload as Sync).changes.map(({ seq }) => seq)
    return event === 'change' ? [(payload as WireChange).seq] : []
  })
}

test('GATE-4 a device that stops reading costs little memory and misses nothing when it reads on', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  const slow = await node.join('conversations', cookie)
  const fast = await node.join('conversations', cookie)
  tcpOf(slow).pause()
  const count = 12_000
  await deliver(node, user_id, count)
  await eventually(() => seqs(fast).length === count)
  expect(await node.metric('lockstep_device_lags_total')).toBeGreaterThan(0)
  // 12 MB were delivered; the log has all of them.
  expect(await node.metric('lockstep_backlog_bytes')).toBeLessThan(1_000_000)
  tcpOf(slow).resume()
  await eventually(() => seqs(slow).length === count, { within: 15_000 })
  expect(seqs(slow)).toEqual(Array.from({ length: count }, (_, i) => i + 1))
  const live = node.log.append(user_id)
  node.gateway.deliver(user_id, live)
  await eventually(() => slow.seen.at(-1)?.event === 'change')
})

test('GATE-4 a device that stays slow is disconnected', async () => {
  await using node = await startScriptedNode({ settings: { timings: { slow: 200 } } })
  const { cookie, user_id } = node.sessions.signIn()
  const slow = await node.join('conversations', cookie)
  tcpOf(slow).pause()
  await deliver(node, user_id, 8_000)
  await eventually(async () => (await node.metric('lockstep_sockets_ended_total')) === 1)
  await eventually(async () => (await node.metric('lockstep_sockets')) === 0)
})

test('GATE-4 acks that are not read end the transport', async () => {
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

test('GATE-4 on a slow line, changes that take longer than the deadlines arrive over the same transport', async () => {
  const settings = { transport: { ...gatewaySettings.transport, slowestBytesPerSecond: 1_000_000 } }
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

test('a device that answers no ping, although nothing is on its way to it, is disconnected', async () => {
  await using node = await startScriptedNode({ settings: { timings: { ping: 50, pong: 200 } } })
  const dead = await node.join('conversations', node.sessions.signIn().cookie)
  tcpOf(dead).pause()
  await eventually(async () => (await node.metric('lockstep_sockets_ended_total')) === 1)
  await eventually(async () => (await node.metric('lockstep_sockets')) === 0)
})

describe('GATE-4 the ranges that a device requests', () => {
  const REQUESTS = 20

  /**
   * A client that requests ranges of a megabyte each and does not read the answers. `requestAll`
   * resolves when the server has received all requests.
   */
  async function pausedClient(node: ScriptedNode, executed: { count: number }) {
    const { cookie, user_id } = node.sessions.signIn()
    node.log.append(user_id, { data: { text: 'x'.repeat(1_000_000) } })
    const client = await node.join('conversations', cookie)
    tcpOf(client).pause()
    const answers: unknown[] = []
    const requestAll = async () => {
      for (let i = 0; i < REQUESTS; i++)
        client.socket.emit('range', { from: 1, to: 1 }, (answer: unknown) => answers.push(answer))
      client.socket.emit(
        'delete',
        { conversation_id: newId(), mutation_id: newId() },
        () => undefined,
      )
      await eventually(() => executed.count > 0)
    }
    return { client, answers, requestAll }
  }

  function countCommands() {
    const executed = { count: 0 }
    const execute = () =>
      Promise.resolve({ data: null, seq: 1, version: 1, changed: Boolean(++executed.count) })
    return { executed, execute }
  }

  test('are read one at a time, each after the last was taken, and all are answered', async () => {
    const { executed, execute } = countCommands()
    const log = new ScriptedLog()
    let [running, mostRunning] = [0, 0]
    log.beforeRead = async () => {
      mostRunning = Math.max(mostRunning, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
    }
    await using node = await startScriptedNode({ execute, log })
    const { client, answers, requestAll } = await pausedClient(node, executed)
    await requestAll()
    await eventually(async () => (await node.metric('lockstep_backlog_bytes')) > 64 * 1024)
    expect(await node.metric('lockstep_backlog_bytes')).toBeLessThan(2_000_000)
    expect(log.reads).toBeLessThan(REQUESTS)
    tcpOf(client).resume()
    await eventually(() => answers.length === REQUESTS, { within: 15_000 })
    expect(log.reads).toBe(REQUESTS)
    expect(mostRunning).toBe(1)
  })

  test('are dropped when the device disconnects', async () => {
    const { executed, execute } = countCommands()
    await using node = await startScriptedNode({
      execute,
      settings: { timings: { stop: 600_000 } },
    })
    const { client, requestAll } = await pausedClient(node, executed)
    await requestAll()
    await eventually(async () => (await node.metric('lockstep_backlog_bytes')) > 64 * 1024)
    client.socket.disconnect()
    tcpOf(client).destroy()
    await node.gateway.stop() // It waits for every request that has not been answered.
    expect(node.log.reads).toBeLessThan(REQUESTS)
  })

  test('share the limit of reads with the devices that are being caught up', async () => {
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
