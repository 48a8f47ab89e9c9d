// Reads and writes with the official driver.
import {
  Double,
  Int32,
  Long,
  MongoBulkWriteError,
  MongoServerError,
  ObjectId,
  type Document,
} from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase, type TestDatabase } from './database.ts'

interface Named extends Document {
  _id: string
}

let database: TestDatabase
beforeAll(async () => void (database = await openDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

let collections = 0
const freshCollection = () => database.db.collection<Named>(`c${collections++}`)

describe('documents', () => {
  test('are found as they were inserted, including number types', async () => {
    const items = freshCollection()
    const id = new ObjectId()
    await items.insertOne({
      _id: 'a',
      int: new Int32(5),
      double: new Double(5),
      long: new Long(5),
      id,
      at: new Date(7),
      none: null,
    })
    const found = await items.findOne({ _id: 'a' }, { promoteValues: false })
    expect(found).toMatchObject({
      int: new Int32(5),
      double: new Double(5),
      id,
      at: new Date(7),
      none: null,
    })
    expect((found!.long as Long).equals(5)).toBe(true)
  })

  test('keep the number types of fields that an update doesn’t change', async () => {
    const items = freshCollection()
    await items.insertOne({ _id: 'a', double: new Double(5), long: new Long(6), n: 1 })
    await items.updateOne({ _id: 'a' }, { $inc: { n: 1 } })
    await items.updateOne({ _id: 'a' }, [{ $set: { sum: { $add: ['$n', 1] } } }])
    const found = await items.findOne({ _id: 'a' }, { promoteValues: false })
    expect(found).toMatchObject({ double: new Double(5), n: new Int32(2), sum: new Int32(3) })
    expect(found!.long).toBeInstanceOf(Long)
  })

  test('come in batches, even while other documents are deleted', async () => {
    const items = freshCollection()
    await items.insertMany(
      Array.from({ length: 1000 }, (_, i) => ({ _id: String(i).padStart(4, '0') })),
    )
    const cursor = items.find({}, { batchSize: 10, sort: { _id: 1 } })
    const seen: string[] = []
    for await (const { _id } of cursor) {
      seen.push(_id)
      if (seen.length === 5) await items.deleteMany({ _id: { $gte: '0500' } })
    }
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => String(i).padStart(4, '0')))
  })

  test('end their cursor if their collection is dropped, even if it is created again', async () => {
    const items = freshCollection()
    const docs = Array.from({ length: 100 }, (_, i) => ({ _id: String(i) }))
    await items.insertMany(docs)
    await using cursor = items.find({}, { batchSize: 2 })
    await cursor.next()
    await items.drop()
    await items.insertMany(docs)
    await expect(cursor.toArray()).rejects.toMatchObject({ code: 175 })
  })

  test('are projected, sorted, skipped and limited', async () => {
    const items = freshCollection()
    await items.insertMany(
      [1, 2, 3, 4, 5].map((n) => ({ _id: `k${n}`, n, even: n % 2 === 0, deep: { a: n, b: -n } })),
    )
    const query = items.find(
      { n: { $gt: 1 } },
      { projection: { _id: 0, n: 1, 'deep.b': 1 }, sort: { even: -1, n: -1 }, skip: 1, limit: 2 },
    )
    expect(await query.toArray()).toEqual([
      { n: 2, deep: { b: -2 } },
      { n: 5, deep: { b: -5 } },
    ])
  })

  test('are counted, and their distinct values are listed', async () => {
    const items = freshCollection()
    await items.insertMany([{ _id: 'a', t: ['x', 'y'] }, { _id: 'b', t: 'y' }, { _id: 'c' }])
    expect(await items.countDocuments({ t: 'y' })).toBe(2)
    expect(await items.estimatedDocumentCount()).toBe(3)
    expect((await items.distinct('t')).sort()).toEqual(['x', 'y'])
  })
})

describe('batches', () => {
  const docs = [{ _id: 'a' }, { _id: 'a' }, { _id: 'b' }]

  test('end at the first refusal if they are ordered', async () => {
    const items = freshCollection()
    await expect(items.insertMany(docs)).rejects.toMatchObject({ code: 11000, insertedCount: 1 })
    expect(await items.countDocuments()).toBe(1)
  })

  test('continue after a refusal if they are unordered', async () => {
    const items = freshCollection()
    const failure = await items
      .insertMany(docs, { ordered: false })
      .catch((error: unknown) => error as MongoBulkWriteError)
    expect(failure).toBeInstanceOf(MongoBulkWriteError)
    expect((failure as MongoBulkWriteError).writeErrors).toMatchObject([{ index: 1, code: 11000 }])
    expect(await items.countDocuments()).toBe(2)
  })
})

