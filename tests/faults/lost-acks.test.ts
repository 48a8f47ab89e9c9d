import { beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'

const shared = sharedNodes(2)
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})
const portOf = ({ url }: { url: string }) => Number(new URL(url).port)

test('a device whose acks get lost repeats its commands on either node, and each counts once, in order', async () => {
  await using first = await Wire.to({ port: portOf(shared.nodes[0]!) })
  await using second = await Wire.to({ port: portOf(shared.nodes[1]!) })
  const wires = [first, second]
  const { id } = await alice.ask('createConversation')
  await using reader = await Follower.start(alice, 'conversations')

  let attempts = 0
  for (let n = 0; n < 12; n++) {
    const payload = {
      mutation_id: newId(),
      conversation_id: id,
      message: { role: 'user', content: `${n}` },
    }
    for (let lost = n % 3; ; lost--) {
      const wire = wires[attempts++ % 2]!
      const device = await alice.at({ url: `http://${wire.address}` }).device('conversations')
      if (lost <= 0) {
        await device.done('append', payload)
        device.close()
        break
      }
      // The command arrives. Its ack does not, because the line goes dead first.
      wire.pause('down')
      device.socket.emit('append', payload, () => undefined)
      await reader.device.until('change', ({ mutation_id }) => mutation_id === payload.mutation_id)
      wire.drop()
      wire.resume('down')
      await device.disconnected()
    }
  }
  expect(attempts).toBe(24)
  await reader.caughtUp()
  expect(reader.state[0]?.messages.map(({ content }) => Number(content))).toEqual(
    Array.from({ length: 12 }, (_, n) => n),
  )
  expect(reader.state).toEqual(await storedState(alice, 'conversations'))
})

test('a device whose line is cut at any moment holds what the database holds after it reconnects', async () => {
  await using wire = await Wire.to({ port: portOf(shared.node) })
  const bob = await signUp(shared.node, 'bob')
  const distant = bob.at({ url: `http://${wire.address}` })
  await using follower = await Follower.start(distant, 'preferences')
  await using writer = await bob.device('preferences')
  for (let round = 1; round <= 6; round++) {
    const written = Array.from({ length: 8 }, (_, n) =>
      writer.done('update', { patch: { round, n } }),
    )
    await written[round]
    wire.drop()
    await Promise.all(written)
    await follower.device.disconnected()
    await follower.leave()
    await follower.join(distant)
  }
  await follower.caughtUp()
  expect(follower.state).toEqual(await storedState(bob, 'preferences'))
  // Gaps, if any, were filled; nothing was loaded again, nothing was applied twice.
  expect(follower.requests.loads).toBe(1)
  expect(follower.applied).toEqual(Array.from({ length: 48 }, (_, n) => n + 1))
})
