// The database of a cluster is killed and comes back. The nodes stay, report that they are not
// ready, and continue where they stopped.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withDatabase } from '../harness/database.ts'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/free-port.ts'
import { Cluster } from './cluster.ts'
import { Traffic } from './traffic.ts'

test(
  'P1 P2 P4: a database killed under load loses no acked change, and nodes are not ready until it is back',
  { timeout: 120_000 },
  async () => {
    await using stack = new AsyncDisposableStack()
    const directory = await mkdtemp(join(tmpdir(), 'lockstep-cluster-'))
    stack.defer(() => rm(directory, { recursive: true, force: true }))
    const atPort = ['--port', String(await freePort())]
    let engine = await startEmbeddedProcess(directory, atPort)
    stack.defer(() => engine.process.kill())
    const cluster = stack.use(
      await Cluster.start(3, { databaseUrl: withDatabase(engine.url, 'lockstep') }),
    )
    const traffic = stack.use(await Traffic.start(cluster))
    const readiness = () =>
      Promise.all(cluster.nodes.map(async ({ url }) => (await fetch(`${url}/readyz`)).status))

    traffic.startWriting()
    await traffic.untilAcked()
    await engine.process.kill()
    await eventually(async () => expect(await readiness()).toEqual([503, 503, 503]), {
      within: 20_000,
    })
    expect(traffic.devices.map(({ follower }) => follower.device.connected)).toEqual([
      true,
      true,
      true,
    ])
    engine = await startEmbeddedProcess(directory, atPort)
    await eventually(async () => expect(await readiness()).toEqual([200, 200, 200]), {
      within: 30_000,
    })
    await traffic.untilAcked()
    // Once more, so shortly that no node may notice.
    await engine.process.kill()
    engine = await startEmbeddedProcess(directory, atPort)
    await traffic.untilAcked(10, 30_000)
    await cluster.untilHealthy()
    await traffic.stopAndVerify()
    expect(traffic.devices.flatMap(({ away }) => away)).toEqual([])
  },
)
