// An index changes how fast a query is answered, but never the answer. Finds, sorts, updates and
// deletes on a collection with indexes are compared with the same on one without.
import fc from 'fast-check'
import { BSON, Double, Long, ObjectId, type Collection, type Document } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inForm } from '../harness/long-form.ts'
import { openDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
beforeAll(async () => void (database = await openDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

const ids = ['0a', '0b'].map((byte) => new ObjectId(byte.repeat(12)))
const scalar = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -2, max: 3 }) },
  { weight: 3, arbitrary: fc.constantFrom('', 'a', 'ab', 'b', 'é', '\u{1F600}', '\uFFFD', 'a\0b') },
  fc.constantFrom(
    1.5,
    -0.5,
    NaN,
    Infinity,
    new Double(2),
    new Long(2),
    Long.fromString('9007199254740993'),
  ),
  fc.constantFrom(
    null,
    true,
    false,
    new Date(0),
    new Date(-5),
    ...ids,
    new BSON.MinKey(),
    new BSON.MaxKey(),
  ),
)
const value = fc.oneof(
  { weight: 8, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.record({ e: scalar }, { requiredKeys: [] }) },
  {
    weight: 1,
    arbitrary: fc.array(fc.record({ e: scalar, f: scalar }, { requiredKeys: [] }), {
      maxLength: 2,
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom([[1, 2]], [[]], { f: 1, e: 2 }, { e: [1, 2] }) },
)
// An index can't contain two different arrays of one document. Only `a` and `d` hold arrays, and no
// index has both fields.
const docs = fc.array(
  fc.record({ a: value, b: scalar, c: scalar, d: value }, { requiredKeys: [] }),
  {
    minLength: 1,
    maxLength: 25,
  },
)

const plainOperand = scalar.filter(
  (operand) => !(operand instanceof BSON.MinKey || operand instanceof BSON.MaxKey),
)
const predicate: fc.Arbitrary<unknown> = fc.oneof(
  scalar,
  fc.record({ $gt: plainOperand }),
  fc.record({ $lte: plainOperand }),
  fc.record({ $gte: plainOperand, $lt: plainOperand }),
  fc.record({ $in: fc.array(value, { maxLength: 3 }) }),
  fc.record({ $eq: value }),
  fc.record({ $ne: scalar }),
  fc.constantFrom(
    { $exists: true },
    { $exists: false },
    { $type: 'number' },
    { $type: 'array' },
    { $regex: '^a' },
  ),
  fc.record({ $elemMatch: fc.record({ $gt: plainOperand }) }),
  fc.record({ $not: fc.record({ $gt: plainOperand }) }),
)
const field = fc.constantFrom('a', 'b', 'c', 'd', 'd.e', 'a.e', '_id')
const conjunction = fc
  .array(fc.tuple(field, predicate), { maxLength: 3 })
  .map((parts): Document => Object.fromEntries(parts))
const filter = fc.oneof(
  { weight: 4, arbitrary: conjunction },
  {
    weight: 1,
    arbitrary: fc.tuple(conjunction, conjunction).map(([x, y]): Document => ({ $or: [x, y] })),
  },
)
const sortable = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd.e'), { maxLength: 2 })
const sort = fc
  .tuple(sortable, fc.infiniteStream(fc.constantFrom(1, -1)))
  .map(([fields, directions]) => {
    const pattern: Document = Object.fromEntries(
      fields.map((name) => [name, directions.next().value as number]),
    )
    return { ...pattern, _id: 1 }
  })
const indexes = fc.uniqueArray(
  fc.constantFrom<[Document, Document?]>(
    [{ a: 1 }],
    [{ b: -1 }],
    [{ b: 1, c: -1 }],
    [{ b: 1, a: 1, c: 1 }],
    [{ c: -1, 'd.e': 1 }],
    [{ 'd.e': -1 }],
    [{ 'd.e': 1, d: 1 }],
    [{ c: 1 }, { sparse: true }],
    [{ c: 1, b: 1 }, { partialFilterExpression: { b: { $gt: 0 } } }],
    [{ a: -1, b: 1 }, { partialFilterExpression: { c: { $exists: true } } }],
  ),
  { minLength: 1, maxLength: 4, selector: ([key]) => JSON.stringify(key) },
)
const query = fc.record({
  filter,
  sort,
  limit: fc.constantFrom(0, 0, 1, 3),
  skip: fc.constantFrom(0, 0, 2),
  batchSize: fc.constantFrom(2, 100),
})

/** The documents as text that also shows the types of numbers, so that 1 and 1.0 differ. */
const shown = (found: Document[]) =>
  found.map((doc) => BSON.EJSON.stringify(doc, { relaxed: false }))

/**
 * What a query answers. Both collections refuse a sort by parallel arrays, so an error is an answer
 * too.
 */
async function answer(
  items: Collection,
  { filter, ...options }: { filter: Document } & Document,
): Promise<string[] | string> {
  return items
    .find(filter, { ...options, promoteValues: false })
    .toArray()
    .then(shown, (error: Error) => error.message)
}

let run = 0

test('finds and sorts give the same with and without indexes', async () => {
  await fc.assert(
    fc.asyncProperty(
      docs,
      indexes,
      fc.array(query, { minLength: 10, maxLength: 10 }),
      async (given, definitions, queries) => {
        const [indexed, bare] = [
          database.db.collection(`indexed${++run}`),
          database.db.collection(`bare${run}`),
        ]
        const all = given.map((doc, at) => ({ _id: at as never, ...doc }))
        for (const [key, options] of definitions.slice(0, 2))
          await indexed.createIndex(key as never, options)
        await Promise.all([indexed.insertMany(all), bare.insertMany(all)])
        for (const [key, options] of definitions.slice(2))
          await indexed.createIndex(key as never, options)
        for (const one of queries)
          expect(await answer(indexed, one), BSON.EJSON.stringify(one)).toEqual(
            await answer(bare, one),
          )
        await Promise.all([indexed.drop(), bare.drop()])
      },
    ),
    { numRuns: inForm(20, 60) },
  )
}, 60_000)

test('updates and deletes change the same documents with and without indexes, and keep the indexes correct', async () => {
  await fc.assert(
    fc.asyncProperty(
      docs,
      indexes,
      fc.array(fc.tuple(filter, scalar), { minLength: 4, maxLength: 4 }),
      async (given, definitions, changes) => {
        const [indexed, bare] = [
          database.db.collection(`indexed${++run}`),
          database.db.collection(`bare${run}`),
        ]
        const all = given.map((doc, at) => ({ _id: at as never, ...doc }))
        for (const [key, options] of definitions) await indexed.createIndex(key as never, options)
        await Promise.all([indexed.insertMany(all), bare.insertMany(all)])
        for (const [condition, operand] of changes) {
          const update = { $set: { b: operand }, $unset: { c: 1 } }
          const [x, y] = await Promise.all(
            [indexed, bare].map((items) => items.updateMany(condition, update)),
          )
          expect(x).toEqual(y)
          const removed = await Promise.all(
            [indexed, bare].map((items) => items.deleteMany({ $and: [condition, { a: operand }] })),
          )
          expect(removed[0]).toEqual(removed[1])
          for (const probe of [{ b: operand }, { b: { $gte: 0 } }, { c: null }]) {
            const one = { filter: probe, sort: { _id: 1 } }
            expect(await answer(indexed, one)).toEqual(await answer(bare, one))
          }
        }
        await Promise.all([indexed.drop(), bare.drop()])
      },
    ),
    { numRuns: inForm(10, 30) },
  )
}, 60_000)
