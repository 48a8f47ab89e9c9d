// Leases and shared limits against a real Redis.
import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRedisLease } from '../../realtime/redis/lease.ts'
import { createSharedLimiter } from '../../realtime/redis/shared-limiter.ts'
import { eventually } from '../harness/eventually.ts'
import { TestRedis } from '../harness/redis.ts'

const above = (generation: number) => () => Promise.resolve(generation)

let server: TestRedis
let redis: Redis
beforeAll(async () => {
  server = await TestRedis.start()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.kill()
})

test('one node holds a lease; after its release, another node gets it under a higher generation', async () => {
  const [a, b] = [
    createRedisLease(redis, 'one', 'a', 5_000),
    createRedisLease(redis, 'one', 'b', 5_000),
  ]
  const generation = (await a.acquire(above(0)))!
  expect(generation).toBeGreaterThan(0)
  expect(await b.acquire(above(0))).toBeUndefined()
  expect(await a.renew()).toBe(true)
  expect(await b.renew()).toBe(false)
  expect([a.heldGeneration(), b.heldGeneration()]).toEqual([generation, undefined])
  await b.release() // It does not hold the lease, so nothing happens.
  expect(await a.renew()).toBe(true)
  await a.release()
  expect(a.heldGeneration()).toBeUndefined()
  expect(await b.acquire(above(0))).toBe(generation + 1)
})

test('a node reads the last generation only if the lease is free, and gives the lease up if it cannot', async () => {
  const [a, b] = [
    createRedisLease(redis, 'read', 'a', 60_000),
    createRedisLease(redis, 'read', 'b', 60_000),
  ]
  const away = () => Promise.reject(new Error('the database is away'))
  await expect(a.acquire(away)).rejects.toThrow('the database is away')
  expect(a.heldGeneration()).toBeUndefined()
  expect(await b.acquire(above(6))).toBe(7)
  expect(await a.acquire(away)).toBeUndefined()
})

test('an expired lease goes to another node, and the former holder knows that it has lost it', async () => {
  const [a, b] = [
    createRedisLease(redis, 'two', 'a', 150),
    createRedisLease(redis, 'two', 'b', 150),
  ]
  await a.acquire(above(0))
  await eventually(async () => (await b.acquire(above(0))) !== undefined, { within: 2_000 })
  expect(a.heldGeneration()).toBeUndefined()
  expect(await a.renew()).toBe(false)
})

test('a Redis that has lost its data gives no generation twice if the database knows the last one', async () => {
  const a = createRedisLease(redis, 'three', 'a', 5_000)
  await a.acquire(above(0))
  await redis.flushall()
  expect(await a.renew()).toBe(false)
  expect(await createRedisLease(redis, 'three', 'b', 5_000).acquire(above(41))).toBe(42)
})

test('limits count over all nodes together, and per node while Redis is away', async () => {
  const rule = { points: 2, seconds: 60 }
  const pseudonymOf = (text: string | number) =>
    createHash('sha256').update(`${text}`).digest('hex')
  const limiterThrough = (commands: Redis, isConnected: boolean) => {
    const link = { commands, isConnected: () => isConnected }
    const messages = { prefix: 'one', pseudonymOf }
    return createSharedLimiter({ all: [link], of: () => link, messages })('guesses', rule)
  }
  const [a, b] = [limiterThrough(redis, true), limiterThrough(redis, true)]
  await a.consume('somebody')
  await b.consume('somebody')
  await expect(a.consume('somebody')).rejects.toMatchObject({ remainingPoints: 0 })
  const away = new Redis(1, { lazyConnect: true, enableOfflineQueue: false })
  const withoutRedis = limiterThrough(away, true)
  await withoutRedis.consume('somebody')
  const disconnected = limiterThrough(redis, false)
  await disconnected.consume('somebody')
  await disconnected.consume('somebody')
  await expect(disconnected.consume('somebody')).rejects.toMatchObject({ remainingPoints: 0 })
  away.disconnect()
})
