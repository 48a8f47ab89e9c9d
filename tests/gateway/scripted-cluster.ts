// Several scripted nodes on one Redis. They share one scripted log and its sessions.
import { Registry } from 'prom-client'
import { newId } from '@lockstep/protocol/ids'
import { createLogger } from '../../realtime/observability/logger.ts'
import {
  startClusterLink,
  type ClusterLink,
  type ClusterLinkTimings,
} from '../../realtime/redis/cluster-link.ts'
import { eventually } from '../harness/eventually.ts'
import { TestRedis } from '../harness/redis.ts'
import { Wire } from '../harness/wire.ts'
import {
  ScriptedSessions,
  startScriptedNode,
  type ScriptedNode,
  type ScriptedNodeOptions,
  type SocketClient,
} from './scripted-node.ts'
import { ScriptedLog } from './scripted-log.ts'

const timings: ClusterLinkTimings = {
  heartbeatMs: 50,
  echoTimeoutMs: 300,
  reconnectMs: 1_000,
  nodeTimeoutMs: 1_500,
}

export interface ClusterNode extends ScriptedNode {
  link: ClusterLink
  linkMetrics: Registry
  /** The node's connection to Redis. */
  wire: Wire
}

/** @param deploymentOf the deployment of each node by its index; by default, all have the same */
export async function startScriptedCluster(
  size: number,
  {
    linkTimings,
    ...options
  }: ScriptedNodeOptions & { linkTimings?: Partial<ClusterLinkTimings> } = {},
  deploymentOf = (_index: number) => 'one',
) {
  // If a start fails, the stack stops what has been started.
  await using started = new AsyncDisposableStack()
  const redis = started.use(await TestRedis.start())
  const shared = { log: new ScriptedLog(), sessions: new ScriptedSessions() }
  const nodes: ClusterNode[] = []
  for (let i = 0; i < size; i++) {
    const wire = started.use(await Wire.to({ port: redis.port }))
    const linkMetrics = new Registry()
    const link = await startClusterLink({
      url: `redis://${wire.address}`,
      deployment: deploymentOf(i),
      messageKey: 'known to the nodes',
      node: newId(),
      logger: createLogger('silent'),
      metrics: linkMetrics,
      timings: { ...timings, ...linkTimings },
    })
    started.defer(() => link.stop())
    const node = started.use(await startScriptedNode({ ...shared, ...options, also: { link } }))
    nodes.push({ ...node, link, linkMetrics, wire })
  }
  const all = started.move()
  return {
    ...shared,
    redis,
    nodes: nodes as [ClusterNode, ClusterNode, ...ClusterNode[]],
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

export const delta = { entity_id: newId(), run_id: newId(), offset: 0, text: 'so' }

/** Waits until messages of this node about the user reach the client on another node. */
export const untilSubscribed = (from: ClusterNode, client: SocketClient, user_id: string) =>
  eventually(() => {
    from.gateway.delta(user_id, 'conversations', delta)
    return client.eventNames().includes('delta')
  })
