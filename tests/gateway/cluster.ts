// Several gateways on one Redis, with the same scripted log and sessions.
import { Registry } from 'prom-client'
import { newId } from '@lockstep/protocol/ids'
import { createLogger } from '../../realtime/observability/logger.ts'
import { startLink, type LinkTimings } from '../../realtime/redis/link.ts'
import { TestRedis } from '../harness/redis.ts'
import { Wire } from '../harness/wire.ts'
import { Sessions, startHouse, type House, type HouseOptions } from './house.ts'
import { ScriptedLog } from './scripted-log.ts'

const timings: LinkTimings = { beat: 50, deaf: 300, renew: 1_000, gone: 1_500 }

export interface Node {
  house: House
  link: Awaited<ReturnType<typeof startLink>>
  /** The node's way to Redis. */
  wire: Wire
}

/** @param deploymentOf which nodes belong together, by index; all do unless told */
export async function startCluster(
  size: number,
  options: HouseOptions = {},
  deploymentOf = (_index: number) => 'one',
) {
  await using started = new AsyncDisposableStack() // ends what has been started when the rest fails
  const redis = started.use(await TestRedis.start())
  const shared = { log: new ScriptedLog(), sessions: new Sessions() }
  const nodes: Node[] = []
  for (let i = 0; i < size; i++) {
    const wire = started.use(await Wire.to({ port: redis.port }))
    const link = await startLink({
      url: `redis://${wire.address}`,
      deployment: deploymentOf(i),
      node: newId(),
      logger: createLogger('silent'),
      metrics: new Registry(),
      timings,
    })
    started.defer(() => link.stop())
    nodes.push({
      house: started.use(await startHouse({ ...shared, ...options, also: { link } })),
      link,
      wire,
    })
  }
  const all = started.move()
  return {
    ...shared,
    redis,
    nodes: nodes as [Node, Node, ...Node[]],
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}
