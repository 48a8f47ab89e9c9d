// Redis dies, forgets, freezes, hangs up and chokes: service goes on, nothing is lost or doubled, and the figures say what is so.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Redis } from 'ioredis'
import { eventually } from '../harness/eventually.ts'
import { freshDatabase } from '../harness/database.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { freePort } from '../harness/redis.ts'
import { Wire } from '../harness/wire.ts'
import { Cluster, readMetric, sum } from './cluster.ts'
import { Traffic } from './traffic.ts'

const TIMEOUT = { timeout: 90_000 }

let cluster: Cluster
/** Each node's way to Redis. */
const wires: Wire[] = []
beforeAll(async () => {
  const env = async (index: number, { port }: { port: number }) => {
    const wire = (wires[index] ??= await Wire.to({ port }))
    return { REDIS_URL: `redis://${wire.address}` }
  }
  cluster = await Cluster.start(3, { env })
}, 120_000)
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await Promise.all(wires.map((wire) => wire[Symbol.asyncDispose]()))
})
afterEach(() => cluster.untilHealthy())

const each = (value: number) => cluster.nodes.map(() => value)
const readiness = () =>
  Promise.all(cluster.nodes.map(async ({ url }) => (await fetch(`${url}/readyz`)).status))

/** Every node says that it works alone, and is ready all the same. */
const alone = () =>
  eventually(
    async () => {
      expect(await cluster.metricOfEach('lockstep_redis_heard')).toEqual(each(0))
      expect(await cluster.metricOfEach('lockstep_feed_leases_held')).toEqual(each(0))
      expect(await cluster.metricOfEach('lockstep_feed_tails')).toEqual(each(1))
      expect(await cluster.metricOfEach('lockstep_feed_ready')).toEqual(each(1))
      expect(await readiness()).toEqual(each(200))
      return true
    },
    { within: 20_000, what: 'each node tails for itself' },
  )

test(
  'FEED-5: killed, it is done without; started again empty, it is used again',
  TIMEOUT,
  async () => {
    await using traffic = await Traffic.start(cluster)
    traffic.startWriting()
    await traffic.untilAcked()
    await cluster.redis.kill()
    await traffic.untilAcked()
    await alone()
    await traffic.untilAcked()
    await cluster.redis.restart()
    await traffic.untilAcked()
    await cluster.untilHealthy()
    await traffic.stopAndVerify()
  },
)

test('restarted empty in a moment, it takes nothing away', TIMEOUT, async () => {
  await using traffic = await Traffic.start(cluster)
  traffic.startWriting()
  for (let round = 0; round < 3; round++) {
    await traffic.untilAcked()
    await cluster.redis.restart()
  }
  await cluster.untilHealthy()
  await traffic.stopAndVerify()
})

test('frozen, with every connection open, it holds up nobody', TIMEOUT, async () => {
  await using traffic = await Traffic.start(cluster)
  traffic.startWriting()
  await traffic.untilAcked()
  cluster.redis.freeze()
  try {
    await alone()
    await traffic.untilAcked()
  } finally {
    cluster.redis.thaw()
  }
  await cluster.untilHealthy()
  await traffic.stopAndVerify()
})

test('one that hangs up on everybody again and again loses nothing', TIMEOUT, async () => {
  const admin = new Redis(cluster.redis.url)
  await using traffic = await Traffic.start(cluster)
  traffic.startWriting()
  try {
    for (let round = 0; round < 20; round++) {
      await traffic.untilAcked(3)
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    }
  } finally {
    admin.disconnect()
  }
  await cluster.untilHealthy()
  await traffic.stopAndVerify()
})

