// The link of a node to the other nodes of its deployment, through one Redis. Each node publishes a
// heartbeat and must receive it itself. Only this echo proves that publishing, Redis and
// subscribing all work, whether Redis refuses connections, leaves them half-open, hangs or is
// flooded. The heartbeats of the other nodes tell which nodes are alive.
import type { Redis } from 'ioredis'
import * as z from 'zod'
import type { Logger } from '../observability/logger.ts'
import type { connectRedis } from './connections.ts'
import type { DeploymentMessages } from './deployment-messages.ts'
import { createPublisher, type Publisher } from './publisher.ts'
import { createSubscriptions, type Subscriptions } from './subscriptions.ts'

export interface ClusterLinkTimings {
  /** Interval between two heartbeats. */
  heartbeatMs: number
  /** After this time without an echo, the node counts as disconnected from Redis. */
  echoTimeoutMs: number
  /** After this time without an echo, the connections are replaced. */
  reconnectMs: number
  /** After this time without a heartbeat, another node counts as gone. */
  nodeTimeoutMs: number
}
export const clusterLinkTimings: ClusterLinkTimings = {
  heartbeatMs: 1_000,
  echoTimeoutMs: 3_000,
  reconnectMs: 5_000,
  nodeTimeoutMs: 10_000,
}

export interface ClusterLink {
  /** Host and port of Redis. */
  readonly address: string
  /** The id of this node. */
  readonly node: string
  readonly publisher: Publisher
  readonly subscriptions: Subscriptions
  /** The connection for commands. */
  readonly commands: Redis
  /** The connection for subscriptions. */
  readonly subscriber: Redis
  /** True while this node receives its own heartbeats. */
  isConnected(): boolean
  /** The ids of the nodes that are alive, including this one. */
  aliveNodes(): ReadonlySet<string>
  /** Sends a message to all nodes, including this one. It is lost while Redis is away. */
  broadcast(channel: string, message: object): void
  onBroadcast(channel: string, handler: (message: unknown) => void): void
  /** Calls back when messages may have been missed and are received again from now on. */
  onRecovered(callback: () => void): void
  /** Calls back when a node has left `aliveNodes`. */
  onNodeGone(callback: () => void): void
  stop(): void
}

/** What a node publishes about itself. */
const Heartbeat = z.object({
  node: z.string(),
  /** Counts the heartbeats of the node from 1. */
  n: z.int(),
  /** The node is about to stop. */
  gone: z.literal(true).optional(),
})
type Heartbeat = z.infer<typeof Heartbeat>

export interface ClusterLinkDeps {
  url: string
  messages: DeploymentMessages
  /** An id for this node that no other node has. */
  node: string
  logger: Logger
  timings: ClusterLinkTimings
  connect: typeof connectRedis
}

/**
 * Connects to Redis. Resolves when the first echo has arrived, or after `echoTimeoutMs` without
 * one: the node then works alone until Redis can be reached.
 */
