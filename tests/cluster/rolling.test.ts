// A rolling restart under load: one node after the other is stopped and started at the same
// address.
import { expect, test } from 'vitest'
import { Cluster } from './cluster.ts'
import { Traffic } from './traffic.ts'

test(
  'P1: a rolling restart loses no acked change, every request succeeds in the end, and every device moves within 5 s',
  { timeout: 120_000 },
  async () => {
    await using cluster = await Cluster.start(3)
    await using traffic = await Traffic.start(cluster)
    await traffic.openTabs(3)
    traffic.startWriting()
    await traffic.untilAcked()
    for (const node of [...cluster.nodes]) {
      const stopping = performance.now()
      await node.stop()
      expect(await node.process.exited).toEqual({ code: 0, signal: null })
      for (const tab of traffic.tabs) {
        await tab.live()
        expect(tab.liveAt - stopping).toBeLessThan(5_000)
      }
      await traffic.untilAcked()
      await cluster.respawn(node)
      await cluster.untilHealthy()
      await traffic.untilAcked()
    }
    await traffic.stopAndVerify()
    const away = traffic.devices.flatMap((device) => device.away)
    expect(away.length).toBeGreaterThanOrEqual(cluster.nodes.length)
    expect(Math.max(...away)).toBeLessThan(5_000)
    // Each tab has lost its node at least once.
    for (const { lostAt } of traffic.tabs) expect(lostAt).toBeGreaterThan(0)
    expect(cluster.nodes.every(({ process }) => process.alive)).toBe(true)
  },
)
