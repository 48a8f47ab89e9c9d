// FEED-1 as the database sees it: the number of change streams equals the number of leases, and
// never depends on users, devices or nodes.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openClient, withDatabase } from '../harness/database.ts'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { eventually } from '../harness/eventually.ts'
import { inForm } from '../harness/long-form.ts'
import { Cluster, sum } from './cluster.ts'
import { createUsers, bulkUsersEnv, inBatches } from './bulk-users.ts'
import type { FeedDocument } from '../../realtime/store/documents.ts'

/** The users of the first test. */
const USERS = inForm(300, 2_000)

/** Starts a cluster on a database on which nobody else has cursors. */
async function startClusterOf(nodes: number, leases: number) {
  await using starting = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-streams-'))
  starting.defer(() => rm(directory, { recursive: true, force: true }))
  const engine = starting.use(await startEmbeddedProcess(directory, ['--port', '0']))
  const databaseUrl = withDatabase(engine.url, 'lockstep')
  const client = await openClient(databaseUrl)
  starting.defer(() => client.close())
  await client.db().collection<FeedDocument>('feed').insertOne({ _id: 'leases', count: leases })
  const cluster = starting.use(
    await Cluster.start(nodes, { databaseUrl, leases, env: () => bulkUsersEnv }),
  )
  const stack = starting.move()
  return {
    cluster,
    databaseUrl,
    /** The number of open cursors, including those of reads that are running. */
    async cursors(): Promise<number> {
      const status = await client.db('admin').command({ serverStatus: 1 })
      return Number((status.metrics as { cursor: { open: { total: unknown } } }).cursor.open.total)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test(
  'FEED-1: hundreds of users on two nodes need one stream, as no user at all does',
  { timeout: 120_000 },
  async () => {
    await using home = await startClusterOf(2, 1)
    const { cluster, databaseUrl, cursors } = home
    await eventually(async () => expect(await cursors()).toBe(1), { within: 10_000 })
    const people = await createUsers(databaseUrl, USERS, (i) => cluster.nodes[i % 2]!.url)
    const devices = await inBatches(people.length, (i) => people[i]!.device('preferences'))
    expect(sum(await cluster.metricOfEach('lockstep_sockets'))).toBe(USERS)
    await eventually(async () => expect(await cursors()).toBe(1), { within: 10_000 })
    expect(sum(await cluster.metricOfEach('lockstep_feed_tails'))).toBe(1)

    // Each device gets its own user's change, on whichever node it was written.
    const some = Array.from({ length: 20 }, (_, i) => i * inForm(13, 97))
    for (const i of some) {
      const elsewhere = cluster.nodes[(i + 1) % 2]!
      await people[i]!.at(elsewhere).ask('putPreferences', { body: { theme: `${i}` } })
    }
    for (const i of some)
      await devices[i]!.until('change', ({ data }) => JSON.stringify(data).includes(`"${i}"`))
    expect(devices.reduce((sum, { changes }) => sum + changes.length, 0)).toBe(some.length)
    for (const device of devices) device.close()
  },
)

test('FEED-1: three leases on two nodes are three streams', { timeout: 60_000 }, async () => {
  await using home = await startClusterOf(2, 3)
  // The first node holds all three leases until it knows the second one and releases one.
  const tails = async () => (await home.cluster.metricOfEach('lockstep_feed_tails')).toSorted()
  await eventually(async () => expect(await tails()).toEqual([1, 2]), { within: 10_000 })
  await eventually(async () => expect(await home.cursors()).toBe(3), { within: 10_000 })
})
