// Fields of a document that are sealed together, and those that are stored as a digest: they read
// as what they were, also if an earlier version sealed them, and none is taken for another one.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Binary, Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fingerprintOf } from '../../realtime/log/entry.ts'
import { insertChanges, isMadeBy } from '../../realtime/store/changes.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import type { ChangeDocument } from '../../realtime/store/documents.ts'
import { writeMessages } from '../../realtime/store/messages.ts'
import { DataKeys } from '../../realtime/store/sealing/data-keys.ts'
import { kindOf, seal, toPlain } from '../../realtime/store/sealing/envelope.ts'
import { temporaryDirectory } from '../embedded/database.ts'
import { freshDatabase } from '../harness/database.ts'

const stack = new AsyncDisposableStack()
let database: Database
/** Another node of the same database and keys, which remembers nothing of the first one. */
let other: Database
beforeAll(async () => {
  const folder = join(stack.use(await temporaryDirectory()).path, 'keys')
  const { url } = stack.use(freshDatabase())
  const open = async () =>
    stack.adopt(await openDatabase(url, new DataKeys(folder)), (opened) => opened.close())
  database = await open()
  other = await open()
})
afterAll(() => stack.disposeAsync())

describe('Short fields of a document', () => {
  const write = async (user: string, content: string, metadata: object) => {
    const [conversation_id, id] = [randomUUID(), randomUUID()]
    const at = new Date(0).toISOString()
    const times = { created_at: at, updated_at: at }
    const message = { id, role: 'user' as const, content, metadata, position: 1, version: 1 }
    const rest = { status: 'complete' as const, replaces: null, ...times }
    const home = { user_id: user, conversation_id }
    await writeMessages(database, [{ ...home, message: { ...message, ...rest }, seq: 1 }])
    const _id = `${user}:${conversation_id}:${id}`
    const raw = database.db.collection<Document & { _id: string }>('messages')
    return { _id, stored: (await raw.findOne({ _id }))!, raw }
  }
  const kinds = ({ content, metadata }: Document) =>
    [content, metadata].map((v) => kindOf(v as Binary))

  test('are sealed together, long ones each by itself, and all open as what they were', async () => {
    const user = randomUUID()
    const long = 'x'.repeat(5_000)
    for (const [content, metadata, stored] of [
      ['short', { a: [1, 'two'] }, ['together', 'elsewhere']],
      [long, { a: 1 }, ['value', 'value']],
      ['short', { long }, ['value', 'value']],
    ] as const) {
      const written = await write(user, content, metadata)
      expect(kinds(written.stored)).toEqual(stored)
      for (const each of [database, other])
        expect(await each.messages.findOne({ _id: written._id })).toMatchObject({
          content,
          metadata,
        })
      const searched = { projection: { content: 1 } }
      expect(await other.messages.findOne({ _id: written._id }, searched)).toEqual({
        ...{ _id: written._id, content },
      })
    }
  })

  test('that were sealed each by itself, by an earlier version, open as well', async () => {
    const user = randomUUID()
    const { _id, raw } = await write(user, 'a text', { a: 1 })
    const key = database.sealing!.keys.findOrMake(user)!
    const place = (field: string) => ({ collection: 'messages', id: _id, field })
    const content = seal(key, place('content'), 'older')
    const metadata = seal(key, place('metadata'), toPlain({ b: 2 }))
    await raw.updateOne({ _id }, { $set: { content, metadata } })
    expect(await database.messages.findOne({ _id })).toMatchObject({
      content: 'older',
      metadata: { b: 2 },
    })
  })

  test('can’t be read, replaced or mixed up one without the other', async () => {
    const user = randomUUID()
    const one = await write(user, 'one', { a: 1 })
    const two = await write(user, 'two', { b: 2 })
    const { messages } = database
    const alone = { projection: { metadata: 1 } }
    await expect(messages.findOne({ _id: one._id }, alone)).rejects.toThrow(/missing/)
    const $set = { content: 'replaced' }
    expect(() => messages.updateOne({ _id: one._id }, { $set })).toThrow(/as a whole/)
    await two.raw.updateOne({ _id: two._id }, { $set: { content: one.stored.content as Binary } })
    await expect(messages.findOne({ _id: two._id })).rejects.toThrow(/authenticate/)
    await two.raw.deleteOne({ _id: two._id })
  })
})

test('a command is known by a digest, which tells nothing without the user’s key', async () => {
  const { changes, sealing } = database
  const user = randomUUID()
  const entry = (seq: number) => ({
    ...{ _id: `${user}:account:${String(seq).padStart(12, '0')}`, user_id: user, topic: 'account' },
    ...{
      seq,
      op: 'renamed',
      data: { username: 'a' },
      before: { username: 'b' },
      mutation_id: randomUUID(),
    },
    fingerprint: fingerprintOf(['rename', 'a']),
  })
  const [first, second] = [entry(1), entry(2)] as unknown as [ChangeDocument, ChangeDocument]
  await insertChanges(database, [first, second])
  const raw = database.db.collection<Document & { _id: string }>('changes')
  const stored = await raw.find({ user_id: user }).toArray()
  expect(new Set(stored.map(({ fingerprint }) => String(fingerprint))).size).toBe(2)
  // what a purge leaves
  await raw.updateMany(
    { user_id: user },
    { $set: { stripped: true }, $unset: { data: 1, before: 1 } },
  )
  const read = (await other.changes.findOne({ _id: first._id }))!
  expect(read.fingerprint).not.toContain(first.fingerprint)
  expect(isMadeBy(other, read, first.fingerprint)).toBe(true)
  expect(isMadeBy(other, read, fingerprintOf(['rename', 'c']))).toBe(false)
  const moved = { ...read, _id: second._id }
  expect(isMadeBy(other, moved, first.fingerprint)).toBe(false)
  // an entry of an earlier version has the fingerprint itself, sealed
  const place = { collection: 'changes', id: first._id, field: 'fingerprint' }
  const key = sealing!.keys.findOrMake(user)!
  await raw.updateOne(
    { _id: first._id },
    { $set: { fingerprint: seal(key, place, first.fingerprint) } },
  )
  const older = (await changes.findOne({ _id: first._id }))!
  expect(isMadeBy(database, older, first.fingerprint)).toBe(true)
  expect(isMadeBy(database, older, second._id)).toBe(false)
  sealing!.keys.destroy(user)
  expect(isMadeBy(database, read, first.fingerprint)).toBe(false)
})
