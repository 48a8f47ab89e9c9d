// Presence across nodes, and after a node has gone.
import { expect, test, vi } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Presence } from '@lockstep/protocol/sync'
import { eventually } from '../harness/eventually.ts'
import { startScriptedCluster, type ClusterNode } from './scripted-cluster.ts'
import type { SocketClient } from './scripted-node.ts'

/** The connections that are online, according to the last presence event about each of them. */
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

/**
 * Runs `act` while every message that the node sends about its users is lost, until the node has
 * tried to send that many messages.
 */
async function loseMessages(
  { link: { commands: publisher } }: ClusterNode,
  times: number,
  act: () => Promise<unknown>,
): Promise<void> {
  const spublish = vi.spyOn(publisher, 'spublish').mockRejectedValue(new Error('lost by the test'))
  try {
    await act()
    await eventually(() => spublish.mock.calls.length >= times)
  } finally {
    spublish.mockRestore()
  }
}

test('a device learns which devices are on other nodes, what they look at, and when they go', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('account', cookie)
  const conversation_id = newId()
  await here.request('viewing', { conversation_id })
  const there = await b.join('account', cluster.sessions.signIn(user_id).cookie)
  // An earlier presence event, without the conversation, may still have been on its way.
  await eventually(() =>
    expect(there.seen).toContainEqual({
      event: 'presence',
      payload: expect.objectContaining({
        connection_id: here.socket.id,
        viewing: conversation_id,
      }) as object,
    }),
  )
  there.seen.splice(0)
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

test('the devices of a node that dies without notice count as gone', async () => {
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

test('a restart of Redis does not change who is online', async () => {
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

test('a device that leaves while Redis is away is gone once Redis is back, even the last one on its node', async () => {
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

test('a message that was lost unnoticed is repaired by the next comparison', async () => {
  await using cluster = await startScriptedCluster(2, { settings: { timings: { presence: 200 } } })
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('account', cookie)
  let phone!: SocketClient
  const comes = async () =>
    (phone = await b.join('account', cluster.sessions.signIn(user_id).cookie))
  // The message that it has come, and its question who else is online.
  await loseMessages(b, 2, comes)
  const id = phone.socket.id!
  await eventually(() => online(here).has(id))
  await loseMessages(b, 1, () => Promise.resolve(phone.socket.disconnect()))
  await eventually(() => !online(here).has(id))
})
