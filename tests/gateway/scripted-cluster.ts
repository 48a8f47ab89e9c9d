// Several gateways on one Redis, with the same scripted log and sessions.
import { Registry } from 'prom-client'
import { newId } from '@lockstep/protocol/ids'
import { createLogger } from '../../realtime/observability/logger.ts'
import { startClusterLink, type ClusterLinkTimings } from '../../realtime/redis/cluster-link.ts'
import { TestRedis } from '../harness/redis.ts'
import { Wire } from '../harness/wire.ts'
import {
  ScriptedSessions,
  startScriptedNode,
  type ScriptedNode,
  type ScriptedNodeOptions,
} from './scripted-node.ts'
import { ScriptedLog } from './scripted-log.ts'

const timings: ClusterLinkTimings = {
  heartbeatMs: 50,
  echoTimeoutMs: 300,
  reconnectMs: 1_000,
  nodeTimeoutMs: 1_500,
}

export interface Node {
  house: ScriptedNode
  link: Awaited<ReturnType<typeof startClusterLink>>
  /** The node's way to Redis. */
  wire: Wire
}

/** @param deploymentOf which nodes belong together, by index; all do unless told */
export async function startScriptedCluster(
  size: number,
  options: ScriptedNodeOptions = {},
  deploymentOf = (_index: number) => 'one',
) {
  await using started = new AsyncDisposableStack() // ends what has been started when the rest fails
  const redis = started.use(await TestRedis.start())
  const shared = { log: new ScriptedLog(), sessions: new ScriptedSessions() }
  const nodes: Node[] = []
  for (let i = 0; i < size; i++) {
    const wire = started.use(await Wire.to({ port: redis.port }))
    const link = await startClusterLink({
      url: `redis://${wire.address}`,
      deployment: deploymentOf(i),
      node: newId(),
      logger: createLogger('silent'),
      metrics: new Registry(),
      timings,
    })
    started.defer(() => link.stop())
    nodes.push({
      house: started.use(await startScriptedNode({ ...shared, ...options, also: { link } })),
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
