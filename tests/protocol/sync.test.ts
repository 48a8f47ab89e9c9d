import { beforeAll, expect, test } from 'vitest'
import { Sync } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Device } from '../harness/device.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
  for (const title of ['one', 'two', 'three'])
    await alice.ask('createConversation', { body: { title } })
  await alice.ask('putPreferences', { body: { theme: 'dark' } })
  await alice.ask('putPreferences', { body: { theme: 'light' } })
})
const heads: Record<Topic, number> = {
  conversations: 3,
  preferences: 2,
  agents: 0,
  account: 1,
  records: 0,
}
const firstSync = async (device: Device) => Sync.parse(await device.next('sync'))
const seqs = ({ changes }: Sync) => changes.map(({ seq }) => seq)

test.each(topics)('/%s without since: an empty sync at the head', async (topic) => {
  await using device = await alice.device(topic)
  const { epoch, ...sync } = await firstSync(device)
  expect(epoch).not.toBe('')
  expect(sync).toEqual({
    from: heads[topic],
    to: heads[topic],
    changes: [],
    more: false,
    reset: false,
  })
})

test('the epoch is the same for all topics and over HTTP', async () => {
  const { epoch } = await alice.ask('getMe')
  for (const topic of topics) {
    await using device = await alice.device(topic)
    expect((await firstSync(device)).epoch).toBe(epoch)
  }
  expect((await alice.ask('getPreferences')).epoch).toBe(epoch)
  expect((await alice.ask('listConversations')).epoch).toBe(epoch)
})

test.each([
  [0, [1, 2, 3]],
  [1, [2, 3]],
  [2, [3]],
])('since %i: everything after it, up to the head', async (seq, expected) => {
  const { epoch } = await alice.ask('getMe')
  await using device = await alice.device('conversations', { since: { epoch, seq } })
  const sync = await firstSync(device)
  expect(sync).toMatchObject({ epoch, from: seq, to: 3, more: false, reset: false })
  expect(seqs(sync)).toEqual(expected)
  expect(
    sync.changes.every((change) => change.topic === 'conversations' && change.epoch === epoch),
  ).toBe(true)
})

test('since the head: an empty sync, no reset', async () => {
  const { epoch } = await alice.ask('getMe')
  await using device = await alice.device('conversations', { since: { epoch, seq: 3 } })
  expect(await firstSync(device)).toEqual({
    epoch,
    from: 3,
    to: 3,
    changes: [],
    more: false,
    reset: false,
  })
})

test('a cursor above the head means reset', async () => {
  const { epoch } = await alice.ask('getMe')
  await using device = await alice.device('conversations', { since: { epoch, seq: 4 } })
  expect(await firstSync(device)).toMatchObject({ epoch, changes: [], reset: true })
})

test.each([0, 1, 3, 99])('a cursor of a foreign epoch means reset (seq %i)', async (seq) => {
  await using device = await alice.device('conversations', { since: { epoch: 'another', seq } })
  const sync = await firstSync(device)
  expect(sync).toMatchObject({ changes: [], reset: true })
  expect(sync.epoch).not.toBe('another')
})

test("changes that don't fit into one sync come in several, all with more except the last", async () => {
  const bob = await signUp(shared.node, 'bob')
  const { epoch } = await bob.ask('getMe')
  const content = 'x'.repeat(100_000)
  for (let i = 0; i < 5; i++)
    await bob.ask('createConversation', { body: { messages: [{ role: 'user', content }] } })
  await using device = await bob.device('conversations', { since: { epoch, seq: 0 } })
  await device.until('sync', ({ more }) => !more)
  const syncs = device.inbox.all<Sync>('sync')
  expect(syncs.length).toBeGreaterThan(1)
  expect(syncs.map(({ more }) => more)).toEqual(syncs.map((_, index) => index < syncs.length - 1))
  expect(syncs.flatMap(seqs)).toEqual([1, 2, 3, 4, 5])
  for (const [index, { from, to, changes }] of syncs.entries()) {
    expect(from).toBe(index === 0 ? 0 : syncs[index - 1]!.to)
    expect(to).toBe(changes.at(-1)?.seq)
  }
})

test('changes that are made while devices join arrive once and in order, live or in a sync', async () => {
  const bob = await signUp(shared.node, 'bob')
  const { epoch } = await bob.ask('getMe')
  const total = 60
  await using writer = await bob.device('preferences')
  const devices: Device[] = []
  for (let n = 1; n <= total; n++) {
    const written = writer.done('update', { patch: { n } })
    if (n % 6 === 0)
      devices.push(await bob.device('preferences', { since: { epoch, seq: 0 }, early: true }))
    if (n % 3 === 0) await written
  }
  for (const device of devices) {
    await eventually(() => device.changes.at(-1)?.seq === total)
    expect(device.changes.map(({ seq }) => seq)).toEqual(
      Array.from({ length: total }, (_, index) => index + 1),
    )
    device.close()
  }
})
