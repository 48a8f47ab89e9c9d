// The end of an account: a device is told of it, and its connection ends behind that.
import { expect, test } from 'vitest'
import { startScriptedNode, type ScriptedNode } from './scripted-node.ts'
import { EPOCH } from './scripted-log.ts'

function close(house: ScriptedNode, user_id: string) {
  const closed = house.log.append(user_id, {
    topic: 'account',
    op: 'closed',
    entity_id: user_id,
    data: {},
  })
  house.gateway.deliver(user_id, closed)
  return closed
}

test('P1 a live device hears it last, then its whole connection ends, once', async () => {
  await using house = await startScriptedNode()
  const { cookie, user_id } = house.sessions.signIn()
  const stranger = await house.join('account', house.sessions.signIn().cookie)
  const device = await house.join('account', cookie)
  const closed = close(house, user_id)
  await device.next('disconnect')
  expect(device.seen.slice(1)).toEqual([
    { event: 'change', payload: closed },
    { event: 'disconnect', payload: 'io server disconnect' },
  ])
  expect(stranger.socket.connected).toBe(true)
  expect(await house.metric('lockstep_sockets_ended_total')).toBe(1)
  expect(await house.metric('lockstep_sockets')).toBe(1)
})

test('P1 GATE-3 a device that is being caught up hears it with the rest, then its connection ends', async () => {
  await using house = await startScriptedNode()
  const { cookie, user_id } = house.sessions.signIn()
  const renamed = house.log.append(user_id, { topic: 'account', op: 'renamed' })
  const gate = Promise.withResolvers<void>()
  const reading = Promise.withResolvers<void>()
  const device = house.connect('account', cookie, { protocol: 1, since: { epoch: EPOCH, seq: 0 } })
  house.log.beforeRead = () => (reading.resolve(), gate.promise)
  await reading.promise
  const closed = close(house, user_id)
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
  expect(await house.metric('lockstep_sockets')).toBe(0)
})

test('devices that have not joined the account, or can’t be told, end within a second all the same', async () => {
  await using house = await startScriptedNode()
  const { cookie, user_id } = house.sessions.signIn()
  const other = await house.join('conversations', cookie)
  house.log.beforeRead = () => new Promise(() => undefined)
  const stuck = house.connect('account', cookie, { protocol: 1, since: { epoch: EPOCH, seq: 0 } })
  await expect.poll(() => house.metric('lockstep_sockets')).toBe(2)
  close(house, user_id)
  await Promise.all([other.next('disconnect', 1_000), stuck.next('disconnect', 1_000)])
  expect(other.eventNames()).toEqual(['sync', 'disconnect'])
  expect(await house.metric('lockstep_sockets')).toBe(0)
})
