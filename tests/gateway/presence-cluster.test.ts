// Presence over nodes, and after a node is gone.
import { expect, test } from 'vitest'
import { newId } from '../../protocol/ids.ts'
import { startCluster } from './cluster.ts'

test('devices on other nodes are seen: those that are there, what they look at, and when they go', async () => {
  await using cluster = await startCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.house.join('account', cookie)
  const conversation_id = newId()
  await here.ask('viewing', { conversation_id })
  const there = await b.house.join('account', cluster.sessions.signIn(user_id).cookie)
  expect(await there.next('presence')).toMatchObject({ connection_id: here.socket.id, viewing: conversation_id })
  expect(await here.next('presence')).toMatchObject({ connection_id: there.socket.id, online: true })
  here.socket.disconnect()
  expect(await there.next('presence')).toMatchObject({ connection_id: expect.any(String) as string, online: false })
})

test('the devices of a node that dies without a word count as gone', async () => {
  await using cluster = await startCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.house.join('account', cookie)
  const there = await b.house.join('account', cluster.sessions.signIn(user_id).cookie)
  expect(await here.next('presence')).toMatchObject({ connection_id: there.socket.id, online: true })
  b.wire.cut()
  expect(await here.next('presence')).toMatchObject({ connection_id: there.socket.id, online: false })
  b.wire.restore()
  expect(await here.next('presence')).toMatchObject({ connection_id: there.socket.id, online: true })
})

test('a Redis that was away changes nothing about who is there', async () => {
  await using cluster = await startCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.house.join('account', cookie)
  const there = await b.house.join('account', cluster.sessions.signIn(user_id).cookie)
  await here.next('presence')
  await cluster.redis.restart()
  const third = await b.house.join('account', cookie)
  expect(await here.next('presence', 8_000)).toMatchObject({ connection_id: third.socket.id, online: true })
  expect(there.socket.connected).toBe(true)
  expect(here.names().filter((name) => name === 'presence')).toHaveLength(2)
})
