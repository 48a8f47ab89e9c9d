// Random updates are compared with a plain model of each operator, and change streams with both:
// applying the update descriptions to the first document must give the last one.
import fc from 'fast-check'
import { Timestamp, type Document } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inForm } from '../harness/long-form.ts'
import { openDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
beforeAll(async () => void (database = await openDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

const small = fc.integer({ min: -3, max: 3 })
const scalar = fc.oneof(small, fc.constantFrom('x', 'y', null, true))
const numeric = fc.constantFrom('n', 'deep.n', 'deep.er.n')
const listed = fc.constantFrom('list', 'deep.list')
const free = fc.constantFrom('free', 'deep.free', 'other.free')

type Step = [operator: string, path: string, operand: unknown]
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(
    fc.constant('$set'),
    free,
    fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }), fc.record({ z: scalar })),
  ),
  fc.tuple(fc.constant('$unset'), fc.oneof(free, numeric, listed), fc.constant('')),
  fc.tuple(fc.constantFrom('$inc', '$mul'), numeric, small),
  fc.tuple(fc.constantFrom('$min', '$max'), numeric, small),
  fc.tuple(fc.constantFrom('$push', '$addToSet', '$pull'), listed, scalar),
  fc.tuple(
    fc.constant('$push'),
    listed,
    fc.record({ $each: fc.array(scalar, { maxLength: 3 }), $slice: fc.constantFrom(2, -2) }),
  ),
)
const update = fc.uniqueArray(step, { minLength: 1, maxLength: 4, selector: ([, path]) => path })

test('updates change documents as the model does, and their descriptions say how', async () => {
  const items = database.db.collection<Document>('items')
  await fc.assert(
    fc.asyncProperty(fc.array(update, { minLength: 1, maxLength: 8 }), async (updates) => {
      await items.deleteMany({})
      await items.insertOne({ _id: 1 as never, n: 1 })
      const { operationTime } = await database.db.command({ ping: 1 })
      const { t, i } = operationTime as Timestamp
      const model: Document = { _id: 1, n: 1 }
      const follower: Document = { _id: 1, n: 1 }
      let modified = 0
      for (const steps of updates) {
        const command: Document = {}
        for (const [operator, path, operand] of steps) (command[operator] ??= {})[path] = operand
        modified += (await items.updateOne({}, command)).modifiedCount
        for (const [operator, path, operand] of steps) apply(model, operator, path, operand)
        expect(await items.findOne({})).toEqual(model)
      }
      await using stream = items.watch([], { startAtOperationTime: new Timestamp({ t, i: i + 1 }) })
      for (let seen = 0; seen < modified; seen++)
        follow(follower, (await stream.next()) as unknown as Document)
      expect(follower).toEqual(model)
    }),
    { numRuns: inForm(25, 60) },
  )
}, 60_000)

/**
 * The object that holds the last name of a path. With `make`, missing objects on the way are
 * created.
 */
function holder(doc: Document, path: string, make: boolean): [Document | undefined, string] {
  const names = path.split('.')
  const last = names.pop()!
  let current: Document | undefined = doc
  for (const name of names) {
    if (current && current[name] === undefined && make) current[name] = {}
    current = current?.[name] as Document | undefined
  }
  return [current, last]
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

function apply(doc: Document, operator: string, path: string, operand: unknown): void {
  const [object, name] = holder(doc, path, !['$unset', '$pull'].includes(operator))
  if (!object) return
  const before: unknown = object[name]
  const list = (before ?? []) as unknown[]
  switch (operator) {
    case '$set':
      object[name] = operand
      break
    case '$unset':
      delete object[name]
      break
    case '$inc':
      object[name] = ((before as number) ?? 0) + (operand as number)
      break
    case '$mul':
      object[name] = ((before as number) ?? 0) * (operand as number) + 0
      break
    case '$min':
    case '$max':
      if (
        before === undefined ||
        (operator === '$min'
          ? (operand as number) < (before as number)
          : (operand as number) > (before as number))
      )
        object[name] = operand
      break
    case '$push':
      object[name] = pushed(list, operand)
      break
    case '$addToSet':
      object[name] = list.some((element) => same(element, operand)) ? list : [...list, operand]
      break
    case '$pull':
      if (before) object[name] = list.filter((element) => !same(element, operand))
      break
  }
}

function pushed(list: unknown[], operand: unknown): unknown[] {
  if (typeof operand !== 'object' || operand === null) return [...list, operand]
  const { $each, $slice } = operand as { $each: unknown[]; $slice: number }
  const all = [...list, ...$each]
  return $slice < 0 ? all.slice($slice) : all.slice(0, $slice)
}

function follow(doc: Document, event: Document): void {
  const { updatedFields, removedFields } = event.updateDescription as Document
  for (const path of removedFields as string[]) {
    const [object, name] = holder(doc, path, false)
    if (object) delete object[name]
  }
  for (const [path, value] of Object.entries(updatedFields as Document)) {
    const [object, name] = holder(doc, path, true)
    object![name] = value
  }
}
