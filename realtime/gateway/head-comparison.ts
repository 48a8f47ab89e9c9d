// Compares the heads in the database with what this node's devices have, and catches up the devices
// that are behind. It repairs whatever the feed or another node has lost (GATE-5). So that a quiet
// device costs nearly nothing, a topic is looked up often only while it is in use. It counts as in
// use after a change that this node has heard of, appended, or been told of by a peer.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Topic } from '@lockstep/protocol/topics'
import { repeatEvery } from '../concurrency/repeat.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { logKey, type Connection } from './connection.ts'
import type { GatewaySettings } from './settings.ts'

const HEADS_PER_BATCH = 500
/** How many times per `head` interval the topics in use are searched for heads that are due. */
const LOOKS_PER_INTERVAL = 10

export interface HeadComparisonDeps {
  registry: ConnectionRegistry
  log: Pick<Log, 'heads' | 'projectedHeads'>
  logger: Logger
  /** `grace`: how long a change may be on its way before its device counts as behind. */
  timings: Pick<GatewaySettings['timings'], 'grace' | 'head' | 'inUse' | 'quietHead'>
  /** Waits before the `attempt`-th repetition of a failed comparison. */
  pause(attempt: number): Promise<void>
  /** A device was behind although the feed should have served it. */
  onDeviceBehind(): void
}

export interface HeadComparison {
  /**
   * Compares the heads of all devices. Calls during a comparison share the next one, which begins
   * after them. Resolves when the database has answered. Never rejects.
   */
  compareAll(): Promise<void>
  /** Catches up the user's devices in the topic that are behind this head of the database. */
  compareWith(user_id: string, topic: Topic, head: Cursor): void
  /**
   * Like `compareWith`, but waits for `grace` before it catches devices up. The topic is in use.
   */
  compareSoonWith(user_id: string, topic: Topic, head: Cursor): Promise<void>
  /** The topic is in use: its devices get their next `head` within the short interval. */
  noteChange(user_id: string, topic: Topic): void
  stop(): void
}

/**
 * From now on, each device gets heads regularly, and the devices that are behind are caught up. The
 * work is done in batches that are spread over the interval.
 */
export function startHeadComparison(deps: HeadComparisonDeps): HeadComparison {
  const { registry, log, logger, timings } = deps
  /** The topics in use by key: until when, and when their heads are due (`performance.now()`). */
  const inUse = new Map<string, { until: number; due: number }>()
  let comparing: Promise<void> | undefined
  let next: Promise<void> | undefined
  let isStopped = false

  async function catchUp(behind: readonly (readonly [Connection, Cursor])[]): Promise<void> {
    if (behind.length === 0) return
    await sleep(timings.grace)
    for (const [{ device }, head] of behind) if (device.catchUpTo(head)) deps.onDeviceBehind()
  }

  /** Rejects if the database is away. */
  async function compareBatch(
    heads: ReadonlyMap<string, Cursor>,
    visit?: (connection: Connection, head: Cursor) => void,
  ): Promise<void> {
    const behind: [Connection, Cursor][] = []
    for (const [key, head] of heads)
      for (const connection of registry.withKey(key)) {
        if (connection.device.lacks(head)) behind.push([connection, head])
        visit?.(connection, head)
      }
    await catchUp(behind)
  }

  async function compareUntilDone(): Promise<void> {
    for (let attempt = 1; !isStopped; attempt++) {
      try {
        const keys = registry.keys()
        for (let from = 0; from < keys.length; from += HEADS_PER_BATCH)
          await compareBatch(await log.heads(keys.slice(from, from + HEADS_PER_BATCH)))
        return
      } catch (error) {
        logger.warn({ err: error, attempt }, 'heads could not be compared; trying again')
        await deps.pause(attempt)
      }
    }
  }

  function compareAll(): Promise<void> {
    if (!comparing) {
      comparing = compareUntilDone().finally(() => (comparing = undefined))
      return comparing
    }
    next ??= comparing.then(() => {
      next = undefined
      return compareAll()
    })
    return next
  }

  function noteChange(user_id: string, topic: Topic): void {
    const key = logKey(user_id, topic)
    if (registry.withKey(key).size === 0) return
    const now = performance.now()
    const until = now + timings.inUse
    const known = inUse.get(key)
    if (known) known.until = until
    else inUse.set(key, { until, due: now + timings.head })
  }

  async function sendHeads(
    keys: readonly string[],
    read: (keys: readonly string[]) => Promise<ReadonlyMap<string, Cursor>>,
  ): Promise<void> {
    try {
      await compareBatch(await read(keys), ({ device }, head) => device.sendHead(head))
    } catch (error) {
      logger.debug({ err: error }, 'heads could not be read')
    }
  }

  /** Sends the heads that are due before the next look. */
  async function sendHeadsInUse(): Promise<void> {
    const now = performance.now()
    const due: string[] = []
    for (const [key, topic] of inUse) {
      if (topic.due > now + timings.head / LOOKS_PER_INTERVAL) continue
      topic.due = now + timings.head
      if (topic.until < now || registry.withKey(key).size === 0) inUse.delete(key)
      else due.push(key)
    }
    for (let from = 0; from < due.length && !isStopped; from += HEADS_PER_BATCH)
      await sendHeads(due.slice(from, from + HEADS_PER_BATCH), (keys) => log.heads(keys))
  }

  /**
   * Sends the devices of all quiet topics a head. The projection of a quiet topic has reached the
   * topic's head, so `projectedHeads` suffices, at half the look-ups.
   */
  async function sendAllHeads(): Promise<void> {
    const keys = registry.keys()
    const batches = Math.max(1, Math.ceil(keys.length / HEADS_PER_BATCH))
    for (let batch = 0; batch < batches && !isStopped; batch++) {
      const from = batch * HEADS_PER_BATCH
      const quiet = keys.slice(from, from + HEADS_PER_BATCH).filter((key) => !inUse.has(key))
      if (quiet.length > 0) await sendHeads(quiet, (some) => log.projectedHeads(some))
      await sleep(timings.quietHead / batches, undefined, { ref: false })
    }
  }

  const failed = (error: unknown) => logger.error({ err: error }, 'heads were not compared')
  const lookMs = timings.head / LOOKS_PER_INTERVAL
  const stopRepetitions = [
    repeatEvery(lookMs, sendHeadsInUse, { firstAfterMs: lookMs, failed }),
    repeatEvery(0, sendAllHeads, { failed }),
  ]

  return {
    compareAll,
    noteChange,
    compareWith(user_id, topic, head) {
      for (const { device } of registry.connectionsOf(user_id, topic))
        if (device.catchUpTo(head)) deps.onDeviceBehind()
    },
    async compareSoonWith(user_id, topic, head) {
      noteChange(user_id, topic)
      const behind = [...registry.connectionsOf(user_id, topic)]
        .filter(({ device }) => device.lacks(head))
        .map((connection) => [connection, head] as const)
      await catchUp(behind)
    },
    stop() {
      isStopped = true
      for (const stopRepetition of stopRepetitions) void stopRepetition()
    },
  }
}