describe('findOneAndUpdate', () => {
  test('returns the document as it was before or after', async () => {
    const items = freshCollection()
    await items.insertOne({ _id: 'a', n: 1 })
    expect(await items.findOneAndUpdate({ _id: 'a' }, { $inc: { n: 1 } })).toMatchObject({ n: 1 })
    expect(
      await items.findOneAndUpdate({ _id: 'a' }, { $inc: { n: 1 } }, { returnDocument: 'after' }),
    ).toMatchObject({
      n: 3,
    })
    expect(await items.findOneAndDelete({ n: { $gt: 1 } })).toMatchObject({ _id: 'a' })
    expect(await items.findOneAndUpdate({ _id: 'a' }, { $set: { n: 0 } })).toBeNull()
  })

  test('takes the first document in the sort order', async () => {
    const items = freshCollection()
    await items.insertMany([
      { _id: 'a', n: 1 },
      { _id: 'b', n: 2 },
    ])
    expect(
      await items.findOneAndUpdate({}, { $set: { taken: true } }, { sort: { n: -1 } }),
    ).toMatchObject({ _id: 'b' })
  })
})

describe('a guarded update', () => {
  test('changes nothing if the guard doesn’t match', async () => {
    const items = freshCollection()
    await items.insertOne({ _id: 'a', seq: 5 })
    expect(
      await items.updateOne({ _id: 'a', seq: { $lt: 5 } }, { $set: { seq: 4 } }),
    ).toMatchObject({
      matchedCount: 0,
    })
    expect(
      await items.updateOne({ _id: 'a', seq: { $lt: 6 } }, { $set: { seq: 6 } }),
    ).toMatchObject({
      modifiedCount: 1,
    })
  })

  test('that is an upsert fails with a duplicate key if the guard excludes the document', async () => {
    const items = freshCollection()
    await items.insertOne({ _id: 'a', seq: 5 })
    const update = items.updateOne(
      { _id: 'a', seq: { $lt: 5 } },
      { $set: { seq: 4 } },
      { upsert: true },
    )
    await expect(update).rejects.toMatchObject({
      code: 11000,
      keyPattern: { _id: 1 },
      keyValue: { _id: 'a' },
    })
  })
})

describe('aggregate', () => {
  test('groups and counts', async () => {
    const orders = freshCollection()
    await orders.insertMany([
      { _id: '1', who: 'ann', n: 1 },
      { _id: '2', who: 'bob', n: 5 },
      { _id: '3', who: 'ann', n: 2 },
    ])
    const totals = await orders
      .aggregate([
        { $group: { _id: '$who', total: { $sum: '$n' }, largest: { $max: '$n' } } },
        { $project: { total: 1, largest: { $add: ['$largest', 1] } } },
        { $sort: { _id: 1 } },
      ])
      .toArray()
    expect(totals).toEqual([
      { _id: 'ann', total: 3, largest: 3 },
      { _id: 'bob', total: 5, largest: 6 },
    ])
    expect(await orders.aggregate([{ $match: { who: 'ann' } }, { $count: 'n' }]).toArray()).toEqual(
      [{ n: 2 }],
    )
  })
})

test('a regular expression can look at the next character, as the product’s search does', async () => {
  const words = freshCollection()
  await words.insertMany(['cafe', 'cafe\u0301', 'cafes'].map((_id) => ({ _id })))
  const found = async ($regex: string) =>
    (await words.find({ _id: { $regex } } as never).toArray()).map(({ _id }) => String(_id))
  expect(await found('cafe(?![\u0300-\u036f])')).toEqual(['cafe', 'cafes'])
  expect(await found('cafe(?=[s])')).toEqual(['cafes'])
  await expect(found('cafe(?!s)')).rejects.toMatchObject({ code: 238 })
})

