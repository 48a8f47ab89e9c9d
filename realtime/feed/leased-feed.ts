// The feed of a node among others: a charge per range of buckets, whose leases are shared fairly between the nodes that live.
import { setTimeout as sleep } from 'node:timers/promises'
import { Gauge } from 'prom-client'
import { createLease } from '../redis/lease.ts'
import type { Link } from '../redis/link.ts'
import { readGeneration, readLeaseCount, readResumeToken } from '../store/feed.ts'
import { LeasedRange, leasedRangeTimings, type HolderBeat } from './leased-range.ts'
import type { Feed, FeedOptions } from './feed.ts'
import { retrying } from './retrying.ts'
import { rangesOf, tailStarter, type Range } from './tails.ts'

export function startLeasedFeed(options: FeedOptions & { link: Link }): Feed {
  const {
    database,
    link,
    logger,
    compareHeads,
    metrics,
    chargeTimings: timings = leasedRangeTimings,
  } = options
  const start = tailStarter(options)
  const ready = Promise.withResolvers<void>()
  const stopping = new AbortController()
  const charges = new Map<string, LeasedRange>()
  const healthy = () =>
    charges.size > 0 && [...charges.values()].every((charge) => charge.healthy())
  const held = () => [...charges.values()].filter((charge) => charge.held() !== undefined).length

  const chargeOf = (range: Range) => {
    const log = logger.child({ range: range.name })
    const charge: LeasedRange = new LeasedRange({
      range,
      link,
      lease: createLease(
        link.publisher,
        `${link.prefix}:{lease:${range.name}}`,
        link.node,
        timings.ttl,
      ),
      mayHold() {
        const fair = Math.ceil(charges.size / link.nodes().size)
        return charge.held() === undefined ? held() < fair : held() <= fair
      },
      start: (token, mandate) =>
        start(range, token, mandate, (now) => now && healthy() && ready.resolve()),
      readToken: () => readResumeToken(database, range.name),
      keptGeneration: () => readGeneration(database, range.name),
      compareHeads,
      logger: log,
      timings,
    })
    return charge
  }

  async function repeat(job: () => Promise<void>): Promise<void> {
    while (!stopping.signal.aborted) {
      await job().catch((error: unknown) =>
        logger.debug({ err: error }, 'the feed could not be looked after'),
      )
      if (healthy()) ready.resolve()
      await sleep(timings.tick, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }

  link.listen('feed', (message) => {
    const beat = message as HolderBeat
    charges.get(beat.range)?.heard(beat)
  })
  link.onRegained(() => void compareHeads())
  const attending: Promise<void>[] = []
  const starting = retrying('read how many leases there are', logger, stopping.signal, async () => {
    const ranges = rangesOf(await readLeaseCount(database))
    for (const range of ranges) charges.set(range.name, chargeOf(range))
    for (const charge of charges.values())
      attending.push(
        repeat(() => charge.maintainLease()),
        repeat(() => charge.maintainTail()),
      )
  })
  new Gauge({
    name: 'lockstep_feed_leases_held',
    help: 'Leases of the feed that this node holds',
    registers: [metrics],
    collect() {
      this.set(held())
    },
  })
  new Gauge({
    name: 'lockstep_feed_tails',
    help: 'Change streams that this node has open',
    registers: [metrics],
    collect() {
      this.set([...charges.values()].filter((charge) => charge.tails()).length)
    },
  })

  return {
    ready: ready.promise,
    healthy,
    async stop() {
      stopping.abort()
      await starting
      await Promise.all(attending)
      await Promise.all([...charges.values()].map((charge) => charge.stop()))
    },
  }
}
