// Everything this node publishes. The invariant: what Redis doesn't take at once is dropped and counted, never kept: the log has it, and
// a count that moves makes the other nodes look there.
import type { Redis } from 'ioredis'

/** Bytes that Redis may leave unanswered. */
const MAX_PENDING = 16 * 1024 * 1024

export interface Publishing {
  publish(channel: string, payload: string): Promise<number>
  spublish(channel: string, payload: string | Buffer): Promise<number>
  /** Resolves when Redis has everything that was published before; rejects when it doesn't answer. */
  settled(): Promise<void>
  /** How many messages may have got lost so far. */
  lost(): number
  published(): number
}

export function createPublishing(publisher: Redis): Publishing {
  let lost = 0
  let published = 0
  let pending = 0

  async function send(bytes: number, command: () => Promise<unknown>): Promise<number> {
    if (pending + bytes > MAX_PENDING) {
      lost++
      throw new Error('Redis takes too long: a message was dropped')
    }
    pending += bytes
    published++
    try {
      return Number(await command())
    } catch (error) {
      lost++
      throw error
    } finally {
      pending -= bytes
    }
  }

  return {
    publish: (channel, payload) => send(payload.length, () => publisher.publish(channel, payload)),
    spublish: (channel, payload) =>
      send(payload.length, () => publisher.spublish(channel, payload)),
    settled: async () => void (await publisher.ping()),
    lost: () => lost,
    published: () => published,
  }
}
