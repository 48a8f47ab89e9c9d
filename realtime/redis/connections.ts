// The two connections to Redis. Neither queues anything while it is away: publishers must fail at once, and subscriptions are kept by
// `subscriptions.ts`, which brings them all back. They reconnect for ever, by name, so that a failover to another address is followed.
import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from '../observability/logger.ts'

const CONNECT_MS = 3_000
const COMMAND_MS = 2_000
const LONGEST_RETRY_MS = 2_000

const common: RedisOptions = {
  connectTimeout: CONNECT_MS,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  // full jitter: the nodes of a cluster must not come back in step
  retryStrategy: (attempt) =>
    20 + Math.random() * Math.min(LONGEST_RETRY_MS, 50 * 2 ** Math.min(attempt, 10)),
  // a primary that was demoted answers READONLY for ever; before Redis 7 a script's answer has it further behind
  reconnectOnError: (error) => error.message.includes('READONLY'),
}

export interface Connections {
  publisher: Redis
  subscriber: Redis
  /** Both have been greeted by Redis. */
  up(): boolean
  /** Connects anew, as one of them seems to be half-open. */
  reconnect(): void
  stop(): void
}

/** Begins to connect; faults are logged, never thrown. */
export function connectRedis(url: string, logger: Logger): Connections {
  const publisher = new Redis(url, {
    ...common,
    commandTimeout: COMMAND_MS,
    maxRetriesPerRequest: 0,
  })
  const subscriber = new Redis(url, { ...common, maxRetriesPerRequest: null })
  const both = Object.entries({ publisher, subscriber })
  for (const [role, redis] of both) {
    redis.on('error', (error: Error) => logger.debug({ err: error, role }, 'Redis'))
    redis.on('close', () => logger.info({ role }, 'the connection to Redis was closed'))
  }
  return {
    publisher,
    subscriber,
    up: () => both.every(([, redis]) => redis.status === 'ready'),
    reconnect: () => both.forEach(([, redis]) => redis.disconnect(true)),
    stop: () => both.forEach(([, redis]) => redis.disconnect()),
  }
}
