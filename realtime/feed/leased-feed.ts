// The feed of a node in a cluster. Each range of buckets has a lease, and the nodes that are alive
// share the leases fairly. A lease is kept, and its beats are sent, in the Redis of its users, so
// whoever loses a Redis tails the ranges of that one only.
import { Gauge } from 'prom-client'
import { repeatEvery } from '../concurrency/repeat.ts'
import { retryUntilDone } from '../concurrency/retry.ts'
import type { ClusterLink } from '../redis/cluster-link.ts'
import type { ClusterLinks } from '../redis/cluster-links.ts'
import { createRedisLease } from '../redis/lease.ts'
import { readGeneration, readLeaseCount, readResumeToken } from '../store/feed.ts'
import {
  HolderBeat,
  LeasedRange,
  leasedRangeTimings,
  type LeasedRangeTimings,
} from './leased-range.ts'
import {
  bucketRanges,
  createTailStarter,
  type BucketRange,
  type TailStarterDeps,
} from './tail-starter.ts'

export interface LeasedFeedDeps extends TailStarterDeps {
  links: ClusterLinks
  leaseTimings?: LeasedRangeTimings
}

export function startLeasedFeed(deps: LeasedFeedDeps) {
  const {
    database,
    links,
    logger,
    compareHeads,
    metrics,
    leaseTimings: timings = leasedRangeTimings,
  } = deps
  const startTail = createTailStarter(deps)
  const ready = Promise.withResolvers<void>()
  const stopping = new AbortController()
  const ranges = new Map<string, LeasedRange>()
  const stopRepetitions: (() => Promise<void>)[] = []

  const count = (matches: (range: LeasedRange) => boolean) =>
    [...ranges.values()].filter(matches).length
  const heldLeases = () => count((range) => range.heldGeneration() !== undefined)
  const isHealthy = () => ranges.size > 0 && count((range) => !range.isHealthy()) === 0

  function createRange(bucketRange: BucketRange, link: ClusterLink): LeasedRange {
    const { name } = bucketRange
    const key = `${links.messages.prefix}:{lease:${name}}`
    const range: LeasedRange = new LeasedRange({
      range: bucketRange,
      link,
      lease: createRedisLease(link.commands, key, link.node, timings.ttlMs),
      mayHold() {
        const fairShare = Math.ceil(ranges.size / link.aliveNodes().size)
        const others = heldLeases() - (range.heldGeneration() === undefined ? 0 : 1)
        return others < fairShare
      },
      startTail: (token, role) =>
        startTail(bucketRange, token, role, (isReady) => {
          if (isReady && isHealthy()) ready.resolve()
        }),
      readToken: () => readResumeToken(database, name),
      keptGeneration: () => readGeneration(database, name),
      compareHeads,
      logger: logger.child({ range: name }),
      timings,
    })
    return range
  }

  /**
   * The lease and the tail are checked independently: a Redis that hangs must not stop the tail.
   */
  function maintain(check: () => Promise<void>): void {
    const job = () =>
      check().finally(() => {
        if (isHealthy()) ready.resolve()
      })
    const failed = (error: unknown) =>
      logger.debug({ err: error }, 'the lease or the tail of a range could not be checked')
    stopRepetitions.push(repeatEvery(timings.checkMs, job, { failed }))
  }

  for (const link of links.all) {
    link.onBroadcast('feed', (message) => {
      const beat = HolderBeat.parse(message)
      ranges.get(beat.range)?.receiveBeat(beat)
    })
    link.onRecovered(() => void compareHeads())
  }

  async function startRanges(): Promise<void> {
    const leaseCount = await readLeaseCount(database)
    if (stopping.signal.aborted) return
    for (const [link, bucketRange] of rangesOfLinks(links.all, leaseCount))
      ranges.set(bucketRange.name, createRange(bucketRange, link))
    for (const range of ranges.values()) {
      maintain(() => range.maintainLease())
      maintain(() => range.maintainTail())
    }
  }
  const starting = retryUntilDone('read the number of leases', startRanges, {
    logger,
    signal: stopping.signal,
  })

  new Gauge({
    name: 'lockstep_feed_leases_held',
    help: 'Leases of the feed that this node holds',
    registers: [metrics],
    collect() {
      this.set(heldLeases())
    },
  })
  new Gauge({
    name: 'lockstep_feed_tails',
    help: 'Change streams that this node has open',
    registers: [metrics],
    collect() {
      this.set(count((range) => range.hasTail()))
    },
  })

  return {
    ready: ready.promise,
    isHealthy,
    async stop() {
      stopping.abort()
      await starting
      await Promise.all(stopRepetitions.map((stopRepetition) => stopRepetition()))
      await Promise.all([...ranges.values()].map((range) => range.stop()))
    },
  }
}

/** Splits the buckets into `leaseCount` ranges or more, so that each range has one link. */
export function rangesOfLinks<Link>(
  links: readonly Link[],
  leaseCount: number,
): [Link, BucketRange][] {
  const perLink = Math.ceil(leaseCount / links.length)
  const ranges = bucketRanges(perLink * links.length)
  return ranges.map((range, i) => [links[Math.floor(i / perLink)]!, range])
}
