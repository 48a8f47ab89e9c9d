// A socket lives no longer than its session.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { eventually } from '../harness/eventually.ts'
import { startScriptedNode } from './scripted-node.ts'

test('GATE-6 a revocation closes all sockets of the session at once, and only those', async () => {
  await using house = await startScriptedNode()
  const revoked = house.sessions.signIn()
  const kept = house.sessions.signIn(revoked.user_id)
  const gone = [
    await house.join('conversations', revoked.cookie),
    await house.join('account', revoked.cookie),
  ]
  const stays = await house.join('conversations', kept.cookie)
  expect(await house.gateway.onlineSessions(revoked.user_id)).toEqual(
    new Set([revoked.session_id, kept.session_id]),
  )
  house.gateway.disconnectSessions([revoked.session_id])
  for (const client of gone) await client.next('disconnect')
  expect(stays.socket.connected).toBe(true)
  await eventually(async () => (await house.gateway.onlineSessions(revoked.user_id)).size === 1)
})

test('GATE-6 a session that is revoked while its socket joins gets no data and no command through', async () => {
  let executed = 0
  await using house = await startScriptedNode({
    execute: () => {
      executed++
      return Promise.reject(new Error('executed'))
    },
  })
  const { cookie, session_id, user_id } = house.sessions.signIn()
  house.log.append(user_id)
  house.sessions.onAlive = () => house.sessions.revoke(session_id) // after the cookie was accepted
  const client = house.connect('conversations', cookie, {
    protocol: 1,
    since: { epoch: 'epoch-1', seq: 0 },
  })
  client.socket.emit('delete', { conversation_id: newId(), mutation_id: newId() }, () => undefined)
  await client.next('disconnect')
  expect(client.eventNames()).toEqual(['disconnect'])
  expect(executed).toBe(0)
})

test('sessions that vanish without a word are noticed by the regular check', async () => {
  await using house = await startScriptedNode({ settings: { timings: { head: 50 } } })
  const { cookie, session_id } = house.sessions.signIn()
  const client = await house.join('conversations', cookie)
  house.sessions.revoke(session_id)
  await client.next('disconnect')
})

test('a socket ends when its session expires, unless that was prolonged', async () => {
  await using house = await startScriptedNode()
  const soon = () => new Date(Date.now() + 200)
  const [used, idle] = [
    house.sessions.signIn(newId(), soon()),
    house.sessions.signIn(newId(), soon()),
  ]
  const stays = await house.join('conversations', used.cookie)
  house.sessions.prolong(used.session_id, new Date(Date.now() + 3_600_000))
  const goes = await house.join('conversations', idle.cookie)
  await goes.next('disconnect')
  expect(stays.socket.connected).toBe(true)
  expect(await house.metric('lockstep_sockets_ended_total')).toBe(1)
})

test('a database that is away closes no socket', async () => {
  await using house = await startScriptedNode({ settings: { timings: { head: 20 } } })
  const { cookie, user_id } = house.sessions.signIn()
  const client = await house.join('conversations', cookie)
  house.sessions.away = true
  let asked = 0
  house.sessions.onAlive = () => asked++
  await eventually(() => asked > 3)
  house.gateway.deliver(user_id, house.log.append(user_id))
  await client.next('change')
  expect(client.socket.connected).toBe(true)
})
