// Without Redis, sign-outs and deletions reach all nodes through the log.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { topics } from '@lockstep/protocol/topics'
import { eventually } from '../harness/eventually.ts'
import { signUp } from '../harness/person.ts'
import { Cluster } from './cluster.ts'

/** Much shorter than the 25 s between two checks of all sessions (ms). */
const SOON_MS = 8_000

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start(2)
  cluster.redis.freeze()
  const tails = async () =>
    expect(await cluster.metricOfEach('lockstep_feed_tails')).toEqual([1, 1])
  await eventually(tails, { within: 20_000, what: 'each node tails for itself' })
}, 60_000)
afterAll(async () => {
  cluster?.redis.thaw()
  await cluster?.[Symbol.asyncDispose]()
})

test('a Redis that does not answer does not delay sign-up and sign-in', async () => {
  const began = performance.now()
  const person = await signUp(cluster.nodes[0]!)
  await person.signIn(cluster.nodes[1])
  expect(performance.now() - began).toBeLessThan(SOON_MS)
})

test('GATE-6: a revoked session loses its sockets on the other node', async () => {
  const alice = await signUp(cluster.nodes[0]!)
  const phone = await alice.signIn()
  const sockets = await Promise.all(
    topics.map((topic) => phone.at(cluster.nodes[1]!).device(topic)),
  )
  await using desk = await alice.device('account')
  await desk.done('revoke', { session_id: phone.session.id })
  await Promise.all(sockets.map((socket) => socket.disconnected(SOON_MS)))
  expect(desk.connected).toBe(true)
})

test('a deleted account loses its sockets on the other node', async () => {
  const bob = await signUp(cluster.nodes[0]!)
  const sockets = await Promise.all(topics.map((topic) => bob.at(cluster.nodes[1]!).device(topic)))
  expect((await bob.rest('DELETE', '/users/me', { password: bob.password })).status).toBe(204)
  await Promise.all(sockets.map((socket) => socket.disconnected(SOON_MS)))
})
