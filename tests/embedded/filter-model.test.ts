// Random filters and sorts are compared with a plain model, written from MongoDB's documentation.
import fc from 'fast-check'
import type { Document } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inForm } from '../harness/long-form.ts'
import { openDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
beforeAll(async () => void (database = await openDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

const number = fc.constantFrom(-1, 0, 1, 1.5, 2)
const scalar = fc.oneof(number, fc.constantFrom('', 'x', 'y', null, true, false))
const { value } = fc.letrec<{ value: unknown; list: unknown[]; doc: Document }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, tie('list'), tie('doc')),
  list: fc.array(tie('value'), { maxLength: 3 }),
  doc: fc.dictionary(fc.constantFrom('b', 'c'), tie('value'), { maxKeys: 2 }),
}))
const doc = fc.dictionary(fc.constantFrom('a', 'b'), value, { maxKeys: 2 })
const path = fc.constantFrom('a', 'b', 'a.b', 'a.c', 'a.b.c', 'a.0', 'a.1.b')

const comparison = fc.oneof(
  fc.record({ $eq: value }),
  fc.record({ $ne: value }),
  fc
    .tuple(fc.constantFrom('$gt', '$gte', '$lt', '$lte'), value)
    .map(([name, to]) => ({ [name]: to })),
  fc.record({ $in: fc.array(value, { maxLength: 3 }) }),
  fc.record({ $nin: fc.array(value, { maxLength: 3 }) }),
  fc.record({ $exists: fc.boolean() }),
  fc.record({ $size: fc.nat(2) }),
  fc.record({ $all: fc.array(value, { maxLength: 2 }) }),
  fc.record({ $type: fc.constantFrom('number', 'string', 'null', 'bool', 'object', 'array') }),
)
const condition = fc.oneof(
  { weight: 4, arbitrary: comparison },
  { weight: 1, arbitrary: fc.record({ $not: comparison }) },
  { weight: 1, arbitrary: fc.record({ $elemMatch: comparison }) },
  {
    weight: 1,
    arbitrary: fc
      .dictionary(fc.constantFrom('b', 'c'), comparison, { minKeys: 1, maxKeys: 2 })
      .map(($elemMatch) => ({ $elemMatch })),
  },
)
const single = fc
  .tuple(path, fc.oneof(condition, value.filter(isNoDoc)))
  .map(([name, to]) => ({ [name]: to }))
const filter: fc.Arbitrary<Document> = fc.oneof(
  { weight: 3, arbitrary: single },
  fc
    .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(single, { minLength: 1, maxLength: 3 }))
    .map(([name, parts]) => ({ [name]: parts })),
)
const sort = fc.tuple(fc.constantFrom('a', 'b', 'a.b', 'a.b.c'), fc.constantFrom(1, -1))

function isNoDoc(given: unknown): boolean {
  return typeof given !== 'object' || given === null || Array.isArray(given)
}

test(
  'filters and sorts find what the model finds',
  async () => {
    const items = database.db.collection<Document>('items')
    await fc.assert(
      fc.asyncProperty(
        fc.array(doc, { minLength: 10, maxLength: 10 }),
        fc.array(filter, { minLength: 20, maxLength: 20 }),
        sort,
        async (given, filters, order) => {
          const docs: Document[] = given.map((fields, _id) => ({ _id, ...fields }))
          await items.deleteMany({})
          await items.insertMany(docs)
          const ids = async (query: Document, by: Document) =>
            (await items.find(query).sort(by).toArray()).map(({ _id }) => _id as unknown)
          for (const query of filters)
            expect({ query, found: await ids(query, { _id: 1 }) }).toEqual({
              query,
              found: docs.filter((one) => matches(one, query)).map(({ _id }) => _id as unknown),
            })
          const [name, direction] = order
          expect({ order, found: await ids({}, { [name]: direction, _id: 1 }) }).toEqual({
            order,
            found: docs
              .toSorted((one, other) => inOrder(one, other, name, direction))
              .map(({ _id }) => _id as unknown),
          })
        },
      ),
      { numRuns: inForm(25, 1_000) },
    )
  },
  inForm(60_000, 900_000),
)

/** A field that isn't there. */
const missing = Symbol('missing')
/** What an empty array sorts as. */
const empty = Symbol('empty')

const isDoc = (given: unknown): given is Document =>
  typeof given === 'object' && given !== null && !Array.isArray(given)

/** What a path leads to. `parts`: what a condition may hold for. */
interface Leaf {
  value: unknown
  parts: unknown[]
}

/** A condition holds for an array if it holds for one of its elements or for the array itself. */
const leaf = (value: unknown): Leaf => ({
  value,
  parts: Array.isArray(value) ? [...value, value] : [value],
})

/**
 * What a path leads to. Arrays on the way are walked through: their documents, and the element
 * whose position the path names. Where the path ends with a position, that element isn't looked
 * into, and where it goes on, a scalar there leads to nothing, not even to a missing field.
 */