export async function startClusterLink(deps: ClusterLinkDeps): Promise<ClusterLink> {
  const { url, messages, node, timings } = deps
  const { channelPrefix } = messages
  const address = addressOf(url)
  const logger = deps.logger.child({ redis: address })
  const { commands, subscriber, reconnect, stop } = deps.connect(url, logger)
  const publisher = createPublisher(commands, messages)
  const subscriptions = createSubscriptions(subscriber, logger)
  const handlers = new Map<string, (message: unknown) => void>()
  const recoveredCallbacks: (() => void)[] = []
  const nodeGoneCallbacks: (() => void)[] = []
  const firstEcho = Promise.withResolvers<void>()
  const echo = watchEcho(timings)
  /** The other nodes, and when each was heard last. */
  const otherNodes = new Map<string, number>()
  let sent = 0

  const isConnected = () => echo.isFresh()
  const callAll = (callbacks: readonly (() => void)[]) =>
    callbacks.forEach((callback) => callback())
  const broadcast = (channel: string, message: object) => {
    publisher
      .publish(`${channelPrefix}:${channel}`, JSON.stringify(message))
      .catch((error: unknown) => logger.debug({ err: error, channel }, 'a message was not sent'))
  }
  const onBroadcast = (channel: string, handler: (message: unknown) => void) => {
    handlers.set(`${channelPrefix}:${channel}`, handler)
    void subscriptions.add('plain', `${channelPrefix}:${channel}`)
  }

  subscriber.on('messageBuffer', (channelName: Buffer, sealed: Buffer) => {
    const channel = String(channelName)
    const message = messages.open(channel, sealed)
    if (!message) return
    try {
      handlers.get(channel)?.(JSON.parse(String(message)))
    } catch (error) {
      messages.countMalformed()
      logger.warn({ err: error, channel }, 'a message from another node could not be read')
    }
  })
  onBroadcast('nodes', (message) => {
    const heartbeat = Heartbeat.parse(message)
    if (heartbeat.node !== node) {
      if (heartbeat.gone) forget(heartbeat.node)
      else otherNodes.set(heartbeat.node, performance.now())
    } else if (echo.received(heartbeat.n)) {
      firstEcho.resolve()
      logger.info('Redis can be reached')
      // No other node could be heard until now, so the time without its heartbeats starts now.
      for (const other of otherNodes.keys()) otherNodes.set(other, performance.now())
      callAll(recoveredCallbacks)
    }
  })
  subscriptions.onRestored(() => callAll(recoveredCallbacks))

  const forget = (gone: string) => {
    if (otherNodes.delete(gone)) callAll(nodeGoneCallbacks)
  }
  const sendHeartbeat = () => {
    broadcast('nodes', { node, n: ++sent } satisfies Heartbeat)
    if (echo.wasJustLost()) logger.warn('Redis cannot be reached: this node works alone')
    if (echo.silentMs() > timings.reconnectMs && echo.mayReconnect()) reconnect()
    if (!isConnected()) return
    for (const [other, heardAt] of otherNodes)
      if (performance.now() - heardAt > timings.nodeTimeoutMs) forget(other)
  }
  // An echo needs both connections. Whichever is ready last causes the first one.
  commands.once('ready', sendHeartbeat)
  void subscriptions.add('plain', `${channelPrefix}:nodes`).then(sendHeartbeat)
  const timer = setInterval(sendHeartbeat, timings.heartbeatMs)

  const withoutEcho = setTimeout(() => firstEcho.resolve(), timings.echoTimeoutMs)
  await firstEcho.promise
  clearTimeout(withoutEcho)
  return {
    address,
    node,
    publisher,
    subscriptions,
    commands,
    subscriber,
    isConnected,
    aliveNodes: () => new Set([node, ...otherNodes.keys()]),
    broadcast,
    onBroadcast,
    onRecovered: (callback) => void recoveredCallbacks.push(callback),
    onNodeGone: (callback) => void nodeGoneCallbacks.push(callback),
    stop() {
      clearInterval(timer)
      broadcast('nodes', { node, n: ++sent, gone: true } satisfies Heartbeat)
      setImmediate(stop)
    },
  }
}

/** Judges the connection to Redis by the node's own heartbeats that come back. */
function watchEcho(timings: ClusterLinkTimings) {
  let lastAt = performance.now() - timings.echoTimeoutMs
  let lastN = 0
  let reconnectedAt = performance.now()
  let lost = true
  const silentMs = () => performance.now() - lastAt
  return {
    silentMs,
    isFresh: () => !lost && silentMs() < timings.echoTimeoutMs,
    /** Notes an echo. Returns true if messages may have been missed before it. */
    received(n: number): boolean {
      const missed = lost || silentMs() >= timings.echoTimeoutMs || n !== lastN + 1
      lost = false
      lastAt = performance.now()
      lastN = n
      return missed
    },
    /** True once per loss of the connection. */
    wasJustLost(): boolean {
      if (lost || silentMs() < timings.echoTimeoutMs) return false
      return (lost = true)
    },
    /** At most once per `reconnectMs`, so that each new connection gets the time to work. */
    mayReconnect(): boolean {
      if (performance.now() - reconnectedAt < timings.reconnectMs) return false
      reconnectedAt = performance.now()
      return true
    },
  }
}

/** Host and port, without the password. */
function addressOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url
}
