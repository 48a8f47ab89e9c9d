import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { startHousekeeping, TRASH_DAYS } from '../../realtime/commands/housekeeping.ts'
import { writeDocuments } from '../../realtime/log/projection/write-documents.ts'
import { createStateCaches } from '../../realtime/log/topic-table.ts'
import type { ChangeDocument } from '../../realtime/store/documents.ts'
import type { Conversations } from '../../realtime/commands/conversations.ts'
import { eventually } from '../harness/eventually.ts'
import { by, entriesOf, createLogFixture, logger, type LogFixture } from './log-fixture.ts'

let fixture: LogFixture
beforeAll(async () => {
  fixture = await createLogFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())

const DAY = 24 * 3_600_000
const documentsOf = async (user_id: string) => ({
  conversations: await fixture.database.conversations.find({ user_id }).sort({ _id: 1 }).toArray(),
  messages: await fixture.database.messages.find({ user_id }).sort({ _id: 1 }).toArray(),
})

/** A few commands on one conversation. Some of them find nothing to change. */
async function live(
  conversations: Conversations,
  user: string,
  id: string,
  deeds: readonly number[],
): Promise<void> {
  const messages: string[] = []
  for (const [index, deed] of deeds.entries()) {
    const one = { conversation_id: id }
    if (deed === 0)
      await conversations.change('update', by(user), { ...one, title: `title ${index}` })
    else if (deed === 1 && messages.length > 0)
      await conversations.change('update', by(user), {
        ...one,
        messages: [
          { id: messages[index % messages.length]!, role: 'user', content: `edit ${index}` },
        ],
      })
    else {
      const message = { id: newId(), role: 'user' as const, content: `text ${index}` }
      messages.push(message.id)
      await conversations.change('append', by(user), { ...one, message })
    }
  }
}

/** Projects entries of the topic conversations, as a node does that has only read the log. */
function project(
  database: LogFixture['database'],
  user_id: string,
  entries: ChangeDocument[],
): Promise<void> {
  const last = entries.at(-1)!
  const head = {
    ...{ key: `${user_id}:conversations`, user_id, topic: 'conversations' as const },
    ...{ epoch: last.epoch, seq: last.seq, at: last.at.getTime(), applied: 0 },
    total_bytes: 0,
    ...{ tail: entries, closed: false, hasUnknownOps: false },
  }
  return writeDocuments(database, createStateCaches(), [{ head, entries }])
}

/** The database of a node that stalls after its last read and before its first write. */
function stalling(database: LogFixture['database']) {
  const reached = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const bulkWrite: typeof database.messages.bulkWrite = async (...writes) => {
    reached.resolve()
    await gate.promise
    return database.messages.bulkWrite(...writes)
  }
  const messages = { bulkWrite } as typeof database.messages
  return { database: { ...database, messages }, reached: reached.promise, goOn: gate.resolve }
}

describe('documents', () => {
  test('LOG-5: projecting any stretch of the log again, at any time, changes nothing', async () => {
    const { log, conversations } = fixture.node()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }),
        fc.nat(20),
        fc.nat(20),
        async (deeds, x, y) => {
          const user = await fixture.user()
          const id = newId()
          await conversations.change('create', by(user), { id })
          await live(conversations, user, id, deeds)
          await log.projectToHead(user, 'conversations')
          const before = await documentsOf(user)
          const entries = await entriesOf(fixture.database, user)
          const [from, to] = [Math.min(x, y) % entries.length, Math.max(x, y) % entries.length]
          if (from <= to) await project(fixture.database, user, entries.slice(from, to + 1))
          expect(await documentsOf(user)).toEqual(before)
        },
      ),
      { numRuns: 15 },
    )
  })

  test('LOG-5: documents of which any part lags behind the log are brought up to it', async () => {
    const { log, conversations } = fixture.node()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(3), { minLength: 2, maxLength: 10 }),
        fc.nat(10),
        async (deeds, cut) => {
          const user = await fixture.user()
          const id = newId()
          await conversations.change('create', by(user), { id })
          await live(conversations, user, id, deeds)
          await log.projectToHead(user, 'conversations')
          const before = await documentsOf(user)
          const entries = await entriesOf(fixture.database, user)
          // the documents that a node leaves if it dies after the messages and before their
          // conversation
          await fixture.database.conversations.deleteMany({ user_id: user })
          await project(fixture.database, user, entries.slice(0, 1 + (cut % entries.length)))
          await project(fixture.database, user, entries)
          expect(await documentsOf(user)).toEqual(before)
        },
      ),
      { numRuns: 15 },
    )
  })

  test('LOG-5: late writes of a node that stalled replace nothing newer', async () => {
    const { log, conversations } = fixture.node()
    const user = await fixture.user()
    const id = newId()
    const message = { id: newId(), role: 'user' as const, content: 'first' }
    await conversations.change('create', by(user), { id, title: 'one', messages: [message] })
    await conversations.change('update', by(user), { conversation_id: id, title: 'two' })
    const entries = await entriesOf(fixture.database, user)
    await log.projectToHead(user, 'conversations')
    // as if nothing had been projected
    await fixture.database.conversations.deleteMany({ user_id: user })
    await fixture.database.messages.deleteMany({ user_id: user })

    const stalled = stalling(fixture.database)
    const late = project(stalled.database, user, entries)
    await stalled.reached
    await project(fixture.database, user, entries)
    const edit = { ...message, content: 'second' }
    await conversations.change('update', by(user), {
      conversation_id: id,
      title: 'three',
      messages: [edit],
    })
    await log.projectToHead(user, 'conversations')
    const newest = await documentsOf(user)
    expect(newest).toMatchObject({
      conversations: [{ title: 'three', seq: 3 }],
      messages: [{ content: 'second', seq: 3 }],
    })
    stalled.goOn()
    await late
    expect(await documentsOf(user)).toEqual(newest)
  })

  test('entries that a node left unprojected are projected by the next reader on another node', async () => {
    const user = await fixture.user()
    const { conversations } = fixture.node()
    const { data } = await conversations.change('create', by(user), { title: 'here' })
    const { items } = await fixture.node().conversations.list(user, { limit: 10, state: 'active' })
    expect(items).toEqual([data])
  })

  test('entries that a node left unprojected are projected by the holder of the tail within seconds', async () => {
    const user = await fixture.user()
    const [dead, holder] = [fixture.node(), fixture.node()]
    await fixture.database.heads.updateOne(
      { _id: `${user}:conversations` },
      { $set: { applied: 0 } },
    )
    await dead.conversations.change('create', by(user), {})
    await eventually(async () => (await documentsOf(user)).conversations.length === 1)
    await fixture.database.conversations.deleteMany({ user_id: user })
    await fixture.database.heads.updateOne(
      { _id: `${user}:conversations` },
      { $set: { applied: 0 } },
    )
    holder.log.noteSeen(user, 'conversations', 1)
    await eventually(async () => (await documentsOf(user)).conversations.length === 1, {
      within: 8_000,
    })
  })

  test('heads are those of the logs, however far the documents lag behind', async () => {
    const { log, conversations } = fixture.node()
    const users = [await fixture.user(), await fixture.user(), await fixture.user()]
    const keys = users.map((user) => `${user}:conversations`)
    for (const user of users.slice(1)) {
      for (let count = 0; count < 3; count++) await conversations.change('create', by(user), {})
      await log.projectToHead(user, 'conversations')
    }
    await fixture.database.heads.updateOne({ _id: keys[2]! }, { $set: { applied: 1 } })
    const heads = await fixture.node().log.heads([...keys, `${newId()}:conversations`])
    expect([...heads.keys()].toSorted()).toEqual(keys.toSorted())
    expect(keys.map((key) => heads.get(key)!.seq)).toEqual([0, 3, 3])
  })

  test('a purge leaves a tombstone, no message, and entries without content', async () => {
    const user = await fixture.user()
    const { log, conversations } = fixture.node()
    const id = newId()
    await conversations.change('create', by(user), {
      id,
      title: 'secret',
      messages: [{ role: 'user', content: 'secret' }],
    })
    await conversations.change('delete', by(user), { conversation_id: id })
    await conversations.change('purge', by(user), { conversation_id: id })
    await log.projectToHead(user, 'conversations')
    const stored = JSON.stringify([
      await documentsOf(user),
      await entriesOf(fixture.database, user),
    ])
    expect(stored).not.toContain('secret')
    const { changes } = await log.range(user, 'conversations', 0)
    expect(changes.map(({ op, stripped }) => [op, stripped])).toEqual([
      ['created', true],
      ['deleted', true],
      ['purged', true],
    ])
    await expect(conversations.change('create', by(user), { id })).rejects.toMatchObject({
      code: 'id_taken',
    })
    await expect(
      conversations.change('restore', by(user), { conversation_id: id }),
    ).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('housekeeping', () => {
  const keep = (conversations: Conversations) =>
    startHousekeeping(fixture.database, conversations, { logRetentionDays: 90, logger })

  test('purges conversations that have been in the trash for 30 days, unless they were restored', async () => {
    const user = await fixture.user()
    const { log, conversations } = fixture.node()
    const [gone, kept, live] = [newId(), newId(), newId()]
    for (const id of [gone, kept, live]) {
      await conversations.change('create', by(user), { id })
      if (id !== live) await conversations.change('delete', by(user), { conversation_id: id })
    }
    await log.projectToHead(user, 'conversations')
    const housekeeping = keep(conversations)
    await housekeeping.run(Date.now() + (TRASH_DAYS - 1) * DAY)
    expect((await conversations.list(user, { limit: 9, state: 'trash' })).items).toHaveLength(2)
    // restored a moment ago: the document that housekeeping reads still has it in the trash
    await conversations.change('restore', by(user), { conversation_id: kept })
    await housekeeping.run(Date.now() + (TRASH_DAYS + 1) * DAY)
    expect((await conversations.list(user, { limit: 9, state: 'trash' })).items).toEqual([])
    const { items } = await conversations.list(user, { limit: 9, state: 'active' })
    expect(items.map(({ id }) => id).sort()).toEqual([kept, live].sort())
    await housekeeping.stop()
  })

  test('removes the content of entries older than retention, and a device with an older cursor has to load again', async () => {
    const user = await fixture.user()
    const { log, conversations } = fixture.node()
    const { data } = await conversations.change('create', by(user), { title: 'kept' })
    await log.projectToHead(user, 'conversations')
    const housekeeping = keep(conversations)
    await housekeeping.run(Date.now() + 89 * DAY)
    expect(await log.range(user, 'conversations', 0)).toMatchObject({ reset: false, to: 1 })
    await housekeeping.run(Date.now() + 91 * DAY)
    expect(await log.range(user, 'conversations', 0)).toMatchObject({ reset: true, changes: [] })
    const [entry] = await entriesOf(fixture.database, user)
    expect(entry).toMatchObject({ seq: 1, op: 'created', stripped: true, expired: true })
    expect(entry).not.toHaveProperty('data')
    expect(await conversations.get(user, data!.id)).toMatchObject({ title: 'kept' })
    await housekeeping.stop()
  })

  test('removes a message that a stalled node wrote back after a purge', async () => {
    const user = await fixture.user()
    const { log, conversations } = fixture.node()
    const id = newId()
    await conversations.change('create', by(user), {
      id,
      messages: [{ role: 'user', content: 'late' }],
    })
    await log.projectToHead(user, 'conversations')
    const [message] = (await documentsOf(user)).messages
    await conversations.change('purge', by(user), { conversation_id: id })
    await log.projectToHead(user, 'conversations')
    await fixture.database.messages.insertOne(message!)
    const housekeeping = keep(conversations)
    await housekeeping.run(Date.now())
    expect((await documentsOf(user)).messages).toEqual([])
    await housekeeping.stop()
  })
})
