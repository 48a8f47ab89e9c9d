// What a change stream says about one update. MongoDB describes additions to an array in several
// ways, and an update may say something though the document stays the same.
import { Double, type Document } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
beforeAll(async () => void (database = await openDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

const text = 'x'.repeat(200)
const set = (updatedFields: Document): Document => ({ updatedFields, removedFields: [] })
const unset = (...removedFields: string[]): Document => ({ updatedFields: {}, removedFields })

/** The document, the update, and the description; null if nothing changes. */
const cases: [Document, Document | Document[], Document | null][] = [
  [{ a: 1 }, { $set: { a: 2, b: 3 } }, set({ a: 2, b: 3 })],
  [{ a: 1 }, { $set: { a: 1 } }, null],
  [{ a: 1 }, { $set: { a: new Double(1) } }, set({ a: 1 })],
  [{ a: 1, b: 2 }, { $unset: { a: '' } }, unset('a')],
  [{ a: { b: 1 } }, { $set: { 'a.c': 2 } }, set({ 'a.c': 2 })],
  [{}, { $set: { 'a.b.c': 2 } }, set({ a: { b: { c: 2 } } })],
  [{ a: [1, 2] }, { $push: { a: 3 } }, set({ 'a.2': 3 })],
  [{ a: [] }, { $push: { a: 3 } }, set({ a: [3] })],
  [{ a: [1] }, { $push: { a: { $each: [3, 4] } } }, set({ 'a.1': 3, 'a.2': 4 })],
  [{ a: [1] }, { $push: { a: { $each: [3], $slice: 5 } } }, set({ 'a.1': 3 })],
  [{ a: [1] }, { $push: { a: { $each: [3], $slice: 1 } } }, set({ a: [1] })],
  [{ a: [1, 2] }, { $push: { a: { $each: [] } } }, null],
  [{ a: [1, 2] }, { $pull: { a: 1 } }, set({ a: [2] })],
  [{ a: [1, 2] }, { $set: { 'a.0': 9 } }, set({ 'a.0': 9 })],
  [{ a: [1] }, { $set: { 'a.3': 9 } }, set({ 'a.3': 9 })],
  [{ a: 1, text }, [{ $set: { a: 2 } }], set({ a: 2 })],
  [{ a: 1, text }, [{ $unset: 'a' }], unset('a')],
]

test('describes each update as MongoDB does', async () => {
  const items = database.db.collection('items')
  await using stream = items.watch([{ $match: { operationType: 'update' } }])
  await stream.tryNext()
  for (const [id, [before, update, description]] of cases.entries()) {
    await items.insertOne({ _id: id as never, ...before })
    const { modifiedCount } = await items.updateOne({ _id: id as never }, update)
    expect(modifiedCount, JSON.stringify(update)).toBe(description ? 1 : 0)
    if (!description) continue
    expect(await stream.next(), JSON.stringify(update)).toMatchObject({
      documentKey: { _id: id },
      updateDescription: { ...description, truncatedArrays: [] },
    })
  }
})
