// `lockstep audit`: prints the log, and finds damage in the log and in the documents.
import type { Collection, Document } from 'mongodb'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../harness/person.ts'
import { eventually } from '../harness/eventually.ts'
import { operatorFixture, type UsedAccount } from './operator-fixture.ts'

const { lockstep, createUsedAccount, collection } = operatorFixture()

describe('lockstep audit', () => {
  test('prints each entry as a line, and finds no fault in a used account', async () => {
    const { person } = await createUsedAccount('audited')
    const { code, lines, told } = await lockstep('audit', person.user.id)
    expect(told).toMatch(/^1 users, \d+ entries, 0 faults$/m)
    expect(code).toBe(0)
    const { items } = await person.ask('listActivity', { query: { limit: 200 } })
    const outlineOf = ({ topic, seq, op, version }: Record<string, unknown>) =>
      [topic, seq, op, version].join(' ')
    expect(lines.map(outlineOf).toSorted()).toEqual(items.map(outlineOf).toSorted())
    expect(JSON.stringify(lines)).not.toContain('SECRET')
    const withContent = await lockstep('audit', `${person.user.username}-2`, '--content')
    expect(JSON.stringify(withContent.lines)).toContain('SECRET')
  })

  type Damage = (person: Person, id: string, purged: string) => Promise<unknown>
  const prefix = (person: Person, topic: string) => ({ user_id: person.user.id, topic })
  const damages: [string, Damage, RegExp][] = [
    [
      'a missing entry',
      (p) => collection('changes').deleteOne({ ...prefix(p, 'conversations'), seq: 2 }),
      /seq 3 follows 1/,
    ],
    [
      'a version that does not follow from the one before',
      (p) =>
        collection('changes').updateOne(
          { ...prefix(p, 'preferences'), seq: 2 },
          { $set: { version: 7 } },
        ),
      /version 7 where 3 was expected/,
    ],
    [
      'an entry that is dated back',
      (p) =>
        collection('changes').updateOne(
          { ...prefix(p, 'conversations'), seq: 3 },
          { $set: { at: new Date(0) } },
        ),
      /dated before the previous/,
    ],
    [
      'content that was changed',
      (p, id) =>
        collection('changes').updateOne(
          { ...prefix(p, 'conversations'), entity_id: id, op: 'updated' },
          { $set: { 'data.title': 'Other' } },
        ),
      /the document differs from the log/,
    ],
    [
      'content that is missing without a mark',
      (p) =>
        collection('changes').updateOne(
          { ...prefix(p, 'conversations'), seq: 1 },
          { $unset: { data: '' } },
        ),
      /has no content/,
    ],
    [
      'a document that was changed by hand',
      (p, id) =>
        collection('conversations').updateOne(
          { _id: `${p.user.id}:${id}` as never },
          { $set: { title: 'Other' } },
        ),
      /the document differs from the log/,
    ],
    [
      'a message that was changed by hand',
      (p, id) =>
        collection('messages').updateOne(
          { user_id: p.user.id, conversation_id: id },
          { $set: { content: 'Other' } },
        ),
      /messages differ/,
    ],
    [
      'a document that is gone',
      (p, id) => collection('conversations').deleteOne({ _id: `${p.user.id}:${id}` as never }),
      /there is no document/,
    ],
    [
      'a purged message that came back',
      (p, _, id) =>
        collection('messages').insertOne({
          _id: `${p.user.id}:${id}:x` as never,
          user_id: p.user.id,
          conversation_id: id,
          position: 1,
          created_at: new Date(),
          updated_at: new Date(),
        }),
      /purged, but it has messages/,
    ],
    [
      'preferences that were changed by hand',
      (p) =>
        collection('users').updateOne(
          { _id: p.user.id as never },
          { $set: { preferences: { x: 1 } } },
        ),
      /the document differs from the log/,
    ],
  ]

  describe('of an account that is damaged and then repaired', () => {
    let damaged: UsedAccount
    let original: [Collection, Document[]][]
    const ownDocuments = () => ({
      $or: [{ user_id: damaged.person.user.id }, { _id: damaged.person.user.id as never }],
    })
    beforeAll(async () => {
      damaged = await createUsedAccount('damaged')
      // The heads are written last: from then on, no node writes these documents any more.
      await eventually(async () => {
        const user_id = damaged.person.user.id
        const heads = await collection('heads').find({ user_id }).toArray()
        const entries = await collection('changes').find({ user_id }).toArray()
        const isProjected = ({ topic, seq }: Document) =>
          heads.some(({ _id, applied }) => String(_id).endsWith(topic) && applied >= seq)
        return entries.every(isProjected)
      })
      const collections = ['changes', 'conversations', 'messages', 'users'].map((name) =>
        collection(name),
      )
      original = await Promise.all(
        collections.map(
          async (of) => [of, await of.find(ownDocuments()).toArray()] as [Collection, Document[]],
        ),
      )
    })
    afterEach(async () => {
      for (const [collection, documents] of original) {
        await collection.deleteMany(ownDocuments())
        if (documents.length > 0) await collection.insertMany(documents)
      }
      expect((await lockstep('audit', damaged.person.user.id)).code).toBe(0)
    })

    test.each(damages)('finds %s', async (_, damage, fault) => {
      await damage(damaged.person, damaged.id, damaged.purged)
      const { code, told } = await lockstep('audit', damaged.person.user.id)
      expect(told).toMatch(fault)
      expect(code).toBe(1)
    })
  })

  test('audits all users, including closed accounts', async () => {
    const [open, closed] = [await createUsedAccount('open'), await createUsedAccount('closed')]
    await closed.person.ask('deleteMe', { body: { password: closed.person.password } })
    const { code, lines } = await lockstep('audit', 'all')
    expect(code).toBe(0)
    const users = new Set(lines.map(({ user_id }) => user_id))
    expect(users).toContain(open.person.user.id)
    expect(users).toContain(closed.person.user.id)
  })
})
