// A server of the next version sends changes and fields that this client doesn't know. The client
// must hold the server's state nevertheless.
import { expect, test } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import { newId } from '@lockstep/protocol/ids'
import { isConversation, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import { isKnown } from '@lockstep/protocol/known-change'
import { reduceRun } from '@lockstep/protocol/reduce/run'
import { topics } from '@lockstep/protocol/topics'
import { SimulatedUser } from './simulated-user.ts'

/** A conversation on a device and on the server. */
async function talking(user: SimulatedUser) {
  const device = await user.device()
  const { id } = device.engine.conversations.create({ title: 'before' })
  await user.quiet()
  const held = user.server.conversations.get(id)
  if (!isConversation(held)) throw new Error('it was not made')
  user.server.requests = []
  return { ...device, id, held }
}

test('CLIENT-2: a change of an unknown kind loads its conversation, which then follows the log again', async () => {
  await using user = new SimulatedUser()
  const { engine, id, held } = await talking(user)
  // Only a newer server knows what this op does.
  user.server.conversations.set(id, { ...held, title: 'merged', version: held.version + 1 })
  user.server.append('conversations', {
    op: 'merged',
    entity_id: id,
    version: held.version + 1,
    data: { with: newId() },
  })
  await user.quiet()
  expect(engine.conversations.get(id)?.title).toBe('merged')
  expect(
    user.server.requests.filter((request) => request.startsWith(`/conversations/${id}`)),
  ).toHaveLength(1)
  engine.conversations.rename(id, 'after')
  await user.quiet()
  expect(user.server.conversations.get(id)).toMatchObject({
    title: 'after',
    version: held.version + 2,
  })
  expect(engine.conversations.get(id)).toMatchObject({ title: 'after', version: held.version + 2 })
})

test('a change with an unknown field is applied in its other fields, and nothing is loaded', async () => {
  await using user = new SimulatedUser()
  const { engine, id, held } = await talking(user)
  const { message_count, preview, updated_at } = held
  const data = { title: 'renamed', colour: { hue: 3 }, message_count, preview, updated_at }
  user.server.append('conversations', {
    op: 'updated',
    entity_id: id,
    version: held.version + 1,
    data,
  })
  await user.quiet()
  expect(engine.conversations.get(id)?.title).toBe('renamed')
  expect(user.server.requests).toEqual([])
})

test('CLIENT-2: preferences and account are loaded for changes of an unknown kind too', async () => {
  await using user = new SimulatedUser()
  const { engine } = await user.device()
  const { server } = user
  const version = server.preferences.version + 1
  server.preferences = { preferences: { theme: 'restored' }, version }
  server.append('preferences', { op: 'rolled_back', entity_id: newId(), version, data: { to: 1 } })
  server.signedInAs = { ...server.signedInAs, username: 'grace' }
  server.append('account', {
    op: 'merged',
    entity_id: server.signedInAs.id,
    version: 9,
    data: { with: newId() },
  })
  await user.quiet()
  expect(engine.preferences.value).toEqual({ theme: 'restored' })
  expect(engine.account.user?.username).toBe('grace')
})

test('CLIENT-2: a record that was not found is looked for in every kind again', async () => {
  await using user = new SimulatedUser()
  const { engine } = await user.device({ records: ['note', 'folder'] })
  const { server } = user
  const id = newId()
  server.append('records', { op: 'reserved', entity_id: id, version: 1, data: {} })
  await user.quiet()
  expect(server.requests).toContain(`/records/folder/${id}?`)
  expect(engine.records.list('folder')).toEqual([])
  const at = '2030-01-01T00:00:00.000Z'
  const folder = { kind: 'folder', id, data: { name: 'Work' }, created_at: at, updated_at: at }
  server.records.set(id, { ...folder, version: 2 })
  server.append('records', { op: 'revived', entity_id: id, version: 2, data: {} })
  await user.quiet()
  expect(engine.records.get('folder', id)).toMatchObject({ data: { name: 'Work' }, version: 2 })
})

test('no reducer treats a change of an unknown kind as one that it knows', () => {
  const at = '2030-01-01T00:00:00.000Z'
  const change: WireChange = {
    topic: 'agents',
    epoch: 'e',
    seq: 2,
    at,
    op: 'paused',
    entity_id: newId(),
    version: 2,
    actor: { session_id: null, device: '' },
    data: { until: at },
  }
  const run = {
    id: change.entity_id,
    user_id: newId(),
    agent: 'demo',
    input: '',
    output: 'so far',
    status: 'running',
    conversation_id: null,
    message_id: null,
    started_at: at,
    ended_at: null,
    metadata: {},
    version: 1,
  } as const
  expect(reduceRun(run, change)).toEqual({ ...run, version: 2 })
  expect(reduceConversation(undefined, change)).toBeUndefined()
  for (const topic of topics) expect(isKnown({ ...change, topic })).toBe(false)
  expect(isKnown({ ...change, op: 'toString' })).toBe(false)
})
