// A node beside one of a newer version, which has written what this one doesn't know: it must not
// take it for done.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Topic } from '@lockstep/protocol/topics'
import { toEntry } from '../../realtime/log/entry.ts'
import { insertChange, topicKey } from '../../realtime/store/changes.ts'
import { advanceHead, readHead } from '../../realtime/store/heads.ts'
import { eventually } from '../harness/eventually.ts'
import { by, entriesOf, kit, type Kit } from './kit.ts'

let fixture: Kit
beforeAll(async () => {
  fixture = await kit()
})
afterAll(() => fixture[Symbol.asyncDispose]())

const unavailable = { code: 'unavailable', extra: { retry_after_ms: 1_000 } }

/** What a newer node inserts behind the head, before it projects it. */
async function writtenByNewer(user: string, topic: Topic, entity_id: string) {
  const { log } = fixture.side()
  const { epoch, seq } = await log.head(user, topic)
  const position = { topic, epoch, seq: seq + 1, at: new Date() }
  const decision = { op: 'folded', entity_id, version: 2, data: { title: 'Folded' } }
  const entry = toEntry(by(user), position, { mutation_id: newId(), fingerprint: 'f' }, decision)
  expect(await insertChange(fixture.database, entry)).toBe(true)
  return entry
}
const applied = async (user: string, topic: Topic) =>
  (await readHead(fixture.database, topicKey(user, topic)))!.applied

/** A user with one conversation, whose next change this version doesn't know. */
async function withNewer() {
  const user = await fixture.user()
  const id = newId()
  const [writer, side] = [fixture.side(), fixture.side()]
  await side.log.projectToHead(user, 'conversations') // it remembers a head that is about to be old
  await writer.conversations.change('create', by(user), { id, title: 'Known' })
  const entry = await writtenByNewer(user, 'conversations', id)
  return { user, id, entry, ...side }
}

test('LOG-8: documents follow up to the entry that is not known, and whatever needs them further is unavailable', async () => {
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

test('LOG-8: a command decides nothing without it, and writes nothing behind it', async () => {
  const { user, id, conversations } = await withNewer()
  const rename = { conversation_id: id, title: 'Renamed' }
  await expect(conversations.change('update', by(user), rename)).rejects.toMatchObject(unavailable)
  await expect(conversations.change('create', by(user), {})).rejects.toMatchObject(unavailable)
  expect((await entriesOf(fixture.database, user)).map(({ op }) => op)).toEqual(['created', 'folded'])
})

test('LOG-8: devices are brought it all the same, and other topics and users are served', async () => {
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

test('LOG-8: once a newer node has projected it, this one goes on', async () => {
  const { user, id, entry, log, conversations } = await withNewer()
  await expect(log.projectToHead(user, 'conversations')).rejects.toMatchObject(unavailable)
  await fixture.database.conversations.updateOne(
    { user_id: user },
    { $set: { title: 'Folded', version: 2, seq: 2 } },
  )
  await advanceHead(fixture.database, topicKey(user, 'conversations'), entry.seq, entry.at, false)
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
  expect(await applied(user, 'conversations')).toBe(3)
})

test('LOG-8: a node looks at its start for what another has written and not projected, and nobody has to read it first', async () => {
  const { user, id, entry } = await withNewer()
  const other = await fixture.user()
  const { epoch } = await fixture.side().log.head(other, 'conversations')
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
  await insertChange(
    fixture.database,
    toEntry(by(other), position, { mutation_id: newId(), fingerprint: 'f' }, decision),
  )
  const { log } = fixture.side()
  await log.projectAbandoned()
  await eventually(async () => expect(await applied(other, 'conversations')).toBe(1))
  await eventually(async () =>
    expect(await applied(user, 'conversations'), 'up to what is not known').toBe(1),
  )
  expect(await fixture.database.conversations.findOne({ user_id: other })).toMatchObject({
    title: 'Known',
    seq: 1,
  })
})

test('of an account, whose entries only tell, nothing waits for a newer node', async () => {
  const user = await fixture.user()
  await writtenByNewer(user, 'account', user)
  const { log } = fixture.side()
  expect(await log.projectToHead(user, 'account')).toMatchObject({ seq: 1 })
  expect(await applied(user, 'account')).toBe(1)
})
