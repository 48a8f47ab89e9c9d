// The feed of a node brings every committed change to the node's devices: through a tail of its
// own, or, in a cluster, through the tail of the node that holds the lease.
import { Gauge } from 'prom-client'
import { retryUntilDone } from '../concurrency/retry.ts'
import type { ClusterLinks } from '../redis/cluster-links.ts'
import { readGeneration, readResumeToken } from '../store/feed.ts'
import { startLeasedFeed } from './leased-feed.ts'
import type { LeasedRangeTimings } from './leased-range.ts'
import { allBuckets, createTailStarter, type TailStarterDeps } from './tail-starter.ts'
import type { Tail } from './tail.ts'

export interface FeedDeps extends TailStarterDeps {
  /** The links to the other nodes. Absent: this node is the only one. */
  links?: ClusterLinks
  leaseTimings?: LeasedRangeTimings
}

export interface Feed {
  /** Resolves when changes reach this node for the first time. */
  ready: Promise<void>
  /** True while changes reach this node. */
  isHealthy(): boolean
  stop(): Promise<void>
}

/** Starts a feed with leases if there are links to other nodes, otherwise one that tails alone. */
export function startFeed(deps: FeedDeps): Feed {
  const { links } = deps
  const feed: Feed = links ? startLeasedFeed({ ...deps, links }) : startSingleFeed(deps)
  new Gauge({
    name: 'lockstep_feed_ready',
    help: '1 while changes reach this node',
    registers: [deps.metrics],
    collect() {
      this.set(feed.isHealthy() ? 1 : 0)
    },
  })
  return feed
}

/** The feed of a single node: one tail over all buckets. */
function startSingleFeed(deps: FeedDeps): Feed {
  const { database, logger } = deps
  const startTail = createTailStarter(deps)
  const ready = Promise.withResolvers<void>()
  const stopping = new AbortController()
  let tail: Tail | undefined

  async function start(): Promise<void> {
    const token = await readResumeToken(database, allBuckets.name)
    const generation = await readGeneration(database, allBuckets.name)
    if (stopping.signal.aborted) return
    const role = {
      deliversToAllNodes: () => true,
      generation: () => generation,
      flushPublished: () => Promise.resolve(),
    }
    tail = startTail(allBuckets, token, role, (isReady) => {
      if (isReady) ready.resolve()
    })
  }
  const starting = retryUntilDone('read the saved resume token', start, {
    logger,
    signal: stopping.signal,
  })
  return {
    ready: ready.promise,
    isHealthy: () => tail?.isReady() ?? false,
    async stop() {
      stopping.abort()
      await starting
      await tail?.stop()
    },
  }
}
