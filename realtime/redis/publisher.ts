// Publishes messages to other nodes. The invariant: a message that Redis does not take in time is
// dropped and counted, never kept. The log still has every change, and a holder's count of lost
// messages tells the other nodes to look for changes there.
import type { Redis } from 'ioredis'
import type { MessageSeals } from './message-seals.ts'

/** Bytes that may be on their way to Redis. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024

export interface Publisher {
  /** Rejects if the message was dropped or Redis did not confirm it. */
  publish(channel: string, payload: string): Promise<number>
  /** Like `publish`, to a sharded channel. */
  spublish(channel: string, payload: string | Buffer): Promise<number>
  /**
   * Resolves when Redis has received everything published before. Rejects if Redis does not answer.
   */
  flush(): Promise<void>
  /** Messages that may have been lost since the start. */
  lostCount(): number
  /** Messages sent to Redis since the start. */
  publishedCount(): number
}

export function createPublisher(redis: Redis, seals: MessageSeals): Publisher {
  let lost = 0
  let published = 0
  let pendingBytes = 0

  async function send(bytes: number, command: () => Promise<unknown>): Promise<number> {
    if (pendingBytes + bytes > MAX_PENDING_BYTES) {
      lost++
      throw new Error('Redis takes too long: a message was dropped')
    }
    pendingBytes += bytes
    published++
    try {
      return Number(await command())
    } catch (error) {
      lost++
      throw error
    } finally {
      pendingBytes -= bytes
    }
  }

  return {
    publish: (channel, payload) =>
      send(payload.length, () => redis.publish(channel, seals.seal(channel, payload))),
    spublish: (channel, payload) =>
      send(payload.length, () => redis.spublish(channel, seals.seal(channel, payload))),
    flush: async () => void (await redis.ping()),
    lostCount: () => lost,
    publishedCount: () => published,
  }
}
