// Indexes: uniqueness, which documents they contain, conflicts between definitions, and their use
// by queries.
import type { Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
beforeAll(async () => void (database = await openDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

let collections = 0
const freshCollection = () => database.db.collection<Document>(`c${collections++}`)

async function winningPlan(collection: string, query: Document): Promise<Document> {
  const { queryPlanner } = await database.db.command({ explain: { find: collection, ...query } })
  return queryPlanner.winningPlan as Document
}

describe('a unique index', () => {
  test('refuses a second document, and the error names the index, the fields and the values', async () => {
    const items = freshCollection()
    await items.createIndex({ user: 1, 'deep.n': -1 }, { unique: true, name: 'once' })
    await items.insertOne({ user: 'a', deep: { n: 1 } })
    await expect(items.insertOne({ user: 'a', deep: { n: 1 } })).rejects.toMatchObject({
      code: 11000,
      keyPattern: { user: 1, 'deep.n': -1 },
      keyValue: { user: 'a', 'deep.n': 1 },
      message: `E11000 duplicate key error collection: ${items.namespace} index: once dup key: { user: "a", deep.n: 1 }`,
    })
  })

  test('treats 1 and 1.0 as equal, and a missing field as null', async () => {
    const items = freshCollection()
    await items.createIndex({ n: 1 }, { unique: true })
    await items.insertMany([{ n: 1 }, {}])
    await expect(items.updateOne({ n: null }, { $set: { n: 1.0 } })).rejects.toMatchObject({
      code: 11000,
    })
    await expect(items.insertOne({ n: null })).rejects.toMatchObject({ code: 11000 })
  })

  test('covers every element of an array, but allows repetitions within one document', async () => {
    const items = freshCollection()
    await items.createIndex({ tags: 1 }, { unique: true })
    await items.insertOne({ tags: ['a', 'b', 'a'] })
    await expect(items.insertOne({ tags: ['c', 'b'] })).rejects.toMatchObject({
      code: 11000,
      keyValue: { tags: 'b' },
    })
  })

  test('is not created if values repeat, and nothing of it remains', async () => {
    const items = freshCollection()
    await items.insertMany([{ n: 1 }, { n: 1 }])
    await expect(items.createIndex({ n: 1 }, { unique: true })).rejects.toMatchObject({
      code: 11000,
    })
    expect(await items.indexes()).toHaveLength(1)
    await items.insertOne({ n: 1 })
  })

  test('that is sparse or partial ignores all other documents', async () => {
    const items = freshCollection()
    await items.createIndex({ s: 1 }, { unique: true, sparse: true })
    await items.createIndex(
      { p: 1 },
      { unique: true, partialFilterExpression: { p: { $type: 'string' } } },
    )
    await items.insertMany([{ p: 1 }, { p: 1 }, { s: 1, p: 'x' }])
    await expect(items.insertOne({ s: 1 })).rejects.toMatchObject({ code: 11000 })
    await expect(items.insertOne({ p: 'x' })).rejects.toMatchObject({ code: 11000 })
  })

  test('allows a value again after its document was deleted or changed', async () => {
    const items = freshCollection()
    await items.createIndex({ n: 1 }, { unique: true })
    await items.insertMany([{ n: 1 }, { n: 2 }])
    await items.deleteOne({ n: 1 })
    await items.updateOne({ n: 2 }, { $set: { n: 3 } })
    await items.insertMany([{ n: 1 }, { n: 2 }])
    expect(await items.countDocuments()).toBe(3)
  })
})

describe('definitions', () => {
  test('may be repeated, but must not conflict', async () => {
    const items = freshCollection()
    expect(await items.createIndex({ a: 1 }, { name: 'x' })).toBe('x')
    expect(await items.createIndex({ a: 1 }, { name: 'x' })).toBe('x')
    await expect(items.createIndex({ b: 1 }, { name: 'x' })).rejects.toMatchObject({ code: 86 })
    await expect(items.createIndex({ a: 1 }, { name: 'y' })).rejects.toMatchObject({ code: 85 })
    await expect(items.createIndex({ a: 1 }, { name: 'x', unique: true })).rejects.toMatchObject({
      code: 86,
    })
    await expect(items.createIndex({ a: 'text' })).rejects.toMatchObject({ code: 67 })
  })

  test('are listed as they were given, and can be dropped', async () => {
    const items = freshCollection()
    await items.createIndex(
      { a: 1, b: -1 },
      { unique: true, partialFilterExpression: { a: { $exists: true } } },
    )
    expect(await items.indexes()).toEqual([
      { v: 2, key: { _id: 1 }, name: '_id_' },
      {
        v: 2,
        key: { a: 1, b: -1 },
        name: 'a_1_b_-1',
        unique: true,
        partialFilterExpression: { a: { $exists: true } },
      },
    ])
    await items.dropIndex('a_1_b_-1')
    expect(await items.indexes()).toHaveLength(1)
    await expect(items.dropIndex('_id_')).rejects.toMatchObject({ code: 72 })
  })
})

describe('queries', () => {
  test('use the index that fits the filter and the sort', async () => {
    const items = freshCollection()
    const { collectionName: name } = items
    await items.createIndex({ user: 1, pinned: -1, at: -1 })
    await items.createIndex({ tags: 1 })
    const scan = (query: Document) => winningPlan(name, query)
    expect(await scan({ filter: { user: 'a' }, sort: { pinned: -1, at: -1 } })).toMatchObject({
      stage: 'IXSCAN',
      direction: 'forward',
    })
    expect(await scan({ filter: { user: 'a' }, sort: { pinned: 1, at: 1 } })).toMatchObject({
      stage: 'IXSCAN',
      direction: 'backward',
    })
    expect(await scan({ filter: { user: 'a' }, sort: { at: 1 } })).toMatchObject({ stage: 'SORT' })
    expect(
      await scan({ filter: { _id: { $gt: 'a', $lt: 'b' } }, sort: { _id: -1 } }),
    ).toMatchObject({
      stage: 'IXSCAN',
      indexName: '_id_',
    })
    expect(await scan({ filter: { $or: [{ tags: 'x' }, { user: 'b' }] } })).toMatchObject({
      stage: 'OR',
    })
    expect(await scan({ filter: { other: 1 } })).toMatchObject({ stage: 'COLLSCAN' })
  })

  test('use a partial or sparse index if they say themselves what it is limited to', async () => {
    const items = freshCollection()
    const { collectionName: name } = items
    const limits: Document[] = [
      { open: true },
      { data: { $exists: true } },
      { deleted: { $type: 'date' } },
      { size: { $gt: 5 } },
    ]
    for (const [n, partialFilterExpression] of limits.entries())
      await items.createIndex({ at: n === 0 ? 1 : -1, [`f${n}`]: 1 }, { partialFilterExpression })
    await items.createIndex({ sid: 1 }, { sparse: true })
    const stageOf = async (filter: Document) =>
      ((await winningPlan(name, { filter })) as { stage: string }).stage
    for (const limit of limits) {
      const [field] = Object.keys(limit)
      expect(await stageOf({ at: { $gt: 1 }, ...limit }), field).toBe('IXSCAN')
      expect(await stageOf({ at: { $gt: 1 }, [field!]: { $ne: 3 } }), field).toBe('COLLSCAN')
    }
    expect(await stageOf({ at: 1, data: 'x' })).toBe('IXSCAN')
    expect(await stageOf({ at: 1, data: null })).toBe('COLLSCAN')
    expect(await stageOf({ sid: 'x' })).toBe('IXSCAN')
    expect(await stageOf({ sid: { $in: ['x', null] } })).toBe('COLLSCAN')
  })

  test('find the next smaller _id among 30,000 without scanning the rest', async () => {
    const items = freshCollection()
    for (let page = 0; page < 10; page++) {
      await items.insertMany(
        Array.from({ length: 3000 }, (_, i) => ({
          _id: `u:t:${String(page * 3000 + i).padStart(9, '0')}` as never,
          page,
        })),
      )
    }
    const started = process.cpuUsage()
    for (let i = 0; i < 20; i++) {
      const found = await items
        .find({
          _id: { $gt: 'u:t:' as never, $lt: `u:t:${String(29_000 - i).padStart(9, '0')}` as never },
        })
        .sort({ _id: -1 })
        .limit(1)
        .toArray()
      expect(found[0]!._id).toBe(`u:t:${String(28_999 - i).padStart(9, '0')}`)
    }
    // Scanning 30,000 documents would take about 100 ms of this process for each query.
    const { user, system } = process.cpuUsage(started)
    expect((user + system) / 1_000).toBeLessThan(1_000)
  })

  test('with a hint that names no index are refused', async () => {
    await expect(
      freshCollection()
        .insertOne({})
        .then(() =>
          database.db
            .collection(`c${collections - 1}`)
            .find({}, { hint: 'nope' })
            .toArray(),
        ),
    ).rejects.toMatchObject({ code: 2 })
  })
})

test('a TTL index removes expired documents, as deletes that change streams show', async () => {
  await using own = await openDatabase({ ttlSweepMs: 50 })
  const items = own.db.collection<Document>('sessions')
  await items.createIndex({ at: 1 }, { expireAfterSeconds: 1 })
  await using stream = items.watch([{ $match: { operationType: 'delete' } }])
  const gone = stream.next()
  await items.insertMany([
    { _id: 'old' as never, at: new Date(Date.now() - 5000) },
    { _id: 'new' as never, at: new Date(Date.now() + 60_000) },
    { _id: 'no date' as never, at: 5 },
  ])
  expect(await gone).toMatchObject({ documentKey: { _id: 'old' } })
  expect(await items.distinct('_id')).toEqual(['new', 'no date'])
})
