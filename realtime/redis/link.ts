// The link to the other nodes. Each node publishes a beat and must hear it: only this echo proves that publishing, Redis and subscribing
// all work, be it refused, half-open, frozen or flooded. Beats also tell which nodes are alive.
import { Gauge, Counter } from 'prom-client'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { connectRedis } from './connections.ts'
import { createPublishing, type Publishing } from './publishing.ts'
import { keepSubscriptions, type Subscriptions } from './subscriptions.ts'
import type { Redis } from 'ioredis'

/** Milliseconds. */
export interface LinkTimings {
  beat: number
  /** Without an echo for so long the node can't see Redis. */
  deaf: number
  /** Without an echo for so long the connections are made anew. */
  renew: number
  /** A node that wasn't heard for so long is gone. */
  gone: number
}
const linkTimings: LinkTimings = { beat: 1_000, deaf: 3_000, renew: 5_000, gone: 10_000 }

export interface Link {
  /** Before every key and channel: deployments that share a Redis don't meet, whose database numbers don't part publishers. */
  readonly prefix: string
  /** This node's name among the others. */
  readonly node: string
  readonly publishing: Publishing
  readonly subscriptions: Subscriptions
  readonly publisher: Redis
  readonly subscriber: Redis
  /** Does what is published arrive? */
  hears(): boolean
  /** Nodes that are alive, this one included. */
  nodes(): ReadonlySet<string>
  /** To all nodes, this one included; lost when Redis is away. */
  tell(channel: string, message: object): void
  listen(channel: string, handler: (message: unknown) => void): void
  /** Something may have been missed, and from now on is not. */
  onRegained(callback: () => void): void
  /** `nodes` has lost one. */
  onNodeGone(callback: () => void): void
  stop(): void
}

interface Beat {
  node: string
  n: number
  gone?: true
}

/** Connects and resolves when the first echo was heard, or after `deaf` without: then the node works alone until it is. */
export async function startLink(options: {
  url: string
  /** Unique to the nodes that belong together. */
  deployment: string
  node: string
  logger: Logger
  metrics: Metrics
  timings?: LinkTimings
}): Promise<Link> {
  const { url, deployment, node, logger, metrics, timings = linkTimings } = options
  const { publisher, subscriber, reconnect, stop } = connectRedis(url, logger)
  const prefix = `lockstep:${deployment}`
  const publishing = createPublishing(publisher)
  const subscriptions = keepSubscriptions(subscriber, logger)
  const handlers = new Map<string, (message: unknown) => void>()
  const regained: (() => void)[] = []
  const nodeGone: (() => void)[] = []
  const firstEcho = Promise.withResolvers<void>()
  const echo = watchEcho(timings)
  const others = new Map<string, number>()
  let sent = 0

  const hears = () => echo.fresh()
  const fire = (callbacks: readonly (() => void)[]) => callbacks.forEach((callback) => callback())
  const tell = (channel: string, message: object) => {
    publishing
      .publish(`${prefix}:${channel}`, JSON.stringify(message))
      .catch((error: unknown) => logger.debug({ err: error, channel }, 'not published'))
  }
  const listen = (channel: string, handler: (message: unknown) => void) => {
    handlers.set(`${prefix}:${channel}`, handler)
    void subscriptions.add('plain', `${prefix}:${channel}`)
  }

  subscriber.on('message', (channel: string, text: string) => {
    try {
      handlers.get(channel)?.(JSON.parse(text))
    } catch (error) {
      logger.warn({ err: error, channel }, 'a message from another node could not be read')
    }
  })
  listen('nodes', (message) => {
    const beat = message as Beat
    if (beat.node !== node) {
      if (beat.gone) forget(beat.node)
      else others.set(beat.node, performance.now())
    } else if (echo.heard(beat.n)) {
      firstEcho.resolve()
      logger.info('Redis can be heard')
      // their silence counts from now: nobody could be heard before
      for (const other of others.keys()) others.set(other, performance.now())
      fire(regained)
    }
  })
  subscriptions.onRestored(() => fire(regained))

  const forget = (gone: string) => {
    if (others.delete(gone)) fire(nodeGone)
  }
  const beat = () => {
    tell('nodes', { node, n: ++sent } satisfies Beat)
    if (echo.turnedDeaf()) logger.warn('Redis can not be heard: this node works alone')
    if (echo.silentFor() > timings.renew && echo.mayRenew()) reconnect()
    if (hears())
      for (const [other, at] of others) if (performance.now() - at > timings.gone) forget(other)
  }
  // whichever is later makes the first echo
  publisher.once('ready', beat)
  void subscriptions.add('plain', `${prefix}:nodes`).then(beat)
  const timer = setInterval(beat, timings.beat)
  register(metrics, { hears, publishing, nodes: () => others.size + 1 })

  const patience = setTimeout(() => firstEcho.resolve(), timings.deaf)
  await firstEcho.promise
  clearTimeout(patience)
  return {
    prefix,
    node,
    publishing,
    subscriptions,
    publisher,
    subscriber,
    hears,
    nodes: () => new Set([node, ...others.keys()]),
    tell,
    listen,
    onRegained: (callback) => void regained.push(callback),
    onNodeGone: (callback) => void nodeGone.push(callback),
    stop() {
      clearInterval(timer)
      tell('nodes', { node, n: ++sent, gone: true } satisfies Beat)
      setImmediate(stop)
    },
  }
}

/** Judges by the own beats that come back. */
function watchEcho(timings: LinkTimings) {
  let at = performance.now() - timings.deaf
  let since = performance.now()
  let last = 0
  let deaf = true
  const silentFor = () => performance.now() - at
  return {
    fresh: () => !deaf && silentFor() < timings.deaf,
    silentFor,
    /** True when something may have been missed before it. */
    heard(n: number): boolean {
      const missed = deaf || silentFor() >= timings.deaf || n !== last + 1
      deaf = false
      at = performance.now()
      last = n
      return missed
    },
    turnedDeaf(): boolean {
      if (deaf || silentFor() < timings.deaf) return false
      return (deaf = true)
    },
    /** A new connection gets its time as well. */
    mayRenew(): boolean {
      if (performance.now() - since < timings.renew) return false
      since = performance.now()
      return true
    },
  }
}

function register(
  metrics: Metrics,
  figures: { hears(): boolean; publishing: Publishing; nodes(): number },
): void {
  const registers = [metrics]
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  gauge('lockstep_redis_heard', '1 while this node hears its own beats through Redis', () =>
    Number(figures.hears()),
  )
  gauge('lockstep_nodes', 'Nodes that this node knows to be alive', figures.nodes)
  const counter = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(value())
      },
    })
  counter('lockstep_redis_published_total', 'Messages published', () =>
    figures.publishing.published(),
  )
  counter('lockstep_redis_lost_total', 'Messages that Redis did not take in time', () =>
    figures.publishing.lost(),
  )
}
