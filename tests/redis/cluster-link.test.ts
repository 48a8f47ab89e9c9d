// The link between nodes against a real Redis that is killed, frozen and cut off.
import dns from 'node:dns'
import { Redis } from 'ioredis'
import { Registry } from 'prom-client'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createRedisLease } from '../../realtime/redis/lease.ts'
import type { ClusterLinkTimings } from '../../realtime/redis/cluster-link.ts'
import { startTestLinks } from '../harness/cluster-links.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/free-port.ts'
import { TestRedis } from '../harness/redis.ts'
import { Wire } from '../harness/wire.ts'

const timings: ClusterLinkTimings = {
  heartbeatMs: 50,
  echoTimeoutMs: 250,
  reconnectMs: 500,
  nodeTimeoutMs: 400,
}

async function linkTo(url: string, node: string) {
  const metrics = new Registry()
  const { all, messages } = await startTestLinks([url], { node, metrics, timings })
  const link = all[0]!
  let regained = 0
  link.onRecovered(() => regained++)
  return {
    link,
    messages,
    regained: () => regained,
    metric: async (name: string) => (await metrics.getSingleMetric(name)!.get()).values[0]!.value,
    [Symbol.dispose]: () => link.stop(),
  }
}

test('nodes receive each other’s messages and know which nodes are alive', async () => {
  await using redis = await TestRedis.start()
  using a = await linkTo(redis.url, 'a')
  const b = await linkTo(redis.url, 'b')
  await eventually(() => a.link.isConnected())
  const heard: unknown[] = []
  b.link.onBroadcast('feed', (message) => heard.push(message))
  await eventually(() => {
    a.link.broadcast('feed', { hello: 1 })
    return heard.length > 0
  })
  await eventually(() => a.link.aliveNodes().has('b'))
  let gone = 0
  a.link.onNodeGone(() => gone++)
  b.link.stop() // It announces its stop.
  await eventually(() => gone === 1)
  expect(a.link.aliveNodes()).toEqual(new Set(['a']))
})

test('a node that dies without notice is noticed', async () => {
  await using redis = await TestRedis.start()
  await using wire = await Wire.to({ port: redis.port })
  using a = await linkTo(redis.url, 'a')
  using _b = await linkTo(`redis://${wire.address}`, 'b')
  await eventually(() => a.link.aliveNodes().has('b'))
  wire.cut()
  await eventually(() => !a.link.aliveNodes().has('b'))
  await eventually(() => a.link.isConnected())
})

test('after Redis was away, the other nodes get the full timeout to be heard again', async () => {
  await using redis = await TestRedis.start()
  await using wire = await Wire.to({ port: redis.port })
  using a = await linkTo(redis.url, 'a')
  using _b = await linkTo(`redis://${wire.address}`, 'b')
  await eventually(() => a.link.aliveNodes().has('b'))
  await redis.kill()
  const killed = performance.now()
  wire.cut()
  await eventually(
    () => !a.link.isConnected() && performance.now() - killed > 2 * timings.nodeTimeoutMs,
  )
  const heard: number[] = []
  const gone: number[] = []
  a.link.onRecovered(() => heard.push(performance.now()))
  a.link.onNodeGone(() => gone.push(performance.now()))
  await redis.restart()
  await eventually(() => gone.length > 0, { within: 8_000 })
  expect(gone[0]! - heard[0]!).toBeGreaterThanOrEqual(timings.nodeTimeoutMs)
})

test('without Redis, a link starts and publishing fails at once', async () => {
  const port = await freePort()
  using alone = await linkTo(`redis://127.0.0.1:${port}`, 'a')
  expect(alone.link.isConnected()).toBe(false)
  await expect(alone.link.publisher.publish('x', 'y')).rejects.toThrow()
})

test('after Redis was killed and restarted empty, all subscriptions are restored', async () => {
  await using redis = await TestRedis.start()
  using a = await linkTo(redis.url, 'a')
  const heard: string[] = []
  a.link.subscriber.on('smessageBuffer', (channel: Buffer, sealed: Buffer) =>
    heard.push(String(a.messages.open(String(channel), sealed))),
  )
  await a.link.subscriptions.add('sharded', 'room')
  await a.link.publisher.spublish('room', 'before')
  await eventually(() => heard.includes('before'))
  await redis.kill()
  await eventually(() => !a.link.isConnected())
  const late = a.link.subscriptions.add('sharded', 'late')
  await redis.restart()
  await eventually(() => a.link.isConnected() && a.regained() > 0, { within: 8_000 })
  await late
  // Each connection returns at its own pace, the one that publishes perhaps last.
  await eventually(() => a.link.publisher.spublish('room', 'after').then(() => true))
  await a.link.publisher.spublish('late', 'too')
  await eventually(() => heard.includes('after') && heard.includes('too'))
})

