// The feed of a node: it sees to it that each committed change reaches the node's devices, by a tail of its own or, with Redis, by the
// tail of the node that holds the lease.
import { Gauge } from 'prom-client'
import type { Link } from '../redis/link.ts'
import { readGeneration, readResumeToken } from '../store/feed.ts'
import type { LeasedRangeTimings } from './leased-range.ts'
import { startLeasedFeed } from './leased-feed.ts'
import { retrying } from './retrying.ts'
import type { Tail } from './tail.ts'
import { rangesOf, tailStarter, type TailOptions } from './tails.ts'

export interface FeedOptions extends TailOptions {
  /** To the other nodes; absent: there are none. */
  link?: Link
  chargeTimings?: LeasedRangeTimings
}

export interface Feed {
  /** Resolves when the node hears of changes for the first time. */
  ready: Promise<void>
  /** Does the node hear of changes now? */
  healthy(): boolean
  stop(): Promise<void>
}

/** The feed that the settings ask for: alone, or under leases. */
export function startFeed(options: FeedOptions): Feed {
  const { link } = options
  const feed = link ? startLeasedFeed({ ...options, link }) : startLoneFeed(options)
  new Gauge({
    name: 'lockstep_feed_ready',
    help: '1 while this node hears of changes',
    registers: [options.metrics],
    collect() {
      this.set(feed.healthy() ? 1 : 0)
    },
  })
  return feed
}

/** One tail over everything. */
function startLoneFeed(options: FeedOptions): Feed {
  const { database, logger } = options
  const start = tailStarter(options)
  const [range] = rangesOf(1) as [ReturnType<typeof rangesOf>[number]]
  const ready = Promise.withResolvers<void>()
  const stopping = new AbortController()
  let tail: Tail | undefined

  const starting = retrying('read where the feed stands', logger, stopping.signal, async () => {
    const [token, generation] = [
      await readResumeToken(database, range.name),
      await readGeneration(database, range.name),
    ]
    const mandate = {
      everywhere: () => true,
      generation: () => generation,
      published: () => Promise.resolve(),
    }
    if (stopping.signal.aborted) return
    tail = start(range, token, mandate, (now) => now && ready.resolve())
  })
  return {
    ready: ready.promise,
    healthy: () => tail?.ready() ?? false,
    async stop() {
      stopping.abort()
      await starting
      await tail?.stop()
    },
  }
}
