// Several scripted nodes on one Redis. They share one scripted log and its sessions.
import { Registry } from 'prom-client'
import { newId } from '@lockstep/protocol/ids'
import type { ClusterLink, ClusterLinkTimings } from '../../realtime/redis/cluster-link.ts'
import type { ClusterLinks } from '../../realtime/redis/cluster-links.ts'
import { startTestLinks } from '../harness/cluster-links.ts'
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
  links: ClusterLinks
  /** The first of its links. */
  link: ClusterLink
  linkMetrics: Registry
  /** The node's connection to the first Redis. */
  wire: Wire
}

/** @param deploymentOf the deployment of each node by its index; by default, all have the same */
export async function startScriptedCluster(
  size: number,
  {
    linkTimings,
    redisCount = 1,
    ...options
  }: ScriptedNodeOptions & {
    linkTimings?: Partial<ClusterLinkTimings>
    /** How many Redis the nodes have. */
    redisCount?: number
  } = {},
  deploymentOf = (_index: number) => 'one',
) {
  // If a start fails, the stack stops what has been started.
  await using started = new AsyncDisposableStack()
  const redises: TestRedis[] = []
  while (redises.length < redisCount) redises.push(started.use(await TestRedis.start()))
  const shared = { log: new ScriptedLog(), sessions: new ScriptedSessions() }
  const nodes: ClusterNode[] = []
  for (let i = 0; i < size; i++) {
    const wires: Wire[] = []
    for (const { port } of redises) wires.push(started.use(await Wire.to({ port })))
    const linkMetrics = new Registry()
    const links = await startTestLinks(urlsOf(wires), {
      deployment: deploymentOf(i),
      metrics: linkMetrics,
      timings: { ...timings, ...linkTimings },
    })
    started.defer(() => links.stop())
    const node = started.use(await startScriptedNode({ ...shared, ...options, also: { links } }))
    nodes.push({ ...node, links, link: links.all[0]!, linkMetrics, wire: wires[0]! })
  }
  const all = started.move()
  return {
    ...shared,
    redises,
    /** The first of them. */
    redis: redises[0]!,
    nodes: nodes as [ClusterNode, ClusterNode, ...ClusterNode[]],
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

const urlsOf = (wires: readonly Wire[]) => wires.map(({ address }) => `redis://${address}`)

export const delta = { entity_id: newId(), run_id: newId(), offset: 0, text: 'so' }

/** Waits until messages of this node about the user reach the client on another node. */
export const untilSubscribed = (from: ClusterNode, client: SocketClient, user_id: string) =>
  eventually(() => {
    from.gateway.delta(user_id, 'conversations', delta)
    return client.eventNames().includes('delta')
  })
