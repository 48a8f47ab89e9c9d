// A node that receives a stop signal exits in an orderly way and in time, even if its services do
// not answer. After that time it would be killed.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { createShutdown, shutdownTimings } from '../../realtime/lifecycle/shutdown.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { addressOf, freshDatabase, throughAddress } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { TestRedis } from '../harness/redis.ts'
import { Wire } from '../harness/wire.ts'

/** The time that docs/operating.md promises (ms). */
const DEADLINE_MS = 30_000

test('steps that never end take no longer than the total, and the remaining steps are started nevertheless', async () => {
  const begun: string[] = []
  const stops = createShutdown(createLogger('silent'), { step: 1_000, total: 500 })
  for (const name of ['last', 'e', 'd', 'c', 'b', 'first'])
    stops.add(name, () => {
      begun.push(name)
      return new Promise<void>(() => undefined)
    })
  const waiting = new AbortController()
  const ended = Promise.all([stops.run(), stops.run()]).then(() => 'ended')
  expect(
    await Promise.race([ended, pause(4_000, 'waits for each step', { signal: waiting.signal })]),
  ).toBe('ended')
  waiting.abort()
  expect(begun).toEqual(['first', 'b', 'c', 'd', 'e', 'last'])
})

test(
  'with a database and a Redis that do not answer, a node that gets two signals stops once, with code 0, in time',
  { timeout: 90_000 },
  async () => {
    await using home = freshDatabase()
    await using redis = await TestRedis.start()
    await using wire = await Wire.to(addressOf(home.url))
    const url = throughAddress(home.url, wire.address)
    await using node = await spawnNode({ url }, { LOG_LEVEL: 'info', REDIS_URL: redis.url })
    const person = await signUp(node)
    const device = await person.device('conversations')
    const { id: conversation_id } = await person.ask('createConversation')
    const message = { role: 'user', content: 'not projected yet' }
    await device.done('append', { conversation_id, message })

    wire.pause('down')
    redis.freeze()
    device.socket.emit('append', { mutation_id: newId(), conversation_id, message })
    const asked = person.rest('GET', '/conversations').catch(() => undefined)
    const signalledAt = performance.now()
    node.process.signal('SIGTERM')
    await device.next('draining', 15_000)
    node.process.signal('SIGTERM')
    expect(await node.process.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - signalledAt).toBeLessThan(DEADLINE_MS)
    expect(device.inbox.all('draining')).toHaveLength(1)
    expect(shutdownTimings.total).toBeLessThan(DEADLINE_MS)
    await asked
  },
)

test('a node that stops accepts devices until load balancers have noticed, and only then asks them to move', async () => {
  await using home = freshDatabase()
  await using node = await startNode(home, { options: { leaveMs: 3_000 } })
  const person = await signUp(node)
  await using early = await person.device('conversations')
  const stopped = node.stop()
  await eventually(async () => (await fetch(`${node.url}/readyz`)).status === 503)
  await using late = await person.device('conversations')
  expect(early.inbox.all('draining')).toEqual([])
  expect(await late.done('create', { title: 'Still served' })).toMatchObject({ seq: 1 })
  await Promise.all([early, late].map((device) => device.next('draining', 10_000)))
  for (const device of [early, late]) device.close()
  await stopped
})
