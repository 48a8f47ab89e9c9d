// A node runs beside a node of a newer version, which writes ops that the older one doesn't know.
// The older node must not treat such an entry as projected.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Topic } from '@lockstep/protocol/topics'
import { toEntry } from '../../realtime/log/entry.ts'
import { insertChanges, topicKey } from '../../realtime/store/changes.ts'
import { advanceHeads, readHead } from '../../realtime/store/heads.ts'
import { eventually } from '../harness/eventually.ts'
import { by, entriesOf, createLogFixture, type LogFixture } from './log-fixture.ts'

let fixture: LogFixture
beforeAll(async () => {
  fixture = await createLogFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())

const unavailable = { code: 'unavailable', extra: { retry_after_ms: 1_000 } }

/** Inserts an entry at the head, as a newer node does before it projects the entry. */
async function writtenByNewer(user: string, topic: Topic, entity_id: string) {
  const { log } = fixture.node()
  const { epoch, seq } = await log.head(user, topic)
  const position = { topic, epoch, seq: seq + 1, at: new Date() }
  const decision = { op: 'folded', entity_id, version: 2, data: { title: 'Folded' } }
  const entry = toEntry(by(user), position, { mutation_id: newId(), fingerprint: 'f' }, decision)
  expect(await insertChanges(fixture.database, [entry])).toEqual([{ is: 'inserted' }])
  return entry
}
/** A head is only a note, so that the projection doesn't wait for it. */
const applied = async (user: string, topic: Topic) =>
  (await readHead(fixture.database, topicKey(user, topic)))!.applied

/** A user with one conversation whose newest change has an op that this version doesn't know. */
async function withNewer() {
  const user = await fixture.user()
  const id = newId()
  const [writer, side] = [fixture.node(), fixture.node()]
  await side.log.projectToHead(user, 'conversations') // its cached head is about to be stale
  await writer.conversations.change('create', by(user), { id, title: 'Known' })
  const entry = await writtenByNewer(user, 'conversations', id)
  return { user, id, entry, ...side }
}

test('LOG-8: documents follow the log up to the unknown entry, and whatever needs later entries is unavailable', async () => {
  const { user, id, log, conversations } = await withNewer()
  for (let turn = 0; turn < 2; turn++) {
    await expect(log.projectToHead(user, 'conversations')).rejects.toMatchObject(unavailable)
    await expect(conversations.get(user, id, {})).rejects.toMatchObject(unavailable)
    expect(await fixture.database.conversations.findOne({ user_id: user })).toMatchObject({
      title: 'Known',
      seq: 1,
    })
    expect(await applied(user, 'conversations')).toBe(1)
  }
})

test('LOG-8: a command is not decided without the unknown entry, and appends nothing after it', async () => {
  const { user, id, conversations } = await withNewer()
  const rename = { conversation_id: id, title: 'Renamed' }
  await expect(conversations.change('update', by(user), rename)).rejects.toMatchObject(unavailable)
  await expect(conversations.change('create', by(user), {})).rejects.toMatchObject(unavailable)
  expect((await entriesOf(fixture.database, user)).map(({ op }) => op)).toEqual([
    'created',
    'folded',
  ])
})

test('LOG-8: devices get the unknown entry, and other topics and users are served', async () => {
  const { user, entry, log, conversations } = await withNewer()
  expect(await log.head(user, 'conversations')).toMatchObject({ seq: 2 })
  expect(
    (await log.heads([topicKey(user, 'conversations')])).get(topicKey(user, 'conversations'))!.seq,
  ).toBe(2)
  const { changes, reset } = await log.range(user, 'conversations', 1)
  expect([reset, changes]).toMatchObject([
    false,
    [{ seq: 2, op: 'folded', mutation_id: entry.mutation_id }],
  ])
  await log.projectToHead(user, 'preferences')
  const other = await fixture.user()
  await conversations.change('create', by(other), {})
  expect(await log.projectToHead(other, 'conversations')).toMatchObject({ seq: 1 })
})

test('LOG-8: once a newer node has projected the entry, this node continues', async () => {
  const { user, id, entry, log, conversations } = await withNewer()
  await expect(log.projectToHead(user, 'conversations')).rejects.toMatchObject(unavailable)
  await fixture.database.conversations.updateOne(
    { user_id: user },
    { $set: { title: 'Folded', version: 2, seq: 2 } },
  )
  const advance = { key: topicKey(user, 'conversations'), seq: entry.seq, at: entry.at }
  await advanceHeads(fixture.database, [{ ...advance, closed: false }], { durable: true })
  expect(await conversations.get(user, id, {})).toMatchObject({
    title: 'Folded',
    version: 2,
    seq: 2,
  })
  const { seq, version } = await conversations.change('update', by(user), {
    conversation_id: id,
    pinned: true,
  })
  expect([seq, version]).toEqual([3, 3])
  expect(await log.projectToHead(user, 'conversations')).toMatchObject({ seq: 3 })
  await expect.poll(() => applied(user, 'conversations')).toBe(3)
})

test('LOG-8: a node that starts projects entries that another node left unprojected, without waiting for a reader', async () => {
  const { user, id, entry } = await withNewer()
  const other = await fixture.user()
  const { epoch } = await fixture.node().log.head(other, 'conversations')
  const decision = {
    op: 'created',
    entity_id: id,
    version: 1,
    data: {
      ...(await fixture.database.changes.findOne({ user_id: user, seq: 1 }))!.data,
      user_id: other,
    },
  }
  const position = { topic: 'conversations' as const, epoch, seq: 1, at: entry.at }
  await insertChanges(fixture.database, [
    toEntry(by(other), position, { mutation_id: newId(), fingerprint: 'f' }, decision),
  ])
  const { log } = fixture.node()
  await log.projectAbandoned()
  await eventually(async () => expect(await applied(other, 'conversations')).toBe(1))
  await eventually(async () =>
    expect(await applied(user, 'conversations'), 'up to the unknown entry').toBe(1),
  )
  expect(await fixture.database.conversations.findOne({ user_id: other })).toMatchObject({
    title: 'Known',
    seq: 1,
  })
})

test('the topic account never waits for a newer node, because its entries only inform devices', async () => {
  const user = await fixture.user()
  await writtenByNewer(user, 'account', user)
  const { log } = fixture.node()
  expect(await log.projectToHead(user, 'account')).toMatchObject({ seq: 1 })
  await expect.poll(() => applied(user, 'account')).toBe(1)
})
