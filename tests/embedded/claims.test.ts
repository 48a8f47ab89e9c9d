// The table of the README says what the engine claims. The code has nothing more and nothing less.
import { readFileSync } from 'node:fs'
import { BSONSymbol, Code, Decimal128, Timestamp } from 'bson'
import type { Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accumulators, stageNames } from '../../realtime/embedded/aggregate/stages.ts'
import { checkBson } from '../../realtime/embedded/bson/doc.ts'
import { commands } from '../../realtime/embedded/commands/dispatch.ts'
import { operators } from '../../realtime/embedded/expression/expression.ts'
import { Regex } from '../../realtime/embedded/regex/regex.ts'
import { updateOperators } from '../../realtime/embedded/update/operators.ts'
import { openDatabase, type TestDatabase } from './database.ts'

const readme = readFileSync(new URL('../../realtime/embedded/README.md', import.meta.url), 'utf8')

/** The names in a row of the table. */
function claimed(kind: string): string[] {
  const row = readme.split('\n').find((line) => line.startsWith(`| ${kind} `))
  const withoutNotes = row!.replaceAll(/\([^)]*\)/g, '')
  return [...withoutNotes.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
}

test.each([
  ['Commands', [...commands.keys(), 'configureFailPoint']],
  ['Update operators', Object.keys(updateOperators)],
  ['Stages', stageNames],
  ['Accumulators', Object.keys(accumulators)],
  ['Expression operators', Object.keys(operators)],
])('%s are those of the table', (kind, names) => {
  expect([...names].sort()).toEqual(claimed(kind).sort())
})

// Patterns that PCRE takes and RE2 can't match in a time in proportion to the text, or at all.
test.each([
  ...[
    '(a)\\1',
    '(?<=a)b',
    '(?=ab)a',
    '(?!a)b',
    'a(?=b)',
    '(?>a)b',
    'a++b',
    '(?R)',
    '(*UTF8)a',
    'a{2}{3}',
  ],
  ...['a{1001}', '$a', '(a|$)b', '(?m)^', '\\p{Greek}', '\\R', '\\G', '[[.a.]]', '(?i)[\\wa]'],
  ...[
    'a(?i)b',
    '(?i:a)',
    '(?#a)b',
    '\\h',
    '\\v',
    '\\N',
    '\\07',
    '\\1',
    '(',
    'a)',
    '[a',
    '[z-a]',
    'a**',
    'a{2,1}',
  ],
])('the regular expression %j is refused', (source) => {
  expect(() => new Regex(source, '')).toThrow(expect.objectContaining({ code: 238 }))
})

test.each([
  ['undefined', 0x06, []],
  ['a DBPointer', 0x0c, [1, 0, 0, 0, 0, ...Array(12).fill(1)]],
  ['code', 0x0d, [1, 0, 0, 0, 0]],
  ['a symbol', 0x0e, [1, 0, 0, 0, 0]],
  ['code with a scope', 0x0f, [14, 0, 0, 0, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0]],
  ['a date beyond JavaScript’s', 0x09, [0, 0, 0, 0, 0, 0, 0, 0x7f]],
])('%s is refused as a value', (_, type, value: number[]) => {
  const bytes = Buffer.from([value.length + 8, 0, 0, 0, type, 0x61, 0, ...value, 0])
  expect(() => checkBson(bytes)).toThrow(expect.objectContaining({ code: 238 }))
})

test('a large pattern isn’t matched against a text that could take it seconds', () => {
  const regex = new Regex('(?:a?){1000}b', '')
  expect(regex.test('ab')).toBe(true)
  expect(() => regex.test('a'.repeat(2 ** 21))).toThrow(expect.objectContaining({ code: 238 }))
})

