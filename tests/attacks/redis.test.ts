// Somebody with access to Redis publishes whatever they like in the nodes' channels. Nothing of it
// is believed, and nothing ends a node.
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { createMessageSeals } from '../../realtime/redis/message-seals.ts'
import { eventually } from '../harness/eventually.ts'
import { startScriptedCluster } from '../gateway/scripted-cluster.ts'
import { EPOCH } from '../gateway/scripted-log.ts'

let cluster: Awaited<ReturnType<typeof startScriptedCluster>>
let attacker: Redis
beforeAll(async () => {
  cluster = await startScriptedCluster(2)
  attacker = new Redis(cluster.redis.url)
})
afterAll(async () => {
  attacker.disconnect()
  await cluster[Symbol.asyncDispose]()
})

const list = async (...command: [string, ...string[]]) =>
  (await attacker.call(...command)) as string[]
const refusals = async (reason: string) => {
  const { values } = await cluster.nodes[1].linkMetrics
    .getSingleMetric('lockstep_redis_refused_total')!
    .get()
  return values.find(({ labels }) => labels.reason === reason)?.value ?? 0
}

test('messages that no node has sent are dropped and counted, in every channel and form', async () => {
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const victim = await b.join('conversations', cookie)
  await b.join('account', cookie)
  await eventually(() => a.link.aliveNodes().size === 2 && b.link.aliveNodes().size === 2)
  const sharded = await eventually(async () => {
    const channels = await list('PUBSUB', 'SHARDCHANNELS', 'lockstep:*')
    return channels.some((channel) => channel.includes(user_id)) && channels
  })
  const plain = await list('PUBSUB', 'CHANNELS', 'lockstep:*')
  const change = {
    ...cluster.log.append(newId()),
    ...{ epoch: EPOCH, seq: 1, data: { title: 'forged' } },
  }
  const rooms = [`user:${user_id}`]
  const broadcast = (packet: unknown) =>
    JSON.stringify({ uid: 'x', nsp: '/conversations', type: 3, data: { packet, opts: { rooms } } })
  const seals = createMessageSeals('a key that no node has')
  const forged: (string | Buffer)[] = [
    '',
    'x',
    '{',
    '{}',
    'null',
    Buffer.from([0xc1, 0xff, 0x00]),
    broadcast({ type: 2, data: ['change', change], nsp: '/conversations' }),
    broadcast({ type: 2, data: ['nonsense'], nsp: '/conversations' }),
    JSON.stringify({ uid: 'x', nsp: '/conversations', type: 7, data: { opts: { rooms } } }),
    JSON.stringify({ node: 'x', n: 1 }),
    JSON.stringify({ node: a.link.node, n: 1, gone: true }),
    'x'.repeat(100_000),
  ]
  const before = await refusals('forged')
  for (const message of forged) {
    for (const channel of sharded) {
      await attacker.spublish(channel, message)
      await attacker.spublish(channel, seals.seal(channel, message))
    }
    for (const channel of plain) {
      await attacker.publish(channel, message)
      await attacker.publish(channel, seals.seal(channel, message))
    }
  }
  await eventually(async () => (await refusals('forged')) > before + forged.length * 4)
  // both nodes live, hear each other, and deliver what is real
  const real = cluster.log.append(user_id)
  await eventually(() => {
    a.gateway.deliver(user_id, real)
    return victim.eventNames().includes('change')
  })
  expect((await victim.next('change')).seq).toBe(1)
  expect(JSON.stringify(victim.seen)).not.toContain('forged')
  expect(b.link.aliveNodes()).toEqual(new Set([a.link.node, b.link.node]))
  expect(victim.socket.connected).toBe(true)
})

