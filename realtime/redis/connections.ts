// The two connections to Redis: one for commands and one for subscriptions, because a connection
// with subscriptions takes no other commands. Neither queues anything while Redis is away: commands
// must fail at once, and `subscriptions.ts` restores all subscriptions. Both connections reconnect
// for ever and resolve the host name each time, so that they follow a failover to another address.
import { Redis, type RedisOptions } from 'ioredis'
import { backoffMs } from '../concurrency/backoff.ts'
import type { Logger } from '../observability/logger.ts'

const CONNECT_MS = 3_000
const COMMAND_MS = 2_000
const LEAST_RETRY_MS = 20
const RETRY_MS = [100, 2_000] as const

const common: RedisOptions = {
  connectTimeout: CONNECT_MS,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  retryStrategy: (attempt) => LEAST_RETRY_MS + backoffMs(attempt, RETRY_MS),
  // A demoted primary answers READONLY for ever. Before Redis 7, the answer to a script has the
  // word in the middle of its message.
  reconnectOnError: (error) => error.message.includes('READONLY'),
}

export interface RedisConnections {
  /** Takes every command except subscriptions. */
  commands: Redis
  /** Takes subscriptions only. */
  subscriber: Redis
  /** Replaces both connections, because one of them seems to be half-open. */
  reconnect(): void
  stop(): void
}

/** Starts to connect. Errors of the connections are logged and never thrown. */
export function connectRedis(url: string, logger: Logger): RedisConnections {
  const commands = new Redis(url, {
    ...common,
    commandTimeout: COMMAND_MS,
    maxRetriesPerRequest: 0,
  })
  const subscriber = new Redis(url, { ...common, maxRetriesPerRequest: null })
  const both = Object.entries({ commands, subscriber })
  for (const [role, redis] of both) {
    redis.on('error', (error: Error) =>
      logger.debug({ err: error, role }, 'the connection to Redis failed'),
    )
    redis.on('close', () => logger.info({ role }, 'the connection to Redis was closed'))
  }
  return {
    commands,
    subscriber,
    reconnect: () => both.forEach(([, redis]) => redis.disconnect(true)),
    stop: () => both.forEach(([, redis]) => redis.disconnect()),
  }
}
