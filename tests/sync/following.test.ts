// The client's rules in the contract, one by one.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { WireChange } from '@lockstep/protocol/change'
import { SimulatedUser, type Device } from './simulated-user.ts'
import { noFaults } from './fake-wire.ts'

const prefer = (user: SimulatedUser, value: number): WireChange =>
  user.server.append('preferences', {
    op: 'updated',
    entity_id: newId(),
    version: user.server.preferences.version + 1,
    data: { patch: { value } },
  })
const preferred = ({ engine }: Device) => engine.preferences.value.value

test('CLIENT-1: a lost change is asked for when the next one shows the gap', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.faults = { ...noFaults, drops: (what) => what === 'change' }
  prefer(user, 1)
  await user.time.pass(100)
  expect(preferred(device)).toBeUndefined()
  device.wire.faults = noFaults
  prefer(user, 2)
  await user.time.pass(100)
  expect(preferred(device)).toBe(2)
  expect(device.engine.preferences.version).toBe(3)
})

test('CLIENT-1: a lost last change is noticed by the next head', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.faults = { ...noFaults, drops: (what) => what === 'change' }
  prefer(user, 1)
  await user.time.pass(26_000)
  expect(preferred(device)).toBe(1)
})

test('a nudge finds a lost last change at once', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.faults = { ...noFaults, drops: (what) => what === 'change' }
  prefer(user, 1)
  device.engine.nudge()
  await user.time.pass(100)
  expect(preferred(device)).toBe(1)
})

test('CLIENT-1: changes that arrive twice or in the wrong order are applied once and in order', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  let delay = 100
  device.wire.faults = { ...noFaults, delay: () => (delay -= 10), doubles: () => true }
  for (let value = 1; value <= 4; value++) prefer(user, value)
  await user.time.pass(1_000)
  expect(device.engine.preferences.cursor).toEqual(user.server.head('preferences'))
  expect(preferred(device)).toBe(4)
  expect(device.engine.preferences.version).toBe(5)
})

test('a device that comes back is caught up by several syncs without loading again', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.goOffline()
  for (let value = 1; value <= 30; value++) prefer(user, value)
  user.server.requests.length = 0
  device.wire.goOnline()
  await user.quiet()
  expect(preferred(device)).toBe(30)
  expect(user.server.requests).toEqual([])
})

test('a promised sync that never arrives is requested', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.goOffline()
  for (let value = 1; value <= 30; value++) prefer(user, value)
  let pieces = 0
  device.wire.faults = {
    ...noFaults,
    drops: (what) => what === 'sync' && pieces++ > 4 && pieces < 10,
  }
  device.wire.goOnline()
  await user.time.until(() => preferred(device) === 30, 30_000)
})

test('CLIENT-7: with a cursor older than the log, everything is loaded again', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const { id } = device.engine.conversations.create({ title: 'kept' })
  await user.quiet()
  device.wire.goOffline()
  user.server.command('conversations', 'update', {
    conversation_id: id,
    title: 'renamed',
    mutation_id: newId(),
  })
  user.server.expire('conversations', true)
  device.wire.goOnline()
  await user.quiet()
  expect(device.engine.conversations.get(id)?.title).toBe('renamed')
})

test('CLIENT-7: after a restart of the log, everything is loaded again and followed from there', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  prefer(user, 1)
  await user.quiet()
  user.server.newEpoch()
  device.wire.cut()
  await user.quiet()
  prefer(user, 2)
  await user.quiet()
  expect(device.engine.preferences.cursor?.epoch).toBe(user.server.epoch)
  expect(preferred(device)).toBe(2)
})

test('CLIENT-3: changes that arrive during the first load are in it or applied after it', async () => {
  await using user = new SimulatedUser()
  const device = await user.device({ live: false })
  for (let value = 1; value <= 20; value++) {
    prefer(user, value)
    await user.time.pass(3)
  }
  await user.quiet()
  expect(preferred(device)).toBe(20)
})

test('CLIENT-2: a change of a conversation that is on no loaded page loads the conversation', async () => {
  await using user = new SimulatedUser()
  const writer = await user.device()
  const ids = Array.from(
    { length: 6 },
    (_, i) => writer.engine.conversations.create({ title: `${i}` }).id,
  )
  await user.quiet()
  const reader = await user.device()
  expect(reader.engine.conversations.list('active').items).toHaveLength(3)
  writer.engine.conversations.rename(ids[0]!, 'first again')
  await user.quiet()
  expect(reader.engine.conversations.list('active').items[0]?.title).toBe('first again')
})

test('CLIENT-2: content that retention removed is loaded, purged content is not', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const [kept, gone] = ['kept', 'gone'].map(
    (title) => device.engine.conversations.create({ title }).id,
  )
  await user.quiet()
  device.wire.goOffline()
  const command = (name: string, payload: object) =>
    user.server.command('conversations', name, { ...payload, mutation_id: newId() })
  command('update', { conversation_id: kept, title: 'kept on' })
  command('update', { conversation_id: gone, title: 'doomed' })
  command('purge', { conversation_id: gone })
  user.server.expire('conversations', false)
  user.server.requests.length = 0
  device.wire.goOnline()
  await user.quiet()
  expect(device.engine.conversations.get(kept!)?.title).toBe('kept on')
  expect(device.engine.conversations.get(gone!)).toBeUndefined()
  expect(user.server.requests.filter((request) => request.includes(gone!))).toEqual([])
})