test('a real message that is repeated in another user’s channel is not believed there', async () => {
  const [a, b] = cluster.nodes
  const [alice, bob] = [cluster.sessions.signIn(), cluster.sessions.signIn()]
  const hers = await b.join('conversations', alice.cookie)
  const his = await b.join('conversations', bob.cookie)
  const tap = new Redis(cluster.redis.url)
  const channels = await list('PUBSUB', 'SHARDCHANNELS', `*${alice.user_id}*`)
  const heard: Buffer[] = []
  tap.on('smessageBuffer', (_channel: Buffer, message: Buffer) => heard.push(message))
  await tap.ssubscribe(...channels)
  const change = cluster.log.append(alice.user_id)
  await eventually(() => {
    a.gateway.deliver(alice.user_id, change)
    return heard.length > 0 && hers.eventNames().includes('change')
  })
  tap.disconnect()
  const before = await refusals('forged')
  for (const channel of await list('PUBSUB', 'SHARDCHANNELS', `*${bob.user_id}*`))
    for (const message of heard) await attacker.spublish(channel, message)
  await eventually(async () => (await refusals('forged')) > before)
  expect(his.eventNames()).toEqual(['sync'])
})

test('no message of a node, however malformed, ends another one', async () => {
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const victim = await b.join('conversations', cookie)
  const seals = createMessageSeals('known to the nodes')
  const channels = [
    ...(await list('PUBSUB', 'CHANNELS', 'lockstep:*')).map((name) => ['PUBLISH', name] as const),
    ...(await list('PUBSUB', 'SHARDCHANNELS', 'lockstep:*')).map(
      (name) => ['SPUBLISH', name] as const,
    ),
  ]
  expect(channels.length).toBeGreaterThan(3)
  const json = fc.jsonValue({ maxDepth: 2 })
  const events = ['change', 'head', 'delta', 'draft', 'presence', 'who', 'nonsense']
  const data = fc.oneof(
    fc.record({
      packet: fc.record({
        type: fc.integer({ min: 0, max: 7 }),
        nsp: fc.constantFrom('/conversations', '/account', '/', 'x'),
        data: fc.oneof(json, fc.tuple(fc.constantFrom(...events), json)),
      }),
      opts: fc.oneof(json, fc.record({ rooms: fc.oneof(json, fc.constant([`user:${user_id}`])) })),
    }),
    json,
  )
  const message = fc.oneof(
    fc.record(
      {
        ...{ uid: fc.constantFrom('x', a.link.node), nsp: fc.constant('/conversations') },
        ...{ type: fc.oneof(fc.integer({ min: 0, max: 20 }), json), data },
      },
      { requiredKeys: ['type'] },
    ),
    fc.record({ node: json, n: json, gone: json }, { requiredKeys: [] }),
    json,
  )
  const written = fc.oneof(
    message.map((value) => JSON.stringify(value)),
    fc.string(),
  )
  const unhandled: unknown[] = []
  const note = (reason: unknown) => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  try {
    for (const [how, channel] of channels)
      for (const text of fc.sample(written, 150))
        await attacker.call(how, channel, seals.seal(channel, text))
    const real = cluster.log.append(user_id)
    await eventually(() => {
      a.gateway.deliver(user_id, real)
      return victim.eventNames().includes('change')
    })
  } finally {
    process.off('unhandledRejection', note)
  }
  expect(unhandled).toEqual([])
  await eventually(() => b.link.aliveNodes().has(a.link.node) && b.link.isConnected())
  expect(victim.socket.connected).toBe(true)
})

test('a message that a node of another version sends is dropped and counted', async () => {
  const [, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const device = await b.join('conversations', cookie)
  const seals = createMessageSeals('known to the nodes')
  const rooms = [`user:${user_id}`]
  const packets = [
    { type: 2, data: ['change', { seq: 'one' }] },
    { type: 2, data: ['nonsense', {}] },
    { data: null },
  ]
  const before = await refusals('malformed')
  for (const packet of packets)
    for (const channel of await list('PUBSUB', 'SHARDCHANNELS', `*${user_id}*`)) {
      const message = {
        uid: 'x',
        nsp: '/conversations',
        type: 3,
        data: { packet, opts: { rooms } },
      }
      await attacker.spublish(channel, seals.seal(channel, JSON.stringify(message)))
    }
  await eventually(async () => (await refusals('malformed')) >= before + packets.length)
  expect(device.eventNames()).toEqual(['sync'])
})
