// Everything of Lockstep that a Redis holds: keys with their values, the names of channels in use,
// and the commands that its log of slow commands remembers.
import { Redis } from 'ioredis'

/** A part of what Redis holds. */
export interface RedisPart {
  name: string
  /** Throws if the user of Redis may not read it. */
  read(): AsyncIterable<Buffer>
}

const OURS = 'lockstep:*'
const SLOW_COMMANDS = 100_000

/** `stop` has to be called. */
export function readRedis(url: string): { parts: RedisPart[]; stop: () => void } {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, lazyConnect: true })
  redis.on('error', () => undefined)
  return {
    parts: [
      { name: 'keys', read: () => readKeys(redis) },
      { name: 'channels', read: () => readChannels(redis) },
      { name: 'slow commands', read: () => readSlowCommands(redis) },
    ],
    stop: () => redis.disconnect(),
  }
}

async function* readKeys(redis: Redis): AsyncGenerator<Buffer> {
  let cursor = '0'
  do {
    const [next, keys] = (await redis.call('SCAN', cursor, 'MATCH', OURS, 'COUNT', '1000')) as [
      string,
      string[],
    ]
    cursor = next
    for (const key of keys) {
      yield Buffer.from(key)
      yield* flatten(await readValue(redis, key))
    }
  } while (cursor !== '0')
}

function readValue(redis: Redis, key: string): Promise<unknown> {
  return redis.type(key).then((type) => {
    const read = readers[type]
    return read && redis.callBuffer(...read(key))
  })
}

const readers: Record<string, ((key: string) => [string, ...string[]]) | undefined> = {
  string: (key) => ['GET', key],
  hash: (key) => ['HGETALL', key],
  list: (key) => ['LRANGE', key, '0', '-1'],
  set: (key) => ['SMEMBERS', key],
  zset: (key) => ['ZRANGE', key, '0', '-1'],
  stream: (key) => ['XRANGE', key, '-', '+'],
}

async function* readChannels(redis: Redis): AsyncGenerator<Buffer> {
  yield* flatten(await redis.callBuffer('PUBSUB', 'CHANNELS', OURS))
  yield* flatten(await redis.callBuffer('PUBSUB', 'SHARDCHANNELS', OURS))
}

async function* readSlowCommands(redis: Redis): AsyncGenerator<Buffer> {
  yield* flatten(await redis.callBuffer('SLOWLOG', 'GET', String(SLOW_COMMANDS)))
}

function* flatten(reply: unknown): Generator<Buffer> {
  if (Buffer.isBuffer(reply)) yield reply
  else if (Array.isArray(reply)) for (const item of reply) yield* flatten(item)
}
