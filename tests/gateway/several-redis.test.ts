// Nodes with two Redis. Each carries the messages about its users, and is lost for these only.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { shareOf } from '../../realtime/log/buckets.ts'
import { eventually } from '../harness/eventually.ts'
import { delta, startScriptedCluster, untilSubscribed } from './scripted-cluster.ts'

/** A person on each of two nodes for each of the two Redis. */
async function startWithTwoRedis() {
  const cluster = await startScriptedCluster(2, { redisCount: 2 })
  const [a, b] = cluster.nodes
  const people = [0, 1].map((index) => {
    for (;;) {
      const user_id = newId()
      if (shareOf(user_id, 2) === index) return cluster.sessions.signIn(user_id)
    }
  })
  const join = (topic: 'account' | 'conversations') =>
    Promise.all(people.map(({ cookie }) => b.join(topic, cookie)))
  const [first, second] = people as [(typeof people)[0], (typeof people)[0]]
  const [ofFirst, ofSecond] = await join('conversations')
  const devices = { ofFirst: ofFirst!, ofSecond: ofSecond! }
  await untilSubscribed(a, devices.ofFirst, first.user_id)
  await untilSubscribed(a, devices.ofSecond, second.user_id)
  return { cluster, a, b, first, second, ...devices }
}

test('each user has channels in one Redis only, and messages arrive through either', async () => {
  const { cluster, a, b, first, second } = await startWithTwoRedis()
  await using _ = cluster
  const usersIn = async (index: number) => {
    const link = a.links.all[index]!
    const found = (await link.commands.call('PUBSUB', 'SHARDCHANNELS', '*#user:*')) as string[]
    return new Set(found.map((channel) => /#user:(.*)#/.exec(channel)![1]))
  }
  expect(await usersIn(0)).toEqual(new Set([first.user_id]))
  expect(await usersIn(1)).toEqual(new Set([second.user_id]))
  for (const { user_id, session_id, cookie } of [first, second]) {
    await b.join('account', cookie)
    // one node asks, the other answers once through each Redis
    await eventually(async () =>
      expect(await a.gateway.onlineSessions(user_id)).toEqual(new Set([session_id])),
    )
  }
})

test('whoever loses a Redis goes on with the others, for their users as if nothing had happened', async () => {
  const { cluster, a, b, first, second, ofFirst, ofSecond } = await startWithTwoRedis()
  await using _ = cluster
  await cluster.redises[1]!.kill()
  await eventually(() => !a.links.all[1]!.isConnected() && !b.links.all[1]!.isConnected())
  expect(a.links.isConnected()).toBe(true)
  expect(a.links.aliveNodes()).toEqual(new Set([a.links.node, b.links.node]))
  const received = (device: typeof ofFirst) =>
    device.eventNames().filter((name) => name === 'delta').length
  const [before, unheard] = [received(ofFirst), received(ofSecond)]
  a.gateway.delta(second.user_id, 'conversations', delta)
  a.gateway.delta(first.user_id, 'conversations', delta)
  await eventually(() => received(ofFirst) === before + 1)
  expect(received(ofSecond)).toBe(unheard)

  // what concerns no single user finds its way through the other one
  const account = await b.join('account', second.cookie)
  await eventually(async () =>
    expect(await a.gateway.onlineSessions(second.user_id)).toEqual(new Set([second.session_id])),
  )
  a.gateway.disconnectSessions([second.session_id])
  await eventually(() => !account.socket.connected && !ofSecond.socket.connected)
  expect(ofFirst.socket.connected).toBe(true)

  await cluster.redises[1]!.restart()
  await eventually(() => a.links.all[1]!.isConnected() && b.links.all[1]!.isConnected(), {
    within: 8_000,
  })
  const again = cluster.sessions.signIn(second.user_id)
  const back = await b.join('conversations', again.cookie)
  await untilSubscribed(a, back, second.user_id)
})

test('presence is exchanged through the Redis of the user', async () => {
  const { cluster, a, b, first, second } = await startWithTwoRedis()
  await using _ = cluster
  for (const { user_id, cookie } of [first, second]) {
    const here = await a.join('account', cookie)
    const there = await b.join('account', cluster.sessions.signIn(user_id).cookie)
    expect(await here.next('presence')).toMatchObject({
      connection_id: there.socket.id,
      online: true,
    })
  }
})
