// When an account is closed, its devices are told, and then their connections end.
import { expect, test } from 'vitest'
import { atBest } from '../harness/eventually.ts'
import { startScriptedNode, type ScriptedNode } from './scripted-node.ts'
import { EPOCH } from './scripted-log.ts'

function close(node: ScriptedNode, user_id: string) {
  const closed = node.log.append(user_id, {
    topic: 'account',
    op: 'closed',
    entity_id: user_id,
    data: {},
  })
  node.gateway.deliver(user_id, closed)
  return closed
}

test('P1 a live device gets the change last, then its transport ends, once', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  const stranger = await node.join('account', node.sessions.signIn().cookie)
  const device = await node.join('account', cookie)
  const closed = close(node, user_id)
  await device.next('disconnect')
  expect(device.seen.slice(1)).toEqual([
    { event: 'change', payload: closed },
    { event: 'disconnect', payload: 'io server disconnect' },
  ])
  expect(stranger.socket.connected).toBe(true)
  expect(await node.metric('lockstep_sockets_ended_total')).toBe(1)
  expect(await node.metric('lockstep_sockets')).toBe(1)
})

test('P1 GATE-3 a device that is being caught up gets the change in its sync, then its transport ends', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  const renamed = node.log.append(user_id, { topic: 'account', op: 'renamed' })
  const gate = Promise.withResolvers<void>()
  const reading = Promise.withResolvers<void>()
  const device = node.connect('account', cookie, { protocol: 1, since: { epoch: EPOCH, seq: 0 } })
  node.log.beforeRead = () => (reading.resolve(), gate.promise)
  await reading.promise
  const closed = close(node, user_id)
  gate.resolve()
  await device.next('disconnect')
  const sync = {
    epoch: EPOCH,
    from: 0,
    to: 2,
    changes: [renamed, closed],
    more: false,
    reset: false,
  }
  expect(device.seen).toEqual([
    { event: 'sync', payload: sync },
    { event: 'disconnect', payload: 'io server disconnect' },
  ])
  expect(await node.metric('lockstep_sockets')).toBe(0)
})

test('devices of other topics, and devices that cannot be told, are ended within a second', async () => {
  const took = await atBest(1_000, async () => {
    await using node = await startScriptedNode()
    const { cookie, user_id } = node.sessions.signIn()
    const other = await node.join('conversations', cookie)
    node.log.beforeRead = () => new Promise(() => undefined)
    const stuck = node.connect('account', cookie, { protocol: 1, since: { epoch: EPOCH, seq: 0 } })
    await expect.poll(() => node.metric('lockstep_sockets')).toBe(2)
    const began = performance.now()
    close(node, user_id)
    await Promise.all([other.next('disconnect'), stuck.next('disconnect')])
    const ms = performance.now() - began
    expect(other.eventNames()).toEqual(['sync', 'disconnect'])
    expect(await node.metric('lockstep_sockets')).toBe(0)
    return ms
  })
  expect(took).toBeLessThan(1_000)
})
