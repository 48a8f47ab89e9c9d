// Compares the heads in the database with what this node's devices have, and catches up the devices
// that are behind. It repairs whatever the feed or another node has lost (GATE-5).
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Topic } from '@lockstep/protocol/topics'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import type { Connection } from './connection.ts'

const HEADS_PER_BATCH = 500

export interface HeadComparisonDeps {
  registry: ConnectionRegistry
  log: Pick<Log, 'heads'>
  logger: Logger
  /** How long a change may be on its way before its device counts as behind (ms). */
  graceMs: number
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
   * Sends every device its head and catches up the devices that are behind. It works in batches
   * that are spread over the interval. Never rejects.
   */
  sendHeads(intervalMs: number): Promise<void>
  stop(): void
}

export function createHeadComparison(deps: HeadComparisonDeps): HeadComparison {
  const { registry, log, logger } = deps
  let comparing: Promise<void> | undefined
  let next: Promise<void> | undefined
  let isStopped = false

  /** Rejects if the database is away. */
  async function compareBatch(
    keys: readonly string[],
    visit?: (connection: Connection, head: Cursor) => void,
  ): Promise<void> {
    const heads = await log.heads(keys)
    const behind: [Connection, Cursor][] = []
    for (const [key, head] of heads)
      for (const connection of registry.withKey(key)) {
        if (connection.device.lacks(head)) behind.push([connection, head])
        visit?.(connection, head)
      }
    if (behind.length === 0) return
    await sleep(deps.graceMs)
    for (const [{ device }, head] of behind) if (device.catchUpTo(head)) deps.onDeviceBehind()
  }

  async function compareUntilDone(): Promise<void> {
    for (let attempt = 1; !isStopped; attempt++) {
      try {
        const keys = registry.keys()
        for (let from = 0; from < keys.length; from += HEADS_PER_BATCH)
          await compareBatch(keys.slice(from, from + HEADS_PER_BATCH))
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

  return {
    compareAll,
    compareWith(user_id, topic, head) {
      for (const { device } of registry.connectionsOf(user_id, topic))
        if (device.catchUpTo(head)) deps.onDeviceBehind()
    },
    async sendHeads(intervalMs) {
      const keys = registry.keys()
      const batches = Math.max(1, Math.ceil(keys.length / HEADS_PER_BATCH))
      for (let batch = 0; batch < batches && !isStopped; batch++) {
        const from = batch * HEADS_PER_BATCH
        try {
          await compareBatch(keys.slice(from, from + HEADS_PER_BATCH), ({ device }, head) =>
            device.sendHead(head),
          )
        } catch (error) {
          logger.debug({ err: error }, 'heads could not be read')
        }
        await sleep(intervalMs / batches, undefined, { ref: false })
      }
    },
    stop() {
      isStopped = true
    },
  }
}
