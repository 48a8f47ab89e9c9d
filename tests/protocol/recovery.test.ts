import { expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()

test('GATE-7: Socket.IO never recovers a lost connection; the cursor brings what the device missed', async () => {
  const alice = await signUp(shared.node, 'alice')
  await using writer = await alice.device('conversations')
  await using reader = await alice.device('conversations')
  const { seq } = await writer.done('create', { title: 'seen' })
  const { epoch } = await reader.until('change', (change) => change.seq === seq)
  // The server sends no private session id, without which a client can't request a recovery.
  expect(reader.socket).not.toHaveProperty('_pid', expect.anything())

  reader.socket.io.engine.close()
  await eventually(() => !reader.socket.connected)
  const missed = await writer.done('create', { title: 'missed' })
  reader.socket.auth = { protocol: 1, since: { epoch, seq } }
  reader.socket.connect()
  const caughtUp = await reader.until('sync', ({ to }) => to === missed.seq)
  expect(reader.socket.recovered).not.toBe(true)
  expect(caughtUp.changes.map((change) => change.seq)).toEqual([missed.seq])
})
