import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Device } from '../harness/device.ts'
import { freshDatabase } from '../harness/database.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'

const ROUNDS = 60

test('P1: a killed node loses nothing that it has acked, and a retry on another node writes nothing twice', async () => {
  await using database = freshDatabase()
  await using steady = await startNode(database)
  await using mortal = await spawnNode(database)
  const alice = await signUp(steady, 'alice')
  const { id } = await alice.ask('createConversation')
  await using reader = await Follower.start(alice, 'conversations')
  const writer = await alice.at(mortal).device('conversations')

  const acked: string[] = []
  const unanswered: object[] = []
  const append = async (device: Device, payload: object & { message: { content: string } }) => {
    const ack = await device.command('append', payload)
    if (ack.ok) acked.push(payload.message.content)
    return ack.ok
  }
  for (let round = 0; round < ROUNDS; round++) {
    const message = { role: 'user', content: `${round}` }
    const payload = { mutation_id: newId(), conversation_id: id, message }
    if (round === ROUNDS / 2) setImmediate(() => mortal.process.signal('SIGKILL'))
    const answered = await append(writer, payload).catch(() => false)
    if (!answered) unanswered.push(payload)
    if (!writer.connected) break
  }
  await mortal.process.exited
  expect(acked.length).toBeGreaterThanOrEqual(ROUNDS / 2)
  expect(unanswered).toHaveLength(1)

  // The next reader sees all of it, whether it was projected or not.
  const { messages } = await alice.ask('getConversation', { params: { id } })
  expect(messages.map(({ content }) => content)).toEqual(expect.arrayContaining(acked))

  await using retry = await alice.device('conversations')
  for (const payload of unanswered) await retry.done('append', payload)
  const all = [
    ...acked,
    ...unanswered.map((payload) => (payload as { message: { content: string } }).message.content),
  ]
  await reader.caughtUp()
  expect(reader.state[0]?.messages.map(({ content }) => content)).toEqual(all)
  expect(reader.state).toEqual(await storedState(alice, 'conversations'))
  expect(reader.requests).toMatchObject({ loads: 1, entities: 0 })
})
