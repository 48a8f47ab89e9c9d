// Redis dies, loses its data, hangs, closes connections and becomes slow. The service continues,
// nothing is lost or duplicated, and the metrics tell the state.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Redis } from 'ioredis'
import { eventually } from '../harness/eventually.ts'
import { freshDatabase } from '../harness/database.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { freePort } from '../harness/free-port.ts'
import { inForm } from '../harness/long-form.ts'
import { seed } from '../harness/seed.ts'
import { Wire } from '../harness/wire.ts'
import { Cluster, readMetric, sum } from './cluster.ts'
import { Traffic } from './traffic.ts'

const TIMEOUT = { timeout: 90_000 }

let cluster: Cluster
/** Each node's connection to Redis. */
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
const isolated = {
  lockstep_redis_heard: 0,
  lockstep_feed_leases_held: 0,
  lockstep_feed_tails: 1,
  lockstep_feed_ready: 1,
}

/** Waits until every node reports that it works without Redis and is ready nevertheless. */
const untilIsolated = () =>
  eventually(
    async () => {
      expect(await cluster.metricsOfEach(Object.keys(isolated))).toEqual(
        cluster.nodes.map(() => isolated),
      )
      for (const { url } of cluster.nodes) expect((await fetch(`${url}/readyz`)).status).toBe(200)
      return true
    },
    { within: 20_000, what: 'each node tails for itself' },
  )

test(
  'FEED-5: the nodes work without a Redis that was killed, and use it again when it has restarted empty',
  TIMEOUT,
  async () => {
    await using traffic = await Traffic.start(cluster)
    traffic.startWriting()
    await traffic.untilAcked()
    await cluster.redis.kill()
    await traffic.untilAcked()
    await untilIsolated()
    await traffic.untilAcked()
    await cluster.redis.restart()
    await traffic.untilAcked()
    await cluster.untilHealthy()
    await traffic.stopAndVerify()
  },
)

test('short restarts of an empty Redis lose nothing', TIMEOUT, async () => {
  await using traffic = await Traffic.start(cluster)
  traffic.startWriting()
  for (let round = 0; round < inForm(2, 3); round++) {
    await traffic.untilAcked()
    await cluster.redis.restart()
  }
  await cluster.untilHealthy()
  await traffic.stopAndVerify()
})

test('a Redis that hangs with all connections open delays no node', TIMEOUT, async () => {
  await using traffic = await Traffic.start(cluster)
  traffic.startWriting()
  await traffic.untilAcked()
  cluster.redis.freeze()
  try {
    await untilIsolated()
    await traffic.untilAcked()
  } finally {
    cluster.redis.thaw()
  }
  await cluster.untilHealthy()
  await traffic.stopAndVerify()
})

test('a Redis that closes all connections again and again loses nothing', TIMEOUT, async () => {
  const admin = new Redis(cluster.redis.url)
  await using traffic = await Traffic.start(cluster)
  traffic.startWriting()
  try {
    for (let round = 0; round < inForm(8, 20); round++) {
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
  'FEED-5: a slow Redis delays changes until the nodes work without it, and duplicates nothing',
  TIMEOUT,
  async () => {
    await using traffic = await Traffic.start(cluster)
    traffic.startWriting()
    try {
      for (const wire of wires) wire.delay(500)
      await traffic.untilAcked(20)
      await traffic.untilDelivered()
      // A round trip takes longer than a command may, so no node can hold the lease.
      for (const wire of wires) wire.delay(1_200)
      const unheld = async () =>
        expect(await cluster.metricOfEach('lockstep_feed_leases_held')).toEqual(each(0))
      await eventually(unheld, { within: 15_000, what: 'the lease is lost' })
      // A round trip takes longer than an echo may.
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
  'messages that Redis does not take in time are dropped and counted, and the changes are read from the log',
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
        what: 'messages that Redis does not take are counted as lost',
      })
    } finally {
      cluster.redis.thaw()
    }
    await cluster.untilHealthy()
    await traffic.stopAndVerify(40_000)
  },
)

describe('a single change at the worst moment, with none after it to show the gap, arrives when', () => {
  /** In `npm test`, one; the seed chooses the node that writes. */
  const rounds = inForm(1, 3)
  const verifyArrival = async (
    fault: () => Promise<unknown>,
    repair: () => Promise<unknown> = () => Promise.resolve(),
  ) => {
    await using traffic = await Traffic.start(cluster)
    for (let round = 0; round < rounds; round++) {
      await traffic.writeDuringFault(cluster.nodes[(seed + round) % 3]!, `round ${round}`, fault)
      await repair()
      await cluster.untilHealthy()
    }
    await traffic.stopAndVerify()
  }

  test('GATE-3: Redis closes the connections of subscribers', TIMEOUT, async () => {
    const admin = new Redis(cluster.redis.url)
    try {
      await verifyArrival(() => admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
    } finally {
      admin.disconnect()
    }
  })

  test('GATE-3: Redis is restarted empty', TIMEOUT, () =>
    verifyArrival(() => cluster.redis.restart()),
  )

  test('GATE-3: Redis is killed and stays away', TIMEOUT, () =>
    verifyArrival(
      () => cluster.redis.kill(),
      () => cluster.redis.restart(),
    ),
  )
})

test(
  'FEED-5: a node that starts while Redis cannot be reached serves nevertheless',
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
  'another deployment on the same Redis has its own feed and knows only its own nodes',
  TIMEOUT,
  async () => {
    await using database = freshDatabase()
    await using stranger = await startNode(database, { redisUrls: [cluster.redis.url] })
    const holds = async () =>
      expect(await readMetric(stranger, 'lockstep_feed_leases_held')).toBe(1)
    await eventually(holds, { within: 10_000, what: 'it tails its own database' })
    expect(await readMetric(stranger, 'lockstep_nodes')).toBe(1)
    await cluster.untilHealthy()
  },
)
