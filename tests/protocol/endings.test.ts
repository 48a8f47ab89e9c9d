// How connections end: the node stops, or the session ends.
import { describe, expect, test } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import { topics } from '@lockstep/protocol/topics'
import { openClient } from '../harness/database.ts'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { timeFor } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const gateway = {
  ...gatewaySettings,
  timings: { ...gatewaySettings.timings, sessions: 100, quietHead: 100 },
}
const shared = sharedNodes(1, { options: { gateway } })
const everywhere = (person: Person) => Promise.all(topics.map((topic) => person.device(topic)))
const online = (devices: { connected: boolean }[]) => devices.map(({ connected }) => connected)

describe('a node that stops', () => {
  test('warns its devices, refuses new ones and projects what it acked; devices continue at another node', async () => {
    const node = await startNode(shared.database, { options: { drainMs: 1_000 } })
    const alice = await signUp(node, 'alice')
    await using follower = await Follower.start(alice, 'conversations')
    const { device } = follower
    const { seq } = await device.done('create', { title: 'Just in time' })
    const stopped = node.stop()
    expect(await device.next('draining')).toEqual({ reconnect_within_ms: 1_000 })
    await expect(alice.device('conversations')).rejects.toMatchObject({
      data: { code: 'unavailable', status: 503 },
    })
    await follower.leave()
    await stopped
    await expect(alice.device('conversations')).rejects.toThrow()

    const moved = alice.at(shared.node)
    await moved.ask('createConversation', { body: { title: 'Elsewhere' } })
    await follower.join(moved)
    await follower.caughtUp(seq + 1)
    expect(follower.state.map(({ title }) => title).toSorted()).toEqual([
      'Elsewhere',
      'Just in time',
    ])
    expect(follower.state).toEqual(await storedState(moved, 'conversations'))
  })

  test('disconnects the devices that stay, and a second stop waits for the first', async () => {
    const node = await startNode(shared.database, { options: { drainMs: 100 } })
    const alice = await signUp(node, 'alice')
    const devices = await everywhere(alice)
    await Promise.all([node.stop(), node.stop()])
    await Promise.all(devices.map((device) => device.disconnected()))
  })
})

describe('a session that ends', () => {
  test('because its user revoked it, over HTTP or a socket, loses its sockets at once, in all namespaces', async () => {
    const alice = await signUp(shared.node, 'alice')
    await using account = await alice.device('account')
    for (const revoke of [
      (id: string) => alice.ask('revokeSession', { params: { id } }),
      (session_id: string) => account.done('revoke', { session_id }),
    ]) {
      const lost = await alice.signIn()
      const devices = await everywhere(lost)
      await revoke(lost.session.id)
      await Promise.all(devices.map((device) => device.disconnected(1_000)))
      await expect(lost.device('account')).rejects.toMatchObject({
        data: { code: 'unauthenticated' },
      })
    }
    expect(account.connected).toBe(true)
  })

  test('because of a changed password loses its sockets; the session that changed it stays', async () => {
    const alice = await signUp(shared.node, 'alice')
    const other = await everywhere(await alice.signIn())
    const own = await everywhere(alice)
    const body = { current_password: alice.password, new_password: `${alice.password}!` }
    await alice.ask('changePassword', { body })
    await Promise.all(other.map((device) => device.disconnected(1_000)))
    expect(online(own)).toEqual(topics.map(() => true))
    for (const device of own) device.close()
  })

  test('with its account loses every socket within a second; each device learns why, and nobody can sign in any more', async () => {
    const alice = await signUp(shared.node, 'alice')
    const devices = [...(await everywhere(alice)), ...(await everywhere(await alice.signIn()))]
    await alice.ask('deleteMe', { body: { password: alice.password } })
    await Promise.all(devices.map((device) => device.disconnected(1_000)))
    for (const { inbox } of devices)
      expect(inbox.all<WireChange>('change').at(-1)).toMatchObject({ op: 'closed' })
    await expect(alice.device('account')).rejects.toMatchObject({
      data: { code: 'unauthenticated' },
    })
    await expect(alice.signIn()).rejects.toThrow('invalid_credentials')
  })

  test('only in the database, as if no node had been told, loses its sockets at the next check', async () => {
    const alice = await signUp(shared.node, 'alice')
    const devices = await everywhere(alice)
    const other = await (await alice.signIn()).device('account')
    await using client = await openClient(shared.database.url)
    await client.db().collection<{ _id: string }>('sessions').deleteOne({ _id: alice.session.id })
    await Promise.all(devices.map((device) => device.disconnected(5_000)))
    expect(other.connected).toBe(true)
    other.close()
  })

  test('by expiry loses its sockets at that time', async () => {
    const alice = await signUp(shared.node, 'alice')
    await using client = await openClient(shared.database.url)
    const sessions = client.db().collection<{ _id: string; expires_at: Date }>('sessions')
    const joining = await timeFor(() => alice.device('account'), 1_000)
    await sessions.updateOne(
      { _id: alice.session.id },
      { $set: { expires_at: new Date(Date.now() + joining) } },
    )
    await using device = await alice.device('account')
    expect(device.connected).toBe(true)
    await device.disconnected(joining + 5_000)
    await expect(alice.device('account')).rejects.toMatchObject({
      data: { code: 'unauthenticated' },
    })
    expect((await alice.rest('GET', '/users/me')).status).toBe(401)
  })
})