describe('what MongoDB 5.0 has and the engine doesn’t claim', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await openDatabase()
    const doc = { list: [1, 2], price: new Decimal128('1.5') }
    await database.db.collection<Document>('items').insertOne(doc)
  })
  afterAll(() => database[Symbol.asyncDispose]())

  const stage = (pipeline: Document) => ({ aggregate: 'items', pipeline: [pipeline], cursor: {} })
  const expressions =
    `$abs $acos $allElementsTrue $anyElementTrue $arrayElemAt $arrayToObject $avg $ceil $concat
    $dateToString $divide $exp $first $floor $indexOfArray $last $let $ln $log $max $mergeObjects $min $mod $multiply
    $pow $range $reduce $reverseArray $round $setUnion $slice $split $sqrt $strLenCP $substrCP $subtract $sum
    $switch $toLower $toString $trim $zip $isNumber`.split(/\s+/)
  const find = (more: Document) => ({ find: 'items', ...more })
  const update = (u: Document) => ({ update: 'items', updates: [{ q: {}, u }] })

  test.each<[number, Document]>([
    ...expressions.map((name): [number, Document] => [
      168,
      stage({ $project: { found: { [name]: ['$list', 1] } } }),
    ]),
    [168, find({ projection: { list: { $slice: 1 } } })],
    [168, find({ projection: { list: { $elemMatch: { $gt: 1 } } } })],
    [238, find({ filter: { list: 1 }, projection: { 'list.$': 1 } })],
    [238, { insert: 'items', documents: [{ code: new Code('') }] }],
    [238, { insert: 'items', documents: [{ at: new Timestamp({ t: 0, i: 0 }) }] }],
    [238, update({ $set: { at: new Timestamp({ t: 0, i: 0 }) } })],
    [238, { insert: 'items', documents: [{ symbol: new BSONSymbol('') }] }],
    [238, find({ filter: { price: 1 } })],
    [238, find({ filter: { price: { $in: [1] } } })],
    [238, find({ sort: { price: 1 } })],
    [238, find({ sort: { $natural: -1 } })],
    [238, find({ hint: { $natural: 1 } })],
    [238, { createIndexes: 'items', indexes: [{ key: { price: 1 }, name: 'price' }] }],
    [238, { createIndexes: 'items', indexes: [{ key: { a: 1 }, name: 'a', hidden: true }] }],
    [67, { createIndexes: 'items', indexes: [{ key: { 'to.$id': 1 }, name: 'to' }] }],
    [238, { distinct: 'items', key: 'price' }],
    [238, stage({ $project: { sum: { $add: ['$price', 1] } } })],
    [238, stage({ $group: { _id: null, sum: { $sum: '$price' } } })],
    ...['$addToSet', '$avg', '$count', '$first', '$last', '$mergeObjects', '$push'].map(
      (name): [number, Document] => [15952, stage({ $group: { _id: null, n: { [name]: '$n' } } })],
    ),
    ...['$bucket', '$facet', '$lookup', '$merge', '$out', '$sortByCount', '$unionWith'].map(
      (name): [number, Document] => [40324, stage({ [name]: {} })],
    ),
    [40324, stage({ $unwind: '$list' })],
    [40324, stage({ $replaceRoot: { newRoot: '$list' } })],
    [40324, stage({ $replaceWith: '$list' })],
    [2, find({ filter: { count: { $bitsAllSet: 1 } } })],
    [2, find({ filter: { count: { $mod: [2, 0] } } })],
    [238, find({ filter: { text: { $regex: '^a', $options: 'm' } } })],
    [238, find({ filter: { text: { $regex: 'a', $options: 'x' } } })],
    [238, update({ $inc: { price: 1 } })],
    [238, update({ $mul: { price: 2 } })],
    [9, update({ $bit: { count: { or: 1 } } })],
    [9, update({ $rename: { count: 'number' } })],
    [9, update({ $currentDate: { at: true } })],
    [9, update({ $pop: { list: 1 } })],
    [9, update({ $pullAll: { list: [1] } })],
    [238, update({ $set: { 'list.$': 1 } })],
    [238, update({ $set: { 'list.$[]': 1 } })],
    [238, update({ $set: { 'list.$[x]': 1 } })],
    [72, update([{ $replaceWith: '$list' }])],
    [59, { collMod: 'items', index: { name: '_id_', expireAfterSeconds: 9 } }],
    [238, { create: 'others', capped: true, size: 100 }],
    [238, { create: 'others', storageEngine: {} }],
    [238, update({ $push: { list: { $each: [3], $sort: 1 } } })],
    [238, update({ $push: { list: { $each: [3], $position: 1 } } })],
    [40415, { insert: 'items', documents: [{}], stmtId: 1 }],
    [40415, { ping: 1, '': 1 }],
    [40415, find({ $audit: {} })],
    [100, { insert: 'items', documents: [{}], writeConcern: { w: 2 } }],
    [59, { renameCollection: 'test.items', to: 'test.others' }],
    [59, { killSessions: [] }],
    [59, { commitTransaction: 1 }],
    [59, { refreshSessions: [] }],
    [59, { configureFailPoint: 'failCommand', mode: 'off' }],
    [238, { explain: { count: 'items' } }],
  ])('is refused with code %i: %j', async (code, command) => {
    const reply = await database.db
      .command(command)
      .catch((error: Error & { code: number }) => ({ writeErrors: [error] }))
    expect((reply as { writeErrors?: { code: number }[] }).writeErrors?.[0]?.code).toBe(code)
  })
})

describe('query operators', () => {
  let database: TestDatabase
  beforeAll(async () => void (database = await openDatabase()))
  afterAll(() => database[Symbol.asyncDispose]())

  const others = [
    '$bitsAllClear $bitsAllSet $bitsAnyClear $bitsAnySet $mod $box $geoIntersects $geoWithin $jsonSchema $maxDistance $near $nearSphere $rand $sampleRate $text $where',
  ].flatMap((names) => names.split(' '))

  /** What the engine says about an operator, at a field and at the top. */
  async function answers(name: string): Promise<string[]> {
    const items = database.db.collection('items')
    const attempts = [{ a: { [name]: null } }, { [name]: null }].map((filter) =>
      items.findOne(filter).then(
        () => 'known',
        (error: Error) => error.message,
      ),
    )
    return Promise.all(attempts)
  }

  const unknown = /^unknown|not supported/

  test('of the table are known', async () => {
    for (const name of claimed('Query operators'))
      expect(
        (await answers(name)).filter((answer) => !unknown.test(answer)),
        name,
      ).not.toEqual([])
  })

  test('that aren’t in the table are refused', async () => {
    for (const name of others)
      expect(
        (await answers(name)).filter((answer) => !unknown.test(answer)),
        name,
      ).toEqual([])
  })
})
