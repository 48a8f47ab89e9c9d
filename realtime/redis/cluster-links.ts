// The links of a node to the other nodes, one through each Redis. Users are spread over them, so a
// streamed text isn't bound to what one Redis can carry, and whoever loses a Redis works alone for
// its users only. All nodes must be given the same addresses in the same order.
import { Counter, Gauge } from 'prom-client'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import {
  clusterLinkTimings,
  startClusterLink,
  type ClusterLink,
  type ClusterLinkTimings,
} from './cluster-link.ts'
import { connectRedis } from './connections.ts'
import { createDeploymentMessages, type DeploymentMessages } from './deployment-messages.ts'

export interface ClusterLinks {
  readonly messages: DeploymentMessages
  /** The id of this node. */
  readonly node: string
  /** In the order of the addresses; at least one. */
  readonly all: readonly ClusterLink[]
  /** The link for what concerns this user, or anything else that has a name. */
  of(name: string): ClusterLink
  /** Whether this node receives its own heartbeats through any of them. */
  isConnected(): boolean
  /** The nodes that can be heard through any of the connected links, including this one. */
  aliveNodes(): ReadonlySet<string>
  stop(): void
}

export interface ClusterLinksDeps {
  /** At least one. */
  urls: readonly string[]
  /** A name that only the nodes of one deployment share. */
  deployment: string
  /** A secret that only the nodes of one deployment share. */
  messageKey: string
  /** An id for this node that no other node has. */
  node: string
  /** Which of `count` addresses a name belongs to: the same on all nodes. */
  shareOf(name: string, count: number): number
  logger: Logger
  metrics: Metrics
  timings?: ClusterLinkTimings
  /** Default: connects to the Redis at a URL. */
  connect?: typeof connectRedis
}

/** Connects to each Redis. Resolves when each has answered, or has had its time to do so. */
export async function startClusterLinks(deps: ClusterLinksDeps): Promise<ClusterLinks> {
  const { urls, node, logger, metrics } = deps
  const { timings = clusterLinkTimings, connect = connectRedis } = deps
  const messages = createDeploymentMessages(deps.deployment, deps.messageKey, metrics)
  const all = await Promise.all(
    urls.map((url) => startClusterLink({ url, messages, node, logger, timings, connect })),
  )
  const links: ClusterLinks = {
    messages,
    node,
    all,
    of: (name) => all[all.length === 1 ? 0 : deps.shareOf(name, all.length)]!,
    isConnected: () => all.some((link) => link.isConnected()),
    aliveNodes() {
      const connected = all.filter((link) => link.isConnected())
      const heard = connected.length > 0 ? connected : all
      return new Set(heard.flatMap((link) => [...link.aliveNodes()]))
    },
    stop: () => all.forEach((link) => link.stop()),
  }
  registerMetrics(metrics, links)
  return links
}

function registerMetrics(metrics: Metrics, links: ClusterLinks): void {
  const registers = [metrics]
  const labelNames = ['address'] as const
  new Gauge({
    name: 'lockstep_redis_heard',
    help: '1 while this node receives its own heartbeats through this Redis',
    labelNames,
    registers,
    collect() {
      for (const { address, isConnected } of links.all) this.set({ address }, Number(isConnected()))
    },
  })
  new Gauge({
    name: 'lockstep_nodes',
    help: 'Nodes that this node knows to be alive, including itself',
    registers,
    collect() {
      this.set(links.aliveNodes().size)
    },
  })
  const count = (name: string, help: string, valueOf: (link: ClusterLink) => number) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const link of links.all) this.inc({ address: link.address }, valueOf(link))
      },
    })
  count('lockstep_redis_published_total', 'Messages published', ({ publisher }) =>
    publisher.publishedCount(),
  )
  count('lockstep_redis_lost_total', 'Messages that this Redis did not take in time', (link) =>
    link.publisher.lostCount(),
  )
}
