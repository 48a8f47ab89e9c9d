// Presence over nodes, and after a node is gone.
import { expect, test, vi } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Presence } from '@lockstep/protocol/sync'
import { eventually } from '../harness/eventually.ts'
import { startScriptedCluster, type ClusterNode } from './scripted-cluster.ts'
import type { SocketClient } from './scripted-node.ts'

/** Who is there, by what a client was told last of each connection: those that are online. */
function online(client: SocketClient): Set<string> {
  const present = new Set<string>()
  for (const { event, payload } of client.seen) {
    if (event !== 'presence') continue
    const { connection_id, online: is } = payload as Presence
    if (is) present.add(connection_id)
    else present.delete(connection_id)
  }
  return present
}

/** Redis takes nothing of what a node tells the others of its users, until it has tried so often. */
async function unheard(
  { link: { commands: publisher } }: ClusterNode,
  times: number,
  act: () => Promise<unknown>,
): Promise<void> {
  const spublish = vi.spyOn(publisher, 'spublish').mockRejectedValue(new Error('a test lost it'))
  try {
    await act()
    await eventually(() => spublish.mock.calls.length >= times)
  } finally {
    spublish.mockRestore()
  }
}

test('devices on other nodes are seen: those that are there, what they look at, and when they go', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('account', cookie)
  const conversation_id = newId()
  await here.request('viewing', { conversation_id })
  const there = await b.join('account', cluster.sessions.signIn(user_id).cookie)
  expect(await there.next('presence')).toMatchObject({
    connection_id: here.socket.id,
    viewing: conversation_id,
  })
  expect(await here.next('presence')).toMatchObject({
    connection_id: there.socket.id,
    online: true,
  })
  here.socket.disconnect()
  expect(await there.next('presence')).toMatchObject({
    connection_id: expect.any(String) as string,
    online: false,
  })
})

test('the devices of a node that dies without a word count as gone', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('account', cookie)
  const there = await b.join('account', cluster.sessions.signIn(user_id).cookie)
  expect(await here.next('presence')).toMatchObject({
    connection_id: there.socket.id,
    online: true,
  })
  b.wire.cut()
  expect(await here.next('presence')).toMatchObject({
    connection_id: there.socket.id,
    online: false,
  })
  b.wire.restore()
  expect(await here.next('presence')).toMatchObject({
    connection_id: there.socket.id,
    online: true,
  })
})

test('a Redis that was away changes nothing about who is there', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('account', cookie)
  const there = await b.join('account', cluster.sessions.signIn(user_id).cookie)
  await here.next('presence')
  await cluster.redis.restart()
  const third = await b.join('account', cookie)
  expect(await here.next('presence', 8_000)).toMatchObject({
    connection_id: third.socket.id,
    online: true,
  })
  expect(there.socket.connected).toBe(true)
  expect(here.eventNames().filter((name) => name === 'presence')).toHaveLength(2)
})

test('who leaves while Redis is away is gone once it is back, the last device on a node too', async () => {
  await using cluster = await startScriptedCluster(2, { settings: { timings: { presence: 500 } } })
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('account', cookie)
  const join = () => b.join('account', cluster.sessions.signIn(user_id).cookie)
  const [phone, tablet] = [await join(), await join()]
  await eventually(() => expect(online(here).size).toBe(2))
  for (const [leaves, stay] of [
    [phone, [tablet.socket.id]],
    [tablet, []],
  ] as const) {
    await cluster.redis.kill()
    leaves.socket.disconnect()
    await eventually(async () => (await b.metric('lockstep_sockets')) === stay.length)
    await cluster.redis.restart()
    await eventually(() => expect(online(here)).toEqual(new Set(stay)), { within: 10_000 })
  }
  const late = await a.join('account', cookie)
  await late.request('viewing', { conversation_id: null })
  expect(online(late)).toEqual(new Set([here.socket.id]))
})

test('what got lost without anybody noticing is found in the next comparison', async () => {
  await using cluster = await startScriptedCluster(2, { settings: { timings: { presence: 200 } } })
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('account', cookie)
  let phone!: SocketClient
  const comes = async () =>
    (phone = await b.join('account', cluster.sessions.signIn(user_id).cookie))
  await unheard(b, 2, comes) // that it has come, and who else is there
  const id = phone.socket.id!
  await eventually(() => online(here).has(id))
  await unheard(b, 1, () => Promise.resolve(phone.socket.disconnect()))
  await eventually(() => !online(here).has(id))
})