test(
  'FEED-5: one that is slow delays, up to where it is done without, and doubles nothing',
  TIMEOUT,
  async () => {
    await using traffic = await Traffic.start(cluster)
    traffic.startWriting()
    try {
      for (const wire of wires) wire.delay(500)
      await traffic.untilAcked(20)
      await traffic.untilDelivered()
      // there and back it takes longer than a command may: nobody can hold the lease
      for (const wire of wires) wire.delay(1_200)
      const unheld = async () =>
        expect(await cluster.metricOfEach('lockstep_feed_leases_held')).toEqual(each(0))
      await eventually(unheld, { within: 15_000, what: 'the lease is lost' })
      // and longer than an echo may
      for (const wire of wires) wire.delay(1_800)
      await traffic.untilAcked(20)
    } finally {
      for (const wire of wires) wire.delay(0)
    }
    await cluster.untilHealthy()
    await traffic.stopAndVerify()
  },
)

test(
  'one that takes nothing more: what it doesn’t take in time is dropped, counted, and found in the log',
  TIMEOUT,
  async () => {
    const holder = await cluster.holder()
    const lost = sum(await cluster.metricOfEach('lockstep_redis_lost_total'))
    await using traffic = await Traffic.start(cluster)
    cluster.redis.freeze()
    try {
      const padding = 'x'.repeat(200_000)
      const [writer] = cluster.others(holder)
      await Promise.all(
        Array.from({ length: 6 }, (_, n) => traffic.writeOnce(writer!, `${n} ${padding}`)),
      )
      const dropped = async () =>
        sum(await cluster.metricOfEach('lockstep_redis_lost_total')) > lost
      await eventually(dropped, {
        within: 15_000,
        what: 'what Redis does not take is dropped and counted',
      })
    } finally {
      cluster.redis.thaw()
    }
    await cluster.untilHealthy()
    await traffic.stopAndVerify(40_000)
  },
)

describe('one change at the worst moment, with none behind it that would show the gap, arrives all the same', () => {
  const rounds = 3
  const worst = async (
    fault: () => Promise<unknown>,
    mend: () => Promise<unknown> = () => Promise.resolve(),
  ) => {
    await using traffic = await Traffic.start(cluster)
    for (let round = 0; round < rounds; round++) {
      await traffic.writeDuringFault(cluster.nodes[round % 3]!, `round ${round}`, fault)
      await mend()
      await cluster.untilHealthy()
    }
    await traffic.stopAndVerify()
  }

  test('GATE-3: subscribers are hung up on', TIMEOUT, async () => {
    const admin = new Redis(cluster.redis.url)
    try {
      await worst(() => admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
    } finally {
      admin.disconnect()
    }
  })

  test('GATE-3: Redis is restarted empty', TIMEOUT, () => worst(() => cluster.redis.restart()))

  test('GATE-3: Redis is gone and stays away', TIMEOUT, () =>
    worst(
      () => cluster.redis.kill(),
      () => cluster.redis.restart(),
    ),
  )
})

test(
  'FEED-5: a node that starts while Redis cannot be reached serves all the same',
  TIMEOUT,
  async () => {
    const nowhere = `redis://127.0.0.1:${await freePort()}`
    await using node = await spawnNode(
      { url: cluster.databaseUrl },
      { LOG_LEVEL: 'silent', REDIS_URL: nowhere },
    )
    expect((await fetch(`${node.url}/readyz`)).status).toBe(200)
    expect(await readMetric(node, 'lockstep_redis_heard')).toBe(0)
    const person = await signUp(cluster.balancer)
    await using device = await person.at(node).device('preferences')
    await person.ask('putPreferences', { body: { theme: 'dark' } })
    await device.until('change', ({ op }) => op === 'updated')
  },
)

test(
  'another deployment on the same Redis has feed and neighbours of its own',
  TIMEOUT,
  async () => {
    await using database = freshDatabase()
    await using stranger = await startNode(database, { redisUrl: cluster.redis.url })
    const holds = async () =>
      expect(await readMetric(stranger, 'lockstep_feed_leases_held')).toBe(1)
    await eventually(holds, { within: 10_000, what: 'it tails its own database' })
    expect(await readMetric(stranger, 'lockstep_nodes')).toBe(1)
    await cluster.untilHealthy()
  },
)