describe('what is not supported is refused with the code of a mongod', () => {
  const refusals: [string, number, () => Promise<unknown>][] = [
    ['an unknown command', 59, () => database.db.command({ frobnicate: 1 })],
    ['an unknown field of a command', 40415, () => database.db.command({ find: 'c', filters: {} })],
    [
      'an unknown query operator',
      2,
      () =>
        freshCollection()
          .insertOne({ _id: 'a' })
          .then(() => freshCollection().findOne({ a: { $frob: 1 } })),
    ],
    ['an unknown stage', 40324, () => aggregate({ $frob: {} })],
    ['an unknown expression', 168, () => aggregate({ $set: { a: { $frob: 1 } } })],
    [
      'an expression that the engine doesn’t claim',
      168,
      () => aggregate({ $set: { a: { $getField: 'b' } } }),
    ],
    [
      'an unknown update operator',
      9,
      () => freshCollection().updateOne({}, { $frob: { a: 1 } } as never),
    ],
    ['a transaction', 263, () => transaction()],
    [
      'dropping an unknown index',
      27,
      () =>
        freshCollection()
          .insertOne({ _id: 'a' })
          .then(() => database.db.collection(`c${collections - 1}`).dropIndex('nope')),
    ],
    ['indexes of an unknown collection', 26, () => freshCollection().indexes()],
    [
      'an unknown cursor',
      43,
      () => database.db.command({ getMore: new Long(12345), collection: 'c' }),
    ],
    [
      'a collection that exists with other options',
      238,
      () => database.db.createCollection('capped', { capped: true, size: 10 }),
    ],
  ]

  const aggregate = (stage: Document) => freshCollection().aggregate([stage]).toArray()

  async function transaction(): Promise<void> {
    await using session = database.client.startSession()
    session.startTransaction()
    await freshCollection().findOne({}, { session })
  }

  test.each(refusals)('%s', async (_, code, attempt) => {
    const failure: unknown = await attempt().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(MongoServerError)
    expect(failure).toMatchObject({ code })
  })

  test('a document of more than 16 MB', async () => {
    const huge = { _id: 'a', text: 'x'.repeat(16 * 1024 * 1024) }
    await expect(freshCollection().insertOne(huge)).rejects.toThrow(/larger|too large|size/i)
  })
})

describe('hostile names', () => {
  test('are ordinary data', async () => {
    const items = freshCollection()
    const document = JSON.parse(
      '{"_id": "a", "__proto__": {"polluted": 1}, "constructor": 5, "toString": {"x": [1]}}',
    ) as Named
    await items.insertOne(document)
    await items.updateOne(
      { '__proto__.polluted': 1 },
      { $set: { '__proto__.more': 2, constructor: 6 } },
    )
    await items.updateOne({ '__proto__.x': 'upserted' }, { $set: { b: 1 } }, { upsert: true })
    await items.updateMany({ _id: 'a' }, [{ $set: { copy: '$toString.x' } }])
    expect(({} as Document).polluted ?? ({} as Document).x).toBeUndefined()
    const found = (await items.findOne({ constructor: 6 }))!
    expect(Object.getOwnPropertyDescriptor(found, '__proto__')?.value).toEqual({
      polluted: 1,
      more: 2,
    })
    expect(found.copy).toEqual([1])
    await expect(items.findOne({ a: { $gt: 1, constructor: 1 } })).rejects.toMatchObject({
      code: 2,
    })
  })
})

test('a single batch has as many documents as any first batch, and no cursor', async () => {
  const items = freshCollection()
  await items.insertMany(Array.from({ length: 120 }, (_, n) => ({ _id: `${n}` })))
  for (const [options, count] of [
    [{ singleBatch: true, batchSize: 2 }, 2],
    [{ singleBatch: true }, 101],
  ] as const) {
    const { cursor } = await database.db.command({ find: items.collectionName, ...options })
    expect(cursor).toMatchObject({ firstBatch: { length: count } })
    expect(Number(cursor.id)).toBe(0)
  }
})

test('maxTimeMS ends a query that takes too long', async () => {
  const items = freshCollection()
  for (let page = 0; page < 5; page++) {
    await items.insertMany(
      Array.from({ length: 4000 }, (_, i) => ({ _id: `${page}-${i}`, text: 'x'.repeat(100) })),
    )
  }
  const slow = items.find({ text: { $regex: 'y' } }, { maxTimeMS: 1 }).toArray()
  await expect(slow).rejects.toMatchObject({ code: 50 })
  expect(await items.findOne({ _id: '0-1' }, { maxTimeMS: 10_000 })).toMatchObject({ _id: '0-1' })
})

test('a findOneAndUpdate whose outcome can’t be shown has changed nothing', async () => {
  const items = freshCollection()
  await items.insertOne({ _id: 'a', n: 1, list: [1] })
  const projection = { size: { $size: '$n' } } as const
  const options = { projection, returnDocument: 'after' } as const
  const change = items.findOneAndUpdate({ _id: 'a' }, { $inc: { n: 1 } }, options)
  await expect(change).rejects.toMatchObject({ code: 17124 })
  expect(await items.findOne({ _id: 'a' })).toEqual({ _id: 'a', n: 1, list: [1] })
})

test('30,000 documents are deleted in a time like that of their insertion', async () => {
  const items = freshCollection()
  const page = Array.from({ length: 15_000 }, (_, n) => n)
  const inserting = process.cpuUsage()
  for (const half of ['a', 'b']) await items.insertMany(page.map((n) => ({ _id: `${half}${n}` })))
  const inserted = process.cpuUsage(inserting)
  const deleting = process.cpuUsage()
  expect(await items.deleteMany({})).toMatchObject({ deletedCount: 30_000 })
  expect(process.cpuUsage(deleting).user).toBeLessThan(3 * inserted.user)
}, 60_000)