function leaves(from: unknown, [name, ...rest]: readonly string[]): Leaf[] {
  if (name === undefined) return [leaf(from)]
  if (isDoc(from)) return leaves(Object.hasOwn(from, name) ? from[name] : missing, rest)
  if (!Array.isArray(from)) return [leaf(missing)]
  const inDocs = from.filter(isDoc).flatMap((element) => leaves(element, [name, ...rest]))
  if (!/^\d+$/.test(name) || Number(name) >= from.length) return inDocs
  const value: unknown = from[Number(name)]
  if (rest.length === 0) return [...inDocs, { value, parts: [value] }]
  return typeof value === 'object' && value !== null ? [...inDocs, ...leaves(value, rest)] : inDocs
}

/** MongoDB's order of types. */
function rank(given: unknown): number {
  if (given === missing || given === null) return 1
  if (Array.isArray(given)) return 5
  return { number: 2, string: 3, object: 4, boolean: 6 }[typeof given as 'number'] ?? 0
}

function compare(a: unknown, b: unknown): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b)
  if (rank(a) <= 1) return 0
  if (Array.isArray(a)) return compareLists(a, b as unknown[])
  if (!isDoc(a)) return a === b ? 0 : (a as number) < (b as number) ? -1 : 1
  const parts = (of: Document) =>
    Object.entries(of).map(([name, part]) => [rank(part), name, part] as const)
  return compareLists(parts(a).flat(), parts(b as Document).flat())
}

function compareLists(a: readonly unknown[], b: readonly unknown[]): number {
  for (const [at, element] of a.entries()) {
    if (at >= b.length) return 1
    const order = compare(element, b[at])
    if (order !== 0) return order
  }
  return a.length - b.length
}

function matches(one: Document, query: Document): boolean {
  return Object.entries(query).every(([name, wanted]) => {
    const parts = wanted as Document[]
    if (name === '$and') return parts.every((part) => matches(one, part))
    if (name === '$or') return parts.some((part) => matches(one, part))
    if (name === '$nor') return !parts.some((part) => matches(one, part))
    const conditions = isDoc(wanted) ? wanted : { $eq: wanted as unknown }
    const found = leaves(one, name.split('.'))
    return Object.entries(conditions).every(([operator, operand]) =>
      holds(found, operator, operand),
    )
  })
}

function holds(found: readonly Leaf[], operator: string, operand: unknown): boolean {
  const all = found.flatMap(({ parts }) => parts)
  const list = operand as unknown[]
  switch (operator) {
    case '$eq':
      return all.some((one) => compare(one, operand) === 0)
    case '$gt':
      return all.some((one) => rank(one) === rank(operand) && compare(one, operand) > 0)
    case '$lt':
      return all.some((one) => rank(one) === rank(operand) && compare(one, operand) < 0)
    case '$gte':
      return holds(found, '$gt', operand) || holds(found, '$eq', operand)
    case '$lte':
      return holds(found, '$lt', operand) || holds(found, '$eq', operand)
    case '$in':
      return list.some((one) => holds(found, '$eq', one))
    case '$all':
      return list.length > 0 && list.every((one) => holds(found, '$eq', one))
    case '$ne':
      return !holds(found, '$eq', operand)
    case '$nin':
      return !holds(found, '$in', operand)
    case '$not':
      return !Object.entries(operand as Document).every(([name, to]) => holds(found, name, to))
    case '$exists':
      return found.some(({ value: one }) => one !== missing) === operand
    case '$size':
      return found.some(({ value: one }) => Array.isArray(one) && one.length === operand)
    case '$type':
      return all.some((one) => one !== missing && typeName(one) === operand)
    case '$elemMatch':
      return found.some(
        ({ value: one }) =>
          Array.isArray(one) && one.some((element) => suits(element, operand as Document)),
      )
    default:
      throw new Error(operator)
  }
}

/** Whether an element suits `$elemMatch`: by its fields, or as a value that isn't looked into. */
function suits(element: unknown, conditions: Document): boolean {
  const entries = Object.entries(conditions)
  if (entries.every(([name]) => name.startsWith('$')))
    return entries.every(([operator, operand]) =>
      holds([{ value: element, parts: [element] }], operator, operand),
    )
  // An array in the array is a document whose names are its positions.
  return typeof element === 'object' && element !== null && matches({ ...element }, conditions)
}

function typeName(one: unknown): string {
  if (one === null) return 'null'
  if (Array.isArray(one)) return 'array'
  return typeof one === 'boolean' ? 'bool' : typeof one
}

/** What a document may sort by: all that the path leads to. Nested arrays are single values. */
function sortKeys(from: unknown, [name, ...rest]: readonly string[]): unknown[] {
  if (Array.isArray(from)) {
    if (name === undefined) return from.length > 0 ? from : [empty]
    return from.length > 0
      ? from.flatMap((one) => (isDoc(one) ? sortKeys(one, [name, ...rest]) : [missing]))
      : [missing]
  }
  if (name === undefined) return [from]
  return isDoc(from) && Object.hasOwn(from, name) ? sortKeys(from[name], rest) : [missing]
}

/** A document with several values sorts by the least of them, or downwards by the greatest. */
function inOrder(a: Document, b: Document, name: string, direction: number): number {
  const key = (of: Document): unknown =>
    sortKeys(of, name.split('.')).toSorted((x, y) => direction * compare(x, y))[0]
  return direction * compare(key(a), key(b)) || (a._id as number) - (b._id as number)
}
