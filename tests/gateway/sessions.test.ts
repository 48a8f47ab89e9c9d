// A socket lives no longer than its session.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { eventually, timeFor } from '../harness/eventually.ts'
import { startScriptedNode } from './scripted-node.ts'

test('GATE-6 a revocation closes all sockets of the session at once, and only those', async () => {
  await using node = await startScriptedNode()
  const revoked = node.sessions.signIn()
  const kept = node.sessions.signIn(revoked.user_id)
  const gone = [
    await node.join('conversations', revoked.cookie),
    await node.join('account', revoked.cookie),
  ]
  const stays = await node.join('conversations', kept.cookie)
  expect(await node.gateway.onlineSessions(revoked.user_id)).toEqual(
    new Set([revoked.session_id, kept.session_id]),
  )
  node.gateway.disconnectSessions([revoked.session_id])
  for (const client of gone) await client.next('disconnect')
  expect(stays.socket.connected).toBe(true)
  await eventually(async () => (await node.gateway.onlineSessions(revoked.user_id)).size === 1)
})

test('GATE-6 a session revoked while its socket joins receives no data and executes no command', async () => {
  let executed = 0
  await using node = await startScriptedNode({
    execute: () => {
      executed++
      return Promise.reject(new Error('executed'))
    },
  })
  const { cookie, session_id, user_id } = node.sessions.signIn()
  node.log.append(user_id)
  // The cookie has been accepted by now.
  node.sessions.onAlive = () => node.sessions.revoke(session_id)
  const client = node.connect('conversations', cookie, {
    protocol: 1,
    since: { epoch: 'epoch-1', seq: 0 },
  })
  client.socket.emit('delete', { conversation_id: newId(), mutation_id: newId() }, () => undefined)
  await client.next('disconnect')
  expect(client.eventNames()).toEqual(['disconnect'])
  expect(executed).toBe(0)
})

test('the regular check notices sessions that have disappeared without notice', async () => {
  await using node = await startScriptedNode({ settings: { timings: { sessions: 50 } } })
  const { cookie, session_id } = node.sessions.signIn()
  const client = await node.join('conversations', cookie)
  node.sessions.revoke(session_id)
  await client.next('disconnect')
})

test('a socket ends when its session expires, unless the session was prolonged', async () => {
  await using node = await startScriptedNode()
  const joining = await timeFor(
    () => node.join('conversations', node.sessions.signIn().cookie),
    200,
  )
  const soon = () => new Date(Date.now() + joining)
  const used = node.sessions.signIn(newId(), soon())
  const stays = await node.join('conversations', used.cookie)
  node.sessions.prolong(used.session_id, new Date(Date.now() + 3_600_000))
  const idle = node.sessions.signIn(newId(), soon())
  const goes = await node.join('conversations', idle.cookie)
  await goes.next('disconnect', joining + 15_000)
  expect(stays.socket.connected).toBe(true)
  expect(await node.metric('lockstep_sockets_ended_total')).toBe(1)
})

test('a database that is away closes no socket', async () => {
  await using node = await startScriptedNode({ settings: { timings: { sessions: 20 } } })
  const { cookie, user_id } = node.sessions.signIn()
  const client = await node.join('conversations', cookie)
  node.sessions.away = true
  let asked = 0
  node.sessions.onAlive = () => asked++
  await eventually(() => asked > 3)
  node.gateway.deliver(user_id, node.log.append(user_id))
  await client.next('change')
  expect(client.socket.connected).toBe(true)
})
