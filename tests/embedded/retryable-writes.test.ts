// A write that is repeated under its number happens once, whatever comes between the attempts.
import { Binary, Int32, Long, UUID, type Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { openDatabase, temporaryDirectory, type TestDatabase } from './database.ts'
import { connectRaw, type RawClient } from './raw-client.ts'

let database: TestDatabase
let raw: RawClient
beforeAll(async () => {
  database = await openDatabase()
  raw = await connectRaw(database.url)
})
afterAll(async () => {
  await raw[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

const numbered = (txnNumber: number, lsid: Document, command: Document): Document => ({
  ...command,
  lsid,
  txnNumber: new Long(txnNumber),
})
const newSession = (): Document => ({ id: new Binary(new UUID().buffer, Binary.SUBTYPE_UUID) })
const send = (command: Document) => raw.send(command)
const twice = async (command: Document): Promise<[Document, Document]> => [
  await send(command),
  await send(command),
]

describe('a repeated write', () => {
  test('insert', async () => {
    const command = numbered(1, newSession(), {
      insert: 'a',
      documents: [{ _id: 'x' }, { _id: 'y' }],
    })
    const [first, second] = await twice(command)
    expect(first).toEqual({ n: 2, ok: 1 })
    expect(second).toEqual({ n: 2, retriedStmtIds: [0, 1], ok: 1 })
    expect(await database.db.collection('a').countDocuments()).toBe(2)
  })

  test('update', async () => {
    const items = database.db.collection<Document>('b')
    await items.insertOne({ _id: 'x' as never, n: 0 })
    const command = numbered(1, newSession(), {
      update: 'b',
      updates: [{ q: { _id: 'x' }, u: { $inc: { n: 1 } } }],
    })
    expect((await twice(command)).map(({ nModified }) => nModified as number)).toEqual([1, 1])
    expect(await items.findOne({ _id: 'x' as never })).toMatchObject({ n: 1 })
  })

  test('upsert returns the same id again', async () => {
    const command = numbered(1, newSession(), {
      update: 'c',
      updates: [{ q: { k: 1 }, u: { $set: { v: 1 } }, upsert: true }],
    })
    const [first, second] = await twice(command)
    expect(second.upserted).toEqual(first.upserted)
    expect(await database.db.collection('c').countDocuments()).toBe(1)
  })

  test('delete', async () => {
    await database.db.collection('d').insertMany([{ k: 1 }, { k: 1 }])
    const command = numbered(1, newSession(), {
      delete: 'd',
      deletes: [{ q: { k: 1 }, limit: new Int32(1) }],
    })
    expect((await twice(command)).map(({ n }) => n as number)).toEqual([1, 1])
    expect(await database.db.collection('d').countDocuments()).toBe(1)
  })

  test('findAndModify returns the same document again', async () => {
    await database.db.collection<Document>('e').insertOne({ _id: 'x' as never, n: 0 })
    const command = numbered(1, newSession(), {
      findAndModify: 'e',
      query: { _id: 'x' },
      update: { $inc: { n: 1 } },
      new: true,
    })
    const [first, second] = await twice(command)
    expect(first.value).toEqual({ _id: 'x', n: 1 })
    expect(second).toEqual({ ...first, retriedStmtId: 0 })
  })

  test('executes only the statements that were refused the first time', async () => {
    const items = database.db.collection<Document>('f')
    await items.insertOne({ _id: 'y' as never })
    const command = numbered(1, newSession(), {
      insert: 'f',
      documents: [{ _id: 'x' }, { _id: 'y' }],
    })
    expect(await send(command)).toMatchObject({ n: 1, writeErrors: [{ index: 1, code: 11000 }] })
    await items.deleteOne({ _id: 'y' as never })
    expect(await send(command)).toMatchObject({ n: 2, retriedStmtIds: [0] })
  })
})

describe('numbers', () => {
  test('must increase: an older one is refused', async () => {
    const session = newSession()
    await send(numbered(5, session, { insert: 'g', documents: [{ _id: 1 }] }))
    const older = send(numbered(4, session, { insert: 'g', documents: [{ _id: 2 }] }))
    expect(await older).toMatchObject({ code: 225 })
  })

  test('belong to their session', async () => {
    for (const session of [newSession(), newSession()]) {
      await send(
        numbered(1, session, {
          update: 'h',
          updates: [{ q: { _id: 1 }, u: { $inc: { n: 1 } }, upsert: true }],
        }),
      )
    }
    expect(await database.db.collection('h').findOne({})).toMatchObject({ n: 2 })
  })

  test('are refused for a write on many documents', async () => {
    const many = send(
      numbered(1, newSession(), {
        update: 'i',
        updates: [{ q: {}, u: { $set: { a: 1 } }, multi: true }],
      }),
    )
    expect(await many).toMatchObject({ code: 72 })
  })
})

test('a write that is repeated after a crash gets the first outcome', async () => {
  await using directory = await temporaryDirectory()
  const command = numbered(7, newSession(), {
    update: 'a',
    updates: [{ q: { _id: 'x' }, u: { $inc: { n: 1 } }, upsert: true }],
  })
  const answers: Document[] = []
  for (let round = 0; round < 2; round++) {
    await using server = await startEmbeddedProcess(directory.path)
    await using client = await connectRaw(server.url)
    answers.push(await client.send(command))
    expect((await client.send({ find: 'a' })).cursor).toMatchObject({
      firstBatch: [{ _id: 'x', n: 1 }],
    })
    await server.process.kill()
  }
  expect(answers[1]).toEqual({ ...answers[0], retriedStmtIds: [0] })
})

test('the driver repeats a write whose reply was lost', async () => {
  await using own = await openDatabase({ testCommands: true })
  const items = own.db.collection<Document>('a')
  await own.client
    .db('admin')
    .command({ configureFailPoint: 'onPrimaryTransactionalWrite', mode: { times: 1 } })
  expect(
    await items.updateOne({ _id: 'x' as never }, { $inc: { n: 1 } }, { upsert: true }),
  ).toMatchObject({
    upsertedId: 'x',
  })
  expect(await items.findOne({})).toEqual({ _id: 'x', n: 1 })
})
