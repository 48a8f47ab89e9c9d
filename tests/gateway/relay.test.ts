// Messages between nodes. These tests also check what the relay assumes about the pinned versions
// of socket.io and its Redis adapter.
import { expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import {
  delta,
  startScriptedCluster,
  untilSubscribed,
  type ClusterNode,
} from './scripted-cluster.ts'
import { EPOCH } from './scripted-log.ts'

test('GATE-2 a change reaches the devices of other nodes through their state machines: in order, once', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('conversations', cookie)
  const there = await b.join('conversations', cookie)
  await untilSubscribed(a, there, user_id)
  for (let i = 0; i < 20; i++) {
    const next = cluster.log.append(user_id)
    a.gateway.deliver(user_id, next)
    a.gateway.deliver(user_id, next) // An adapter that writes to sockets itself would repeat it.
  }
  for (const client of [here, there]) {
    for (let seq = 1; seq <= 20; seq++) expect((await client.next('change')).seq).toBe(seq)
    expect(client.eventNames().filter((name) => name !== 'delta')).toEqual([
      'sync',
      ...Array<string>(20).fill('change'),
    ])
  }
})

test('GATE-3 a gap is filled from the log if Redis has lost a change', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const there = await b.join('conversations', cookie)
  cluster.log.append(user_id) // Nobody publishes it.
  const second = cluster.log.append(user_id)
  await eventually(() => {
    a.gateway.deliver(user_id, second)
    return there.eventNames().length > 1
  })
  expect(await there.next('sync')).toMatchObject({ from: 0, to: 2 })
})

test('a change published before the subscription is found by a comparison of heads afterwards', async () => {
  await using cluster = await startScriptedCluster(2)
  const [, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  b.wire.pause('down') // Subscriptions are not confirmed.
  const there = await b.join('conversations', cookie)
  const missed = cluster.log.append(user_id)
  b.wire.resume('down')
  expect((await there.next('sync')).changes).toEqual([missed])
})

test('nodes without devices of the user get no messages about the user', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const [stranger, mine] = [cluster.sessions.signIn(), await a.join('conversations', cookie)]
  await b.join('conversations', stranger.cookie)
  const channels = async () => {
    const found = (await a.link.commands.call('PUBSUB', 'SHARDCHANNELS', '*user:*')) as string[]
    return found.sort()
  }
  const channelOf = (user: string) => `lockstep:one:sealed#/conversations#user:${user}#`
  await eventually(async () =>
    expect(await channels()).toEqual([channelOf(user_id), channelOf(stranger.user_id)].sort()),
  )
  mine.socket.disconnect()
  await eventually(async () => expect(await channels()).toEqual([channelOf(stranger.user_id)]))
})

test('a Redis that hangs or dies does not delay the devices of the node itself', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('conversations', cookie)
  cluster.redis.freeze()
  for (let i = 0; i < 5; i++) a.gateway.deliver(user_id, cluster.log.append(user_id))
  for (let seq = 1; seq <= 5; seq++) expect((await here.next('change')).seq).toBe(seq)
  cluster.redis.thaw()
  await cluster.redis.kill()
  a.gateway.deliver(user_id, cluster.log.append(user_id))
  expect((await here.next('change')).seq).toBe(6)
  const late = await a.join('conversations', cookie, { since: { epoch: EPOCH, seq: 2 } })
  expect(late.eventNames()).toEqual(['sync'])
  await cluster.redis.restart()
})

test('deltas reach devices on all nodes', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const there = await b.join('conversations', cookie)
  await untilSubscribed(a, there, user_id)
  expect(await there.next('delta')).toEqual(delta)
})

test('GATE-6 a revocation closes sockets on every node, and on the node itself even without Redis', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, session_id, user_id } = cluster.sessions.signIn()
  const other = cluster.sessions.signIn(user_id)
  const [here, there] = [await a.join('conversations', cookie), await b.join('account', cookie)]
  const stays = await b.join('account', other.cookie)
  a.gateway.disconnectSessions([session_id])
  await here.next('disconnect')
  await there.next('disconnect')
  expect(stays.socket.connected).toBe(true)
  cluster.redis.freeze()
  b.gateway.disconnectSessions([other.session_id])
  await stays.next('disconnect')
  cluster.redis.thaw()
})

test('P1 devices of a closed account are told on every node, and then disconnected', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const clients = [await a.join('account', cookie), await b.join('account', cookie)]
  const closed = cluster.log.append(user_id, {
    topic: 'account',
    op: 'closed',
    entity_id: user_id,
    data: {},
  })
  await eventually(() => {
    a.gateway.deliver(user_id, closed) // Repeated until the nodes have subscribed.
    return clients.every((client) => client.eventNames().includes('disconnect'))
  })
  for (const client of clients) {
    const names = client.eventNames().filter((name) => name !== 'presence')
    expect(names).toEqual(['sync', expect.stringMatching(/change|sync/), 'disconnect'])
  }
})

test('all nodes are asked which sessions are online', async () => {
  await using cluster = await startScriptedCluster(3)
  const { nodes, sessions } = cluster
  const first = sessions.signIn()
  const second = sessions.signIn(first.user_id)
  await nodes[0].join('conversations', first.cookie)
  await nodes[1].join('agents', second.cookie)
  for (const { gateway } of nodes)
    expect(await gateway.onlineSessions(first.user_id)).toEqual(
      new Set([first.session_id, second.session_id]),
    )
  await cluster.redis.kill()
  await eventually(() => !nodes[0].link.isConnected())
  expect(await nodes[0].gateway.onlineSessions(first.user_id)).toEqual(new Set([first.session_id]))
})

test('P3 deployments that share a Redis receive nothing from each other, even if their users have the same ids', async () => {
  await using cluster = await startScriptedCluster(
    3,
    {},
    (index) => ['production', 'staging', 'staging'][index]!,
  )
  const [production, staging, sibling] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
  const { cookie, user_id, session_id } = cluster.sessions.signIn()
  const here = await production.join('conversations', cookie)
  const there = await staging.join('conversations', cookie)
  const account = await staging.join('account', cookie)
  await untilSubscribed(sibling, there, user_id)
  const strange = cluster.log.append(user_id)
  production.gateway.deliver(user_id, strange)
  production.gateway.delta(user_id, 'conversations', { ...delta, text: 'a stranger says so' })
  await production.join('account', cookie)
  production.link.broadcast('feed', { strange })
  production.gateway.disconnectSessions([session_id])
  await here.next('disconnect')
  // Everything published before it has arrived by then.
  sibling.gateway.deliver(user_id, cluster.log.append(user_id))
  expect(await there.next('sync')).toMatchObject({ from: 0, to: 2 })
  const texts = there.seen.flatMap(({ event, payload }) =>
    event === 'delta' ? (payload as { text: string }).text : [],
  )
  expect(new Set(texts)).toEqual(new Set([delta.text]))
  expect(account.eventNames()).toEqual(['sync'])
  expect(production.link.aliveNodes()).toEqual(new Set([production.link.node]))
  expect(staging.link.aliveNodes()).toEqual(new Set([staging.link.node, sibling.link.node]))
})
