// The feeds of several nodes on one database and one Redis. One node tails for all, and when it has
// gone, another one does.
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import { newId } from '@lockstep/protocol/ids'
import type { LeasedRangeTimings } from '../../realtime/feed/leased-range.ts'
import { startFeed, type Feed } from '../../realtime/feed/feed.ts'
import { rangesOfLinks } from '../../realtime/feed/leased-feed.ts'
import { tailTimings } from '../../realtime/feed/tail.ts'
import { BUCKETS, bucketOf, shareOf } from '../../realtime/log/buckets.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import type { ClusterLinkTimings } from '../../realtime/redis/cluster-link.ts'
import type { Database } from '../../realtime/store/database.ts'
import { startTestLinks } from '../harness/cluster-links.ts'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { TestRedis } from '../harness/redis.ts'
import { Wire } from '../harness/wire.ts'
import { insertChange, openTestDatabase } from './inserted-changes.ts'

const linkTimings: ClusterLinkTimings = {
  heartbeatMs: 50,
  echoTimeoutMs: 300,
  reconnectMs: 1_000,
  nodeTimeoutMs: 500,
}
const leaseTimings: LeasedRangeTimings = {
  checkMs: 50,
  ttlMs: 400,
  beatMs: 100,
  beatTimeoutMs: 800,
  unreadyMs: 800,
}

interface Node {
  feed: Feed
  wire: Wire
  own: string[]
  published: string[]
  comparisons(): number
  metric(name: string): Promise<number>
  stop(): Promise<void>
}

async function startNode(database: Database, redises: readonly TestRedis[]): Promise<Node> {
  const wires = await Promise.all(redises.map(({ port }) => Wire.to({ port })))
  const logger = createLogger('silent')
  const metrics = new Registry()
  const urls = wires.map(({ address }) => `redis://${address}`)
  const links = await startTestLinks(urls, { timings: linkTimings })
  const own: string[] = []
  const published: string[] = []
  let comparisons = 0
  const feed = startFeed({
    database,
    links,
    deliver: (user_id: string, change: WireChange, everywhere: boolean) => {
      own.push(`${user_id}:${change.seq}`)
      if (everywhere) published.push(`${user_id}:${change.seq}`)
    },
    compareHeads: () => Promise.resolve(void comparisons++),
    logger,
    metrics,
    tailTimings: { ...tailTimings, saveMs: 0, idleMs: 300 },
    leaseTimings: leaseTimings,
  })
  return {
    feed,
    wire: wires[0]!,
    own,
    published,
    comparisons: () => comparisons,
    metric: async (name) => (await metrics.getSingleMetric(name)!.get()).values[0]!.value,
    async stop() {
      await feed.stop()
      links.stop()
      await Promise.all(wires.map((wire) => wire[Symbol.asyncDispose]()))
    },
  }
}