test('a Redis that hangs is noticed although no connection closes, and the link recovers when it continues', async () => {
  await using redis = await TestRedis.start()
  using a = await linkTo(redis.url, 'a')
  redis.freeze()
  await eventually(() => !a.link.isConnected())
  const before = a.regained()
  redis.thaw()
  await eventually(() => a.link.isConnected() && a.regained() > before, { within: 8_000 })
})

test('half-open connections are replaced', async () => {
  await using redis = await TestRedis.start()
  await using wire = await Wire.to({ port: redis.port })
  using a = await linkTo(`redis://${wire.address}`, 'a')
  wire.pause('down')
  await eventually(() => !a.link.isConnected())
  const before = wire.connections
  await eventually(() => wire.connections !== before, { within: 8_000 })
  wire.resume('down')
  await eventually(() => a.link.isConnected(), { within: 8_000 })
})

test('a lost connection is reported as recovered, even if it was away only for a moment', async () => {
  await using redis = await TestRedis.start()
  using a = await linkTo(redis.url, 'a')
  const before = a.regained()
  const id = await a.link.commands.call('CLIENT', 'LIST', 'TYPE', 'PUBSUB')
  await a.link.commands.call('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(String(id))![1]!)
  await eventually(() => a.regained() > before && a.link.isConnected())
})

test('messages that Redis does not take are dropped and counted, not kept', async () => {
  await using redis = await TestRedis.start()
  using a = await linkTo(redis.url, 'a')
  redis.freeze()
  const megabyte = 'x'.repeat(1_000_000)
  const outcomes = Array.from({ length: 40 }, () =>
    a.link.publisher.spublish('room', megabyte).then(
      () => 'sent',
      () => 'dropped',
    ),
  )
  expect(a.link.publisher.lostCount()).toBeGreaterThan(20)
  expect(await a.metric('lockstep_redis_lost_total')).toBe(a.link.publisher.lostCount())
  redis.thaw()
  expect(
    (await Promise.all(outcomes)).filter((outcome) => outcome === 'dropped').length,
  ).toBeGreaterThan(20)
})

describe('the link follows a failover to another address, because it resolves the name again', () => {
  const NAME = 'redis.test'

  /** Starts two servers on one port of two addresses, and a name that leads to the first. */
  async function startPair() {
    await using started = new AsyncDisposableStack()
    const first = started.use(await TestRedis.start())
    const second = started.use(await TestRedis.start('127.0.0.2', first.port))
    let present = first
    const real = dns.lookup
    const lookup = vi
      .spyOn(dns, 'lookup')
      .mockImplementation(((host: string, options: object, done: () => void) =>
        (real as (host: string, options: object, done: () => void) => void)(
          host === NAME ? present.host : host,
          options,
          done,
        )) as typeof dns.lookup)
    onTestFinished(() => lookup.mockRestore())
    const all = started.move()
    return {
      first,
      second,
      url: `redis://${NAME}:${first.port}`,
      fail: () => (present = second),
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    }
  }

  /** Sends a command to this server by its address. */
  async function ask(redis: TestRedis, ...command: [string, ...string[]]): Promise<unknown> {
    const admin = new Redis(redis.url)
    try {
      return await admin.call(...command)
    } finally {
      admin.disconnect()
    }
  }

  test('after the old primary has died', async () => {
    await using redis = await startPair()
    using a = await linkTo(redis.url, 'a')
    await eventually(() => a.link.isConnected())
    redis.fail()
    await redis.first.kill()
    const channel = 'lockstep:one:sealed:nodes'
    const moved = async () =>
      expect(await ask(redis.second, 'PUBSUB', 'NUMSUB', channel)).toEqual([channel, 1])
    await eventually(moved, { within: 10_000 })
    await eventually(() => a.link.isConnected(), { within: 10_000 })
  })

  test('while the old primary is alive as a replica that answers READONLY', async () => {
    await using redis = await startPair()
    using a = await linkTo(redis.url, 'a')
    const lease = createRedisLease(a.link.commands, '{it}', 'a', 60_000)
    await eventually(async () => (await lease.acquire(() => Promise.resolve(0))) === 1)
    await ask(redis.first, 'REPLICAOF', redis.second.host, String(redis.second.port))
    redis.fail()
    await expect(lease.renew()).rejects.toThrow('READONLY')
    const heir = createRedisLease(a.link.commands, '{it}', 'a', 60_000)
    await eventually(async () => (await heir.acquire(() => Promise.resolve(41))) === 42, {
      within: 10_000,
    })
    expect(await ask(redis.second, 'GET', '{it}')).toBe('a')
    await eventually(() => a.link.isConnected(), { within: 10_000 })
  })
})
