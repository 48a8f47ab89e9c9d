// What must hold on all nodes at once: sign-outs, deleted accounts, rate limits and presence.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { topics } from '@lockstep/protocol/topics'
import { Refused } from '../harness/device.ts'
import { request, signUp } from '../harness/person.ts'
import { Cluster } from './cluster.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start(3)
}, 60_000)
afterAll(() => cluster?.[Symbol.asyncDispose]())

test('GATE-6: a revoked session loses its sockets on every node and topic at once, and no node accepts it', async () => {
  const alice = await signUp(cluster.nodes[0]!)
  const phone = await alice.signIn()
  const sockets = await Promise.all(
    cluster.nodes.flatMap((node) => topics.map((topic) => phone.at(node).device(topic))),
  )
  await using desk = await alice.at(cluster.nodes[1]!).device('account')
  await using own = await alice.at(cluster.nodes[2]!).device('conversations')
  const began = performance.now()
  await desk.done('revoke', { session_id: phone.session.id })
  await Promise.all(sockets.map((socket) => socket.disconnected()))
  expect(performance.now() - began).toBeLessThan(2_000)
  for (const node of cluster.nodes) {
    expect((await phone.at(node).rest('GET', '/users/me')).status).toBe(401)
    await expect(phone.at(node).device('account')).rejects.toBeInstanceOf(Refused)
  }
  expect(own.connected).toBe(true)
})

test('a deleted account is gone on every node at once', async () => {
  const bob = await signUp(cluster.nodes[0]!)
  const sockets = await Promise.all(
    cluster.nodes.map((node) => bob.at(node).device('conversations')),
  )
  const began = performance.now()
  const { status } = await bob.rest('DELETE', '/users/me', { password: bob.password })
  expect(status).toBe(204)
  await Promise.all(sockets.map((socket) => socket.disconnected()))
  expect(performance.now() - began).toBeLessThan(5_000)
  for (const node of cluster.nodes) {
    expect((await bob.at(node).rest('GET', '/conversations')).status).toBe(401)
    const again = { username: bob.user.username, password: bob.password }
    expect((await request(`${node.url}/auth/login`, 'POST', again)).status).toBe(401)
  }
})

test('password attempts are counted over all nodes together', async () => {
  const carol = await signUp(cluster.nodes[0]!)
  const guess = (n: number) =>
    request(`${cluster.nodes[n % 3]!.url}/auth/login`, 'POST', {
      username: carol.user.username,
      password: newId(),
    })
  const statuses: number[] = []
  for (let n = 0; n < 12; n++) statuses.push((await guess(n)).status)
  expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429])
})

test(
  'a device on a node that dies goes offline for the others within 30 s, and online when it reconnects',
  { timeout: 60_000 },
  async () => {
    const [steady, mortal] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]]
    const dora = await signUp(steady)
    const phone = await dora.signIn()
    const conversation_id = newId()
    await using desk = await dora.at(steady).device('account')
    const there = await phone.at(mortal).device('account')
    await there.command('viewing', { conversation_id })
    const { session_id } = await desk.until(
      'presence',
      ({ viewing }) => viewing === conversation_id,
    )
    expect(session_id).toBe(phone.session.id)
    await mortal.process.kill()
    const killed = performance.now()
    await desk.until(
      'presence',
      (presence) => presence.session_id === session_id && !presence.online,
      30_000,
    )
    expect(performance.now() - killed).toBeLessThan(30_000)
    const { items } = await dora.ask('listSessions')
    expect(items.find(({ id }) => id === session_id)).toMatchObject({ online: false })
    await using back = await phone.at(cluster.nodes[2]!).device('account')
    await desk.until(
      'presence',
      ({ connection_id, online }) => connection_id === back.socket.id && online,
    )
    expect(
      (await dora.ask('listSessions')).items.find(({ id }) => id === session_id),
    ).toMatchObject({ online: true })
    await cluster.respawn(mortal)
  },
)
