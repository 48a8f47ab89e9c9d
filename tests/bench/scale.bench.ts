// How cost grows with the number of nodes: the traffic on each node's line to Redis, by its own
// users and by all users, and the number of streams that the database serves.
import { Redis } from 'ioredis'
import { test } from 'vitest'
import { Cluster, readMetric, sum } from '../cluster/cluster.ts'
import { createUsers, bulkUsersEnv, inBatches } from '../cluster/bulk-users.ts'
import { eventually } from '../harness/eventually.ts'
import type { Device } from '../harness/device.ts'
import { Wire } from '../harness/wire.ts'
import { print } from './table.ts'

const USERS_PER_NODE = 100
const CHANGES = 5
/** How long an idle line is measured (ms). */
const IDLE_MS = 4_000

interface Line {
  up: number
  down: number
}

test('Redis traffic and change streams on 1, 2 and 4 nodes', async () => {
  const rows: Record<string, string | number>[] = []
  for (const nodes of [1, 2, 4]) rows.push(await measure(nodes, 'both devices on one node'))
  for (const nodes of [2, 4]) rows.push(await measure(nodes, 'devices on two nodes'))
  print(
    `${USERS_PER_NODE} users a node, two devices each, ${CHANGES} changes a user; bytes at a node's line to Redis`,
    rows,
  )
})

async function measure(size: number, where: string) {
  await using stack = new AsyncDisposableStack()
  const wires: Wire[] = []
  const cluster = stack.use(
    await Cluster.start(size, {
      async env(index, redis) {
        wires[index] = await Wire.to({ port: redis.port })
        return { ...bulkUsersEnv, REDIS_URL: `redis://${wires[index].address}` }
      },
    }),
  )
  stack.defer(async () => {
    for (const wire of wires) await wire[Symbol.asyncDispose]()
  })
  const admin = new Redis(cluster.redis.url)
  stack.defer(() => admin.disconnect())
  const urlOf = (index: number) => cluster.nodes[index % size]!.url
  const users = USERS_PER_NODE * size
  const people = await createUsers(cluster.databaseUrl, users, urlOf)
  const devices: Device[] = await inBatches(users * 2, (i) => {
    const index = i >> 1
    const second = where === 'devices on two nodes' ? i & 1 : 0
    return people[index]!.at({ url: urlOf(index + second) }).device('preferences')
  })
  stack.defer(() => devices.forEach((device) => device.close()))

  let arrived = 0
  for (const { socket } of devices) socket.on('change', () => arrived++)

  const read = () => wires.map(({ bytes }): Line => ({ ...bytes }))
  const idle = await over(read, () => new Promise((resolve) => setTimeout(resolve, IDLE_MS)))
  await admin.config('RESETSTAT')
  const start = performance.now()
  const busy = await over(read, async () => {
    for (let change = 0; change < CHANGES; change++)
      await inBatches(users, (i) =>
        people[i]!.ask('putPreferences', { body: { theme: `${change}` } }),
      )
    const all = () => arrived === devices.length * CHANGES
    await eventually(all, { within: 60_000, what: 'every device has every change' })
  })
  const ms = performance.now() - start
  const holder = cluster.nodes.indexOf(await cluster.holder())
  const stats = await admin.info('commandstats')
  const calls = Number(/cmdstat_spublish:calls=(\d+)/.exec(stats)?.[1] ?? 0)
  const net = busy.map(({ up, down }, i) => ({
    up: up - (idle[i]!.up * ms) / IDLE_MS,
    down: down - (idle[i]!.down * ms) / IDLE_MS,
  }))
  const others = net.filter((_, i) => i !== holder)
  const changes = users * CHANGES
  const perOwn = (lines: readonly Line[], way: keyof Line) =>
    lines.length > 0
      ? (sum(lines.map((line) => line[way])) / lines.length / (USERS_PER_NODE * CHANGES)).toFixed(0)
      : '-'
  const tails = sum(
    await Promise.all(cluster.nodes.map((node) => readMetric(node, 'lockstep_feed_tails'))),
  )
  return {
    where,
    nodes: size,
    streams: tails,
    'idle B/s a node': (
      sum(idle.map(({ up, down }) => up + down)) /
      size /
      (IDLE_MS / 1000)
    ).toFixed(0),
    'publishes a change': (calls / changes).toFixed(2),
    'holder sends B a change': (net[holder]!.up / changes).toFixed(0),
    'holder hears B an own change': perOwn([net[holder]!], 'down'),
    'others hear B an own change': perOwn(others, 'down'),
    'others send B an own change': perOwn(others, 'up'),
  }
}

/** The bytes that each line carried in the meantime. */
async function over(read: () => Line[], act: () => Promise<unknown>): Promise<Line[]> {
  const before = read()
  await act()
  return read().map(({ up, down }, i) => ({ up: up - before[i]!.up, down: down - before[i]!.down }))
}
