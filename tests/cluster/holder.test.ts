// The holder of the lease dies, pauses or stops. Another node takes over, and the devices of all
// nodes get every change.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { Cluster, readMetric } from './cluster.ts'
import { Traffic } from './traffic.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start(3)
}, 60_000)
afterAll(() => cluster?.[Symbol.asyncDispose]())
afterEach(() => cluster.untilHealthy())

test(
  'P1 P2: when the holder is killed, another node takes over within 5 s and no device misses a change',
  { timeout: 90_000 },
  async () => {
    const holder = await cluster.holder()
    await using traffic = await Traffic.start(cluster)
    traffic.startWriting()
    await traffic.untilAcked()
    await holder.process.kill()
    const killed = performance.now()
    const heir = await cluster.holder()
    const ms = performance.now() - killed
    await traffic.untilAcked()
    expect(ms).toBeLessThan(5_000)
    expect(heir).not.toBe(holder)
    await traffic.stopAndVerify()
    await cluster.respawn(holder)
  },
)

test('a holder that stops releases its lease at once', { timeout: 90_000 }, async () => {
  const holder = await cluster.holder()
  await using traffic = await Traffic.start(cluster)
  traffic.startWriting()
  await traffic.untilAcked()
  await holder.stop()
  expect(await holder.process.exited).toEqual({ code: 0, signal: null })
  const released = performance.now()
  await cluster.holder()
  expect(performance.now() - released).toBeLessThan(2_000)
  await traffic.stopAndVerify()
  await cluster.respawn(holder)
})

test(
  'two nodes that believe they hold the lease do no harm: one was paused past its expiry',
  { timeout: 90_000 },
  async () => {
    const holder = await cluster.holder()
    await using traffic = await Traffic.start(cluster)
    holder.process.signal('SIGSTOP')
    // The paused node cannot be asked.
    const awake = cluster.others(holder)
    const heir = await eventually(
      async () => {
        for (const node of awake)
          if ((await readMetric(node, 'lockstep_feed_leases_held')) === 1) return node
        return undefined
      },
      { within: 8_000, what: 'another node holds the lease' },
    )
    for (let n = 0; n < 30; n++) await traffic.writeOnce(awake[n % 2]!, `while it is paused ${n}`)
    holder.process.signal('SIGCONT')
    traffic.startWriting()
    await traffic.untilAcked(30)
    await cluster.untilHealthy()
    expect(await cluster.holder()).toBe(heir)
    await traffic.stopAndVerify()
  },
)

test(
  'a single change at the death of the holder, with none after it to show the gap, arrives in time',
  { timeout: 90_000 },
  async () => {
    const holder = await cluster.holder()
    const [writer] = cluster.others(holder)
    await using traffic = await Traffic.start(cluster)
    await traffic.writeDuringFault(writer!, 'the only one', () => holder.process.kill())
    await traffic.stopAndVerify()
    await cluster.respawn(holder)
  },
)
