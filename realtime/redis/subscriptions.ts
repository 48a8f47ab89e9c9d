// The channels to which this node subscribes. The invariant: after a reconnection, all of them are
// subscribed again before anybody learns that Redis is back. The resubscription of ioredis cannot
// be awaited, and its offline queue grows with every device that joins or leaves.
import type { Redis } from 'ioredis'
import type { Logger } from '../observability/logger.ts'

/** Channels per command. */
const CHUNK = 500
/**
 * Never unsubscribed. When a connection loses its last channel of one kind, ioredis treats it as a
 * connection for commands.
 */
const ANCHOR = 'lockstep:anchor'

/** A `sharded` channel uses SSUBSCRIBE, a `plain` one SUBSCRIBE. */
export type ChannelKind = 'plain' | 'sharded'

export interface Subscriptions {
  /** Resolves when Redis has confirmed the subscription, at the latest after a reconnection. */
  add(kind: ChannelKind, channel: string): Promise<void>
  remove(kind: ChannelKind, channels: readonly string[]): void
  /** Calls back after every reconnection, when all subscriptions are confirmed again. */
  onRestored(callback: () => void): void
}

export function createSubscriptions(subscriber: Redis, logger: Logger): Subscriptions {
  const wanted = {
    plain: new Map<string, PromiseWithResolvers<void>>(),
    sharded: new Map<string, PromiseWithResolvers<void>>(),
  }
  wanted.sharded.set(ANCHOR, Promise.withResolvers<void>())
  const restoredCallbacks: (() => void)[] = []
  let connections = 0

  const subscribe = async (kind: ChannelKind, channels: readonly string[]) => {
    if (kind === 'plain') await subscriber.subscribe(...channels)
    else await subscriber.ssubscribe(...channels)
    for (const channel of channels) wanted[kind].get(channel)?.resolve()
  }

  subscriber.on('ready', () => {
    const isFirst = ++connections === 1
    const requests: Promise<void>[] = []
    for (const kind of ['plain', 'sharded'] as const) {
      const channels = [...wanted[kind].keys()]
      for (let from = 0; from < channels.length; from += CHUNK)
        requests.push(subscribe(kind, channels.slice(from, from + CHUNK)))
    }
    Promise.all(requests).then(
      () => {
        if (!isFirst) for (const callback of restoredCallbacks) callback()
      },
      (error: unknown) => {
        logger.warn({ err: error }, 'the subscriptions could not be restored')
        if (subscriber.status === 'ready') subscriber.disconnect(true)
      },
    )
  })

  return {
    add(kind, channel) {
      const confirmed = wanted[kind].get(channel) ?? Promise.withResolvers<void>()
      wanted[kind].set(channel, confirmed)
      // A failure means that the connection was lost. The reconnection subscribes again.
      if (subscriber.status === 'ready')
        subscribe(kind, [channel]).catch((error: unknown) =>
          logger.debug({ err: error }, 'a channel is not subscribed yet'),
        )
      return confirmed.promise
    },
    remove(kind, channels) {
      for (const channel of channels) wanted[kind].delete(channel)
      if (subscriber.status !== 'ready' || channels.length === 0) return
      const request =
        kind === 'plain'
          ? subscriber.unsubscribe(...channels)
          : subscriber.sunsubscribe(...channels)
      request.catch((error: unknown) =>
        logger.debug({ err: error }, 'a channel was not unsubscribed; the connection was lost'),
      )
    },
    onRestored: (callback) => void restoredCallbacks.push(callback),
  }
}
