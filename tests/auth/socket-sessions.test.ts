// Sessions that are used only over sockets: they last, and they end on all nodes at once. Two nodes
// with default settings.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { topics } from '@lockstep/protocol/topics'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import type { Device } from '../harness/device.ts'
import { freshDatabase } from '../harness/database.ts'
import { atBest, eventually, timeFor } from '../harness/eventually.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { TestRedis } from '../harness/redis.ts'

const DAY_MS = 86_400_000
const AT_ONCE_MS = 1_000

const fresh = freshDatabase()
let redis: TestRedis
let database: Database
beforeAll(async () => {
  redis = await TestRedis.start()
  database = await openDatabase(fresh.url)
})
afterAll(async () => {
  await database.close()
  await redis[Symbol.asyncDispose]()
  await fresh[Symbol.asyncDispose]()
})

/** The time from `action` until the last of the devices has lost its connection (ms). */
async function lostAfter(
  devices: readonly Device[],
  action: () => Promise<unknown>,
): Promise<number> {
  const lost = Promise.all(devices.map((device) => device.disconnected(15_000)))
  const began = performance.now()
  await action()
  await lost
  return performance.now() - began
}

const everywhere = (person: Person, node: TestNode) =>
  Promise.all(topics.map((topic) => person.at(node).device(topic)))

describe.each([
  ['with Redis', () => [redis.url]],
  ['without Redis', () => undefined],
])('two nodes %s', (_, redisUrls) => {
  let [here, there]: TestNode[] = []
  let alice: Person
  beforeAll(async () => {
    here = await startNode(fresh, { redisUrls: redisUrls() })
    there = await startNode(fresh, { redisUrls: redisUrls() })
    alice = await signUp(here, 'alice')
  })
  afterAll(async () => {
    await here?.stop()
    await there?.stop()
  })

  test('a session that is revoked on one node loses its sockets on the other within a second', async () => {
    const took = await atBest(AT_ONCE_MS, async () => {
      const phone = await alice.signIn()
      const devices = await everywhere(phone, there!)
      return lostAfter(devices, () =>
        alice.ask('revokeSession', { params: { id: phone.session.id } }),
      )
    })
    expect(took).toBeLessThan(AT_ONCE_MS)
  })

  test('all other sessions lose their sockets when the password is changed', async () => {
    const body = { current_password: alice.password, new_password: alice.password }
    const took = await atBest(AT_ONCE_MS, async () =>
      lostAfter(await everywhere(await alice.signIn(), there!), () =>
        alice.ask('changePassword', { body }),
      ),
    )
    expect(took).toBeLessThan(AT_ONCE_MS)
  })

  test('a session that expires loses its sockets on every node', async () => {
    const late = await atBest(AT_ONCE_MS, async () => {
      const phone = await alice.signIn()
      const joining = await timeFor(() => everywhere(phone, there!), 1_500)
      const ends = Date.now() + joining
      await database.sessions.updateOne(
        { _id: phone.session.id },
        { $set: { expires_at: new Date(ends) } },
      )
      const devices = [...(await everywhere(phone, here!)), ...(await everywhere(phone, there!))]
      await Promise.all(devices.map((device) => device.disconnected(joining + 15_000)))
      expect(Date.now() - ends).toBeGreaterThan(-50)
      return Date.now() - ends
    })
    expect(late).toBeLessThan(AT_ONCE_MS)
  })
})

test('a session with only a socket is renewed for 30 days, and its socket outlives the first expiry', async () => {
  const gateway = { ...gatewaySettings, timings: { ...gatewaySettings.timings, sessions: 100 } }
  await using node = await startNode(fresh, { options: { gateway } })
  const alice = await signUp(node, 'alice')
  const ends = new Date(Date.now() + (await timeFor(() => alice.device('preferences'), 1_000)))
  await database.sessions.updateOne({ _id: alice.session.id }, { $set: { expires_at: ends } })
  await using device = await alice.device('preferences')
  // as if the socket had been open for two hours
  const long = new Date(Date.now() - 7_200_000)
  await database.sessions.updateOne(
    { _id: alice.session.id },
    { $set: { expires_at: ends, last_seen_at: long } },
  )
  const renewed = await eventually(async () => {
    const session = await database.sessions.findOne({ _id: alice.session.id })
    return session!.expires_at > ends && session
  })
  expect(renewed!.expires_at.getTime() - Date.now()).toBeGreaterThan(29.9 * DAY_MS)
  expect(renewed!.last_seen_at.getTime()).toBeGreaterThan(long.getTime())
  await eventually(() => Date.now() > ends.getTime() + 300)
  expect((await device.done('update', { patch: { still: 'here' } })).data).toMatchObject({
    preferences: { still: 'here' },
  })
})
