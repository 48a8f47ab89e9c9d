// The client's rules in the contract, one by one.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { WireChange } from '@lockstep/protocol/change'
import { House, type Device } from './devices.ts'
import { noFaults } from './fake-wire.ts'

const prefer = (house: House, value: number): WireChange =>
  house.server.append('preferences', {
    op: 'updated',
    entity_id: newId(),
    version: house.server.preferences.version + 1,
    data: { patch: { value } },
  })
const preferred = ({ engine }: Device) => engine.preferences.value.value

test('CLIENT-1: a lost change is asked for when the next one shows the gap', async () => {
  await using house = new House()
  const device = await house.device()
  device.wire.faults = { ...noFaults, drops: (what) => what === 'change' }
  prefer(house, 1)
  await house.time.pass(100)
  expect(preferred(device)).toBeUndefined()
  device.wire.faults = noFaults
  prefer(house, 2)
  await house.time.pass(100)
  expect(preferred(device)).toBe(2)
  expect(device.engine.preferences.version).toBe(3)
})

test('CLIENT-1: a lost last change is noticed by the next head', async () => {
  await using house = new House()
  const device = await house.device()
  device.wire.faults = { ...noFaults, drops: (what) => what === 'change' }
  prefer(house, 1)
  await house.time.pass(26_000)
  expect(preferred(device)).toBe(1)
})

test('a nudge finds a lost last change at once', async () => {
  await using house = new House()
  const device = await house.device()
  device.wire.faults = { ...noFaults, drops: (what) => what === 'change' }
  prefer(house, 1)
  device.engine.nudge()
  await house.time.pass(100)
  expect(preferred(device)).toBe(1)
})

test('CLIENT-1: changes that arrive twice or in the wrong order are applied once and in order', async () => {
  await using house = new House()
  const device = await house.device()
  let delay = 100
  device.wire.faults = { ...noFaults, delay: () => (delay -= 10), doubles: () => true }
  for (let value = 1; value <= 4; value++) prefer(house, value)
  await house.time.pass(1_000)
  expect(device.engine.preferences.cursor).toEqual(house.server.head('preferences'))
  expect(preferred(device)).toBe(4)
  expect(device.engine.preferences.version).toBe(5)
})

test('a device that comes back is caught up by several syncs without loading again', async () => {
  await using house = new House()
  const device = await house.device()
  device.wire.goOffline()
  for (let value = 1; value <= 30; value++) prefer(house, value)
  house.server.requests.length = 0
  device.wire.goOnline()
  await house.quiet()
  expect(preferred(device)).toBe(30)
  expect(house.server.requests).toEqual([])
})

test('a promised sync that never arrives is requested', async () => {
  await using house = new House()
  const device = await house.device()
  device.wire.goOffline()
  for (let value = 1; value <= 30; value++) prefer(house, value)
  let pieces = 0
  device.wire.faults = {
    ...noFaults,
    drops: (what) => what === 'sync' && pieces++ > 4 && pieces < 10,
  }
  device.wire.goOnline()
  await house.time.until(() => preferred(device) === 30, 30_000)
})

test('CLIENT-7: with a cursor older than the log, everything is loaded again', async () => {
  await using house = new House()
  const device = await house.device()
  const { id } = device.engine.conversations.create({ title: 'kept' })
  await house.quiet()
  device.wire.goOffline()
  house.server.command('conversations', 'update', {
    conversation_id: id,
    title: 'renamed',
    mutation_id: newId(),
  })
  house.server.expire('conversations', true)
  device.wire.goOnline()
  await house.quiet()
  expect(device.engine.conversations.get(id)?.title).toBe('renamed')
})

test('CLIENT-7: after a restart of the log, everything is loaded again and followed from there', async () => {
  await using house = new House()
  const device = await house.device()
  prefer(house, 1)
  await house.quiet()
  house.server.newEpoch()
  device.wire.cut()
  await house.quiet()
  prefer(house, 2)
  await house.quiet()
  expect(device.engine.preferences.cursor?.epoch).toBe(house.server.epoch)
  expect(preferred(device)).toBe(2)
})

test('CLIENT-3: changes that arrive during the first load are in it or applied after it', async () => {
  await using house = new House()
  const device = await house.device({ live: false })
  for (let value = 1; value <= 20; value++) {
    prefer(house, value)
    await house.time.pass(3)
  }
  await house.quiet()
  expect(preferred(device)).toBe(20)
})

test('CLIENT-2: a change of a conversation that is on no loaded page loads the conversation', async () => {
  await using house = new House()
  const writer = await house.device()
  const ids = Array.from(
    { length: 6 },
    (_, i) => writer.engine.conversations.create({ title: `${i}` }).id,
  )
  await house.quiet()
  const reader = await house.device()
  expect(reader.engine.conversations.list('active').items).toHaveLength(3)
  writer.engine.conversations.rename(ids[0]!, 'first again')
  await house.quiet()
  expect(reader.engine.conversations.list('active').items[0]?.title).toBe('first again')
})

test('CLIENT-2: content that retention removed is loaded, purged content is not', async () => {
  await using house = new House()
  const device = await house.device()
  const [kept, gone] = ['kept', 'gone'].map(
    (title) => device.engine.conversations.create({ title }).id,
  )
  await house.quiet()
  device.wire.goOffline()
  const command = (name: string, payload: object) =>
    house.server.command('conversations', name, { ...payload, mutation_id: newId() })
  command('update', { conversation_id: kept, title: 'kept on' })
  command('update', { conversation_id: gone, title: 'doomed' })
  command('purge', { conversation_id: gone })
  house.server.expire('conversations', false)
  house.server.requests.length = 0
  device.wire.goOnline()
  await house.quiet()
  expect(device.engine.conversations.get(kept!)?.title).toBe('kept on')
  expect(device.engine.conversations.get(gone!)).toBeUndefined()
  expect(house.server.requests.filter((request) => request.includes(gone!))).toEqual([])
})
