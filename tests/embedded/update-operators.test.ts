// Each update operator: what it changes, what it refuses, and that it modifies nothing if nothing
// would change.
import { Double, Int32, Long, type Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
beforeAll(async () => void (database = await openDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

async function updated(
  before: Document,
  update: Document | Document[],
  options: Document = {},
): Promise<Document> {
  const items = database.db.collection('items')
  await items.deleteMany({})
  await items.insertOne({ _id: 1 as never, ...before })
  await items.updateOne(options.filter ?? {}, update, options)
  const { _id, ...after } = (await items.findOne({}, { promoteValues: options.exact !== true }))!
  expect(Number(_id)).toBe(1)
  return after
}

const cases: [string, Document, Document | Document[], Document, Document?][] = [
  ['$set creates the objects on the way', {}, { $set: { 'a.b.c': 1 } }, { a: { b: { c: 1 } } }],
  [
    '$set fills an array with null up to the index',
    { a: [1] },
    { $set: { 'a.3': 9 } },
    { a: [1, null, null, 9] },
  ],
  [
    'new fields are added in the order of their names',
    {},
    { $set: { c: 1, a: 1, b: 1 } },
    { a: 1, b: 1, c: 1 },
  ],
  [
    '$unset removes a field and sets an array element to null',
    { a: 1, b: [1, 2] },
    { $unset: { a: '', 'b.0': '', x: '' } },
    { b: [null, 2] },
  ],
  [
    '$inc and $mul create missing fields',
    { a: 2 },
    { $inc: { a: 3, b: 4 }, $mul: { c: 5 } },
    { a: 5, b: 4, c: 0 },
  ],
  [
    '$min and $max compare across types',
    { a: 5, b: 5 },
    { $min: { a: null }, $max: { b: 'text' } },
    { a: null, b: 'text' },
  ],
  [
    '$push with $each and $slice',
    { a: [5, 1] },
    { $push: { a: { $each: [4, 2], $slice: -3 } } },
    { a: [1, 4, 2] },
  ],
  [
    '$addToSet adds only new elements',
    { a: [1, 2] },
    { $addToSet: { a: { $each: [2, 3] }, b: 1 } },
    { a: [1, 2, 3], b: [1] },
  ],
  [
    '$addToSet distinguishes objects by the order of their fields',
    { a: [{ x: 1, y: 2 }] },
    { $addToSet: { a: { y: 2, x: 1 } } },
    {
      a: [
        { x: 1, y: 2 },
        { y: 2, x: 1 },
      ],
    },
  ],
  ['$pull by value', { a: [1, 2, 1] }, { $pull: { a: 1 } }, { a: [2] }],
  ['$pull by condition', { a: [1, 5, 9] }, { $pull: { a: { $gte: 5 } } }, { a: [1] }],
  [
    '$pull by fields',
    { a: [{ x: 1, y: 1 }, { x: 2 }] },
    { $pull: { a: { x: 1 } } },
    { a: [{ x: 2 }] },
  ],
  [
    '$setOnInsert doesn’t change an existing document',
    { a: 1 },
    { $setOnInsert: { a: 2 }, $set: { b: 1 } },
    { a: 1, b: 1 },
  ],
  [
    'a pipeline computes from the document',
    { a: 2, b: 3 },
    [{ $set: { c: { $add: ['$a', '$b'] } } }, { $unset: 'a' }],
    { b: 3, c: 5 },
  ],
  [
    'a pipeline copies values unchanged',
    { a: [1, { x: 'y' }] },
    [{ $set: { 'b.c': '$a' } }],
    { a: [1, { x: 'y' }], b: { c: [1, { x: 'y' }] } },
  ],
  [
    'a pipeline keeps a guarded value',
    { seq: 7 },
    [{ $set: { seq: { $cond: [{ $lt: ['$seq', 5] }, 5, '$seq'] } } }],
    { seq: 7 },
  ],
]

test.each(cases)('%s', async (_, before, update, after, options) => {
  const result = await updated(before, update, options)
  expect(result).toEqual(after)
  expect(Object.keys(result)).toEqual(Object.keys(after))
})

describe('numbers', () => {
  test('int + int overflows into a long, and int + double becomes a double', async () => {
    const after = await updated(
      { a: new Int32(2147483647), b: new Int32(1), c: new Long(1) },
      { $inc: { a: 1, b: 0.5, c: 1 } },
      { exact: true },
    )
    expect(after.a).toBeInstanceOf(Long)
    expect(after.a.toString()).toBe('2147483648')
    expect(after.b).toEqual(new Double(1.5))
    expect(after.c).toBeInstanceOf(Long)
  })
})

describe('the time is the server’s', () => {
  test('as $$NOW', async () => {
    const before = Date.now()
    const piped = await updated({}, [{ $set: { at: '$$NOW', later: { $add: ['$$NOW', 1000] } } }])
    expect(piped.at.getTime()).toBeGreaterThanOrEqual(before)
    expect(piped.later.getTime() - piped.at.getTime()).toBe(1000)
  })
})

describe('refusals', () => {
  const refused: [string, number, Document, Document, Document?][] = [
    ['two operators on one path', 40, {}, { $set: { a: 1 }, $inc: { a: 1 } }],
    ['an operator on a parent of another path', 40, {}, { $set: { a: 1, 'a.b': 1 } }],
    ['a new _id', 66, {}, { $set: { _id: 2 } }],
    ['$inc of a string', 14, { a: 'x' }, { $inc: { a: 1 } }],
    ['$inc by a string', 14, {}, { $inc: { a: 'x' as never } }],
    ['$push onto a number', 2, { a: 1 }, { $push: { a: 1 } }],
    ['a path through a number', 28, { a: 1 }, { $set: { 'a.b': 1 } }],
    ['array filters', 238, { a: [1] }, { $set: { 'a.$[x]': 1 } }, { arrayFilters: [{ x: 1 }] }],
    ['an empty field name', 56, {}, { $set: { 'a..b': 1 } }],
  ]

  test.each(refused)('%s', async (_, code, before, update, options) => {
    await expect(updated(before, update, options)).rejects.toMatchObject({ code })
  })
})

describe('an upsert', () => {
  test('starts with the equalities of its filter', async () => {
    const items = database.db.collection<Document>('upserts')
    await items.updateOne(
      { _id: 'u' as never, 'a.b': 1, c: { $gt: 5 }, $and: [{ d: { $eq: 2 } }] },
      { $set: { e: 3 }, $setOnInsert: { f: 4 } },
      { upsert: true },
    )
    expect(await items.findOne({})).toEqual({ _id: 'u', a: { b: 1 }, d: 2, e: 3, f: 4 })
  })

  test('reports what it inserted', async () => {
    const items = database.db.collection<Document>('upserts2')
    const result = await items.replaceOne({ _id: 'r' as never }, { a: 1 }, { upsert: true })
    expect(result).toMatchObject({ upsertedId: 'r', upsertedCount: 1, matchedCount: 0 })
  })
})

test('an update that changes nothing modifies nothing', async () => {
  const items = database.db.collection<Document>('noop')
  await items.insertOne({ a: 1, b: [1] })
  for (const update of [
    { $set: { a: 1 } },
    { $max: { a: 0 } },
    { $addToSet: { b: 1 } },
    { $pull: { b: 7 } },
    { $unset: { x: 1 } },
  ]) {
    expect(await items.updateOne({}, update as never)).toMatchObject({
      matchedCount: 1,
      modifiedCount: 0,
    })
  }
})
