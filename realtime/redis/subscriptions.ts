// The channels this node wants to hear. The invariant: after each reconnection all of them are subscribed again before anybody is told
// that Redis is back. ioredis' own resubscription can't be awaited, and its offline queue grows with every device that comes and goes.
import type { Redis } from 'ioredis'
import type { Logger } from '../observability/logger.ts'

/** Channels in one command. */
const CHUNK = 500
/** Never removed: ioredis takes the connection for a normal one when the last channel of either kind is gone. */
const ANCHOR = 'lockstep:anchor'

export interface Subscriptions {
  /** `sharded`: SSUBSCRIBE. Resolves when it stands, now or after a reconnection. */
  add(kind: Kind, channel: string): Promise<void>
  remove(kind: Kind, channels: readonly string[]): void
  /** Calls back when the connection was lost meanwhile and all subscriptions stand again. */
  onRestored(callback: () => void): void
}
export type Kind = 'plain' | 'sharded'

export function keepSubscriptions(subscriber: Redis, logger: Logger): Subscriptions {
  const wanted = {
    plain: new Map<string, PromiseWithResolvers<void>>(),
    sharded: new Map<string, PromiseWithResolvers<void>>(),
  }
  wanted.sharded.set(ANCHOR, Promise.withResolvers<void>())
  const restored: (() => void)[] = []
  let connections = 0

  const send = async (kind: Kind, channels: readonly string[]) => {
    if (kind === 'plain') await subscriber.subscribe(...channels)
    else await subscriber.ssubscribe(...channels)
    for (const channel of channels) wanted[kind].get(channel)?.resolve()
  }

  subscriber.on('ready', () => {
    const first = ++connections === 1
    const sent: Promise<void>[] = []
    for (const kind of ['plain', 'sharded'] as const) {
      const channels = [...wanted[kind].keys()]
      for (let from = 0; from < channels.length; from += CHUNK)
        sent.push(send(kind, channels.slice(from, from + CHUNK)))
    }
    Promise.all(sent).then(
      () => {
        if (!first) for (const callback of restored) callback()
      },
      (error: unknown) => {
        logger.warn({ err: error }, 'subscriptions could not be restored')
        if (subscriber.status === 'ready') subscriber.disconnect(true)
      },
    )
  })

  return {
    add(kind, channel) {
      const stands = wanted[kind].get(channel) ?? Promise.withResolvers<void>()
      wanted[kind].set(channel, stands)
      // a failure is the connection's: it comes back, and then so does the subscription
      if (subscriber.status === 'ready')
        send(kind, [channel]).catch((error: unknown) =>
          logger.debug({ err: error }, 'not subscribed yet'),
        )
      return stands.promise
    },
    remove(kind, channels) {
      for (const channel of channels) wanted[kind].delete(channel)
      if (subscriber.status !== 'ready' || channels.length === 0) return
      const sent =
        kind === 'plain'
          ? subscriber.unsubscribe(...channels)
          : subscriber.sunsubscribe(...channels)
      sent.catch((error: unknown) =>
        logger.debug({ err: error }, 'not unsubscribed; the connection is gone'),
      )
    },
    onRestored: (callback) => void restored.push(callback),
  }
}