async function startNodes(size: number, leases = 1, redisCount = 1) {
  // If a start fails, the stack stops what has been started.
  await using started = new AsyncDisposableStack()
  const home = started.use(freshDatabase())
  const { database } = started.use(await openTestDatabase(home.url))
  if (leases > 1) await database.feed.insertOne({ _id: 'leases', count: leases })
  const redises: TestRedis[] = []
  while (redises.length < redisCount) redises.push(started.use(await TestRedis.start()))
  const nodes: Node[] = []
  for (let i = 0; i < size; i++) {
    const node = await startNode(database, redises)
    started.defer(() => node.stop())
    nodes.push(node)
    await node.feed.ready
  }
  const all = started.move()
  const tails = async () =>
    (await Promise.all(nodes.map(({ metric }) => metric('lockstep_feed_tails')))).reduce(
      (a, b) => a + b,
    )
  const holder = () =>
    eventually(async () => {
      const held = await Promise.all(nodes.map(({ metric }) => metric('lockstep_feed_leases_held')))
      return nodes[held.findIndex((leases) => leases > 0)]
    })
  return {
    database,
    redises,
    redis: redises[0]!,
    nodes,
    tails,
    holder,
    others: (node: Node) => nodes.filter((other) => other !== node),
    /** A committed change of a user, by default a new one. */
    async change(user_id = newId()) {
      await insertChange(database, user_id, 1)
      return `${user_id}:1`
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

test('FEED-1 one node tails and publishes for all', async () => {
  await using cluster = await startNodes(3)
  const holder = await cluster.holder()
  const key = await cluster.change()
  await eventually(() => holder.published.includes(key))
  await eventually(async () => (await cluster.tails()) === 1)
  await eventually(() => cluster.nodes.every(({ feed }) => feed.isHealthy()))
  expect(cluster.others(holder).flatMap(({ own }) => own)).toEqual([])
})

test('when a holder stops, another node takes over at once and continues where it stopped', async () => {
  await using cluster = await startNodes(2)
  const holder = await cluster.holder()
  const [other] = cluster.others(holder) as [Node]
  await holder.stop()
  const key = await cluster.change()
  await eventually(() => other.published.includes(key))
  expect(await cluster.holder()).toBe(other)
})

test('when a holder disappears, another node takes over after the lease has expired and replays what was missed', async () => {
  await using cluster = await startNodes(2)
  const holder = await cluster.holder()
  const [other] = cluster.others(holder) as [Node]
  holder.wire.cut()
  const key = await cluster.change()
  await eventually(() => other.published.includes(key), { within: 5_000 })
  // Meanwhile the node that was cut off serves its own devices.
  await eventually(() => holder.own.includes(key))
  const next = await cluster.change()
  await eventually(() => holder.own.includes(next))
  expect(holder.published).not.toContain(next)
  holder.wire.restore()
  await eventually(async () => (await cluster.tails()) === 1, { within: 8_000 })
})

test('FEED-5 nodes that cannot reach Redis tail for themselves until Redis is back and one node tails for all', async () => {
  await using cluster = await startNodes(2)
  await cluster.holder()
  await cluster.redis.kill()
  await eventually(async () => (await cluster.tails()) === 2)
  // A stream that is being opened does not show earlier changes. For those, heads are compared.
  const keys: string[] = []
  await eventually(async () => {
    keys.push(await cluster.change())
    return cluster.nodes.every(({ own }) => keys.some((key) => own.includes(key)))
  })
  const before = cluster.nodes.map(({ comparisons }) => comparisons())
  await cluster.redis.restart()
  await eventually(() => cluster.nodes.every(({ comparisons }, i) => comparisons() > before[i]!), {
    within: 8_000,
  })
  await cluster.holder()
  await eventually(async () => (await cluster.tails()) === 1, { within: 8_000 })
  await eventually(() => cluster.nodes.every(({ feed }) => feed.isHealthy()))
})

test('a Redis that hangs stops no feed', async () => {
  await using cluster = await startNodes(2)
  await cluster.holder()
  const before = cluster.nodes.map(({ comparisons }) => comparisons())
  cluster.redis.freeze()
  await eventually(async () => (await cluster.tails()) === 2)
  await eventually(() => cluster.nodes.some(({ comparisons }, i) => comparisons() > before[i]!))
  const key = await cluster.change()
  for (const { own } of cluster.nodes) await eventually(() => own.includes(key))
  cluster.redis.thaw()
  await eventually(async () => (await cluster.tails()) === 1, { within: 8_000 })
})

test('a new holder makes the others compare heads', async () => {
  await using cluster = await startNodes(3)
  const holder = await cluster.holder()
  const others = cluster.others(holder)
  const before = others.map(({ comparisons }) => comparisons())
  await holder.stop()
  const next = await cluster.holder()
  const third = others.find((node) => node !== next)!
  await eventually(() => third.comparisons() > before[others.indexOf(third)]!)
})

test('several leases are shared fairly, and each bucket is tailed once', async () => {
  await using cluster = await startNodes(2, 4)
  const held = () =>
    Promise.all(cluster.nodes.map(({ metric }) => metric('lockstep_feed_leases_held')))
  await eventually(async () => expect(await held()).toEqual([2, 2]), { within: 8_000 })
  await eventually(async () => (await cluster.tails()) === 4)
  const keys = await Promise.all(Array.from({ length: 12 }, () => cluster.change()))
  const published = () =>
    cluster.nodes.flatMap((node) => node.published).filter((key) => keys.includes(key))
  await eventually(() => expect(published().sort()).toEqual([...keys].sort()))
})

/** A new user whose messages go through this one of `count` Redis. */
function userOfRedis(index: number, count: number): string {
  for (;;) {
    const user_id = newId()
    if (shareOf(user_id, count) === index) return user_id
  }
}

test('with two Redis each has a lease for its users, and the nodes that lose one tail for its users only', async () => {
  await using cluster = await startNodes(2, 1, 2)
  const heldOf = () =>
    Promise.all(cluster.nodes.map(({ metric }) => metric('lockstep_feed_leases_held')))
  // the two nodes share the two leases
  await eventually(async () => expect(await heldOf()).toEqual([1, 1]), { within: 8_000 })
  await eventually(async () => (await cluster.tails()) === 2)

  await cluster.redises[1]!.kill()
  await eventually(async () => (await cluster.tails()) === 3, { within: 8_000 })
  const deliveries = (key: string) => ({
    published: cluster.nodes.filter(({ published }) => published.includes(key)).length,
    own: cluster.nodes.filter(({ own }) => own.includes(key)).length,
  })
  const unaffected = await cluster.change(userOfRedis(0, 2))
  await eventually(() => expect(deliveries(unaffected)).toEqual({ published: 1, own: 1 }))
  // A stream that is being opened does not show earlier changes. For those, heads are compared.
  await eventually(async () => {
    const affected = await cluster.change(userOfRedis(1, 2))
    await eventually(() => deliveries(affected).own > 0, { within: 2_000 })
    expect(deliveries(affected)).toEqual({ published: 0, own: 2 })
    return true
  })
  expect(deliveries(unaffected)).toEqual({ published: 1, own: 1 })

  await cluster.redises[1]!.restart()
  await eventually(async () => expect(await heldOf()).toEqual([1, 1]), { within: 8_000 })
  await eventually(async () => {
    const again = await cluster.change(userOfRedis(1, 2))
    await eventually(() => deliveries(again).own > 0, { within: 2_000 })
    expect(deliveries(again)).toEqual({ published: 1, own: 1 })
    return true
  })
})

test('a range of buckets has the Redis of all its users, however many leases and Redis there are', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 9 }),
      fc.string({ minLength: 1 }),
      (leases, count, name) => {
        const indexes = Array.from({ length: count }, (_, i) => i)
        const ranges = rangesOfLinks(indexes, leases)
        expect(ranges.length).toBeGreaterThanOrEqual(leases)
        const bucket = bucketOf(name)
        const own = ranges.filter(
          ([, { buckets: [from, to] = [0, BUCKETS] }]) => from <= bucket && bucket < to,
        )
        expect(own.map(([link]) => link)).toEqual([shareOf(name, count)])
      },
    ),
  )
})
