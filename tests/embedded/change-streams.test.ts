// Change streams: what they show, where they start, and what they refuse.
import {
  Timestamp,
  type ChangeStream,
  type ChangeStreamDocument,
  type Collection,
  type Document,
} from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
beforeAll(async () => void (database = await openDatabase({ noopIntervalMs: 100 })))
afterAll(() => database[Symbol.asyncDispose]())

let collections = 0
const freshCollection = () => database.db.collection<Document>(`c${collections++}`)

type StreamEvent = ChangeStreamDocument & Document

interface OpenStream extends AsyncDisposable {
  readonly stream: ChangeStream
  take(count: number): Promise<StreamEvent[]>
}

/**
 * Opens a stream. Unless `given` says where to start, it starts at the present time of the server,
 * however late the driver sends its command.
 */
async function openStream(
  parent: Pick<Collection, 'watch'>,
  pipeline: Document[] = [],
  given: Document = {},
  { db }: TestDatabase = database,
): Promise<OpenStream> {
  const { operationTime } = await db.command({ ping: 1 })
  const { t, i } = operationTime as Timestamp
  const starts = 'resumeAfter' in given || 'startAfter' in given || 'startAtOperationTime' in given
  const options = starts
    ? given
    : { ...given, startAtOperationTime: new Timestamp({ t, i: i + 1 }) }
  const stream = parent.watch(pipeline, options)
  return {
    stream,
    async take(count) {
      const events: StreamEvent[] = []
      while (events.length < count) events.push((await stream.next()) as StreamEvent)
      return events
    },
    [Symbol.asyncDispose]: () => stream.close(),
  }
}

describe('a stream on a collection', () => {
  test('shows every change in order, with the document’s key and an increasing cluster time', async () => {
    const items = freshCollection()
    await using seen = await openStream(items)
    await items.insertOne({ _id: 'a' as never, n: 1, deep: { x: 1, y: 1 } })
    await items.updateOne({ n: 1 }, { $set: { 'deep.x': 2 }, $unset: { 'deep.y': 1 } })
    await items.replaceOne({ n: 1 }, { n: 9 })
    await items.deleteOne({ n: 9 })
    const events = await seen.take(4)
    expect(events).toMatchObject([
      {
        operationType: 'insert',
        fullDocument: { _id: 'a', n: 1 },
        documentKey: { _id: 'a' },
        ns: { db: 'test', coll: items.collectionName },
      },
      {
        operationType: 'update',
        updateDescription: {
          updatedFields: { 'deep.x': 2 },
          removedFields: ['deep.y'],
          truncatedArrays: [],
        },
      },
      { operationType: 'replace', fullDocument: { _id: 'a', n: 9 } },
      { operationType: 'delete', documentKey: { _id: 'a' } },
    ])
    expect(events[1]!.fullDocument).toBeUndefined()
    const times = events.map(({ clusterTime }) => clusterTime as Timestamp)
    times.slice(1).forEach((time, at) => expect(time.greaterThan(times[at]!)).toBe(true))
  })

  test('describes what a pipeline update changed', async () => {
    const items = freshCollection()
    await items.insertOne({ text: 'x'.repeat(200), a: 1, list: ['long enough', 2, 3], gone: true })
    await using seen = await openStream(items)
    await items.updateOne({}, [
      { $set: { a: 2, list: ['long enough', 5], extra: { b: 1 } } },
      { $unset: 'gone' },
    ])
    const [event] = await seen.take(1)
    expect(event!.updateDescription).toEqual({
      updatedFields: { a: 2, 'list.1': 5, extra: { b: 1 } },
      removedFields: ['gone'],
      truncatedArrays: [{ field: 'list', newSize: 2 }],
    })
    // A description that is longer than the document is none: the document was replaced.
    await items.updateOne({}, [
      { $set: { text: 'short', a: 3, list: 'none', extra: 'x'.repeat(150) } },
    ])
    expect(await seen.take(1)).toMatchObject([
      { operationType: 'replace', fullDocument: { text: 'short', a: 3 } },
    ])
  })

  test('looks up the current document on request, and shows null if it no longer exists', async () => {
    const items = freshCollection()
    await items.insertMany([
      { _id: 1 as never, n: 0 },
      { _id: 2 as never, n: 0 },
    ])
    await using seen = await openStream(items, [], { fullDocument: 'updateLookup', batchSize: 1 })
    await items.updateOne({ _id: 1 as never }, { $inc: { n: 1 } })
    await items.updateOne({ _id: 2 as never }, { $inc: { n: 1 } })
    await items.deleteOne({ _id: 2 as never })
    expect(await seen.take(2)).toMatchObject([
      { fullDocument: { _id: 1, n: 1 } },
      { fullDocument: null, documentKey: { _id: 2 } },
    ])
  })

  test('runs its events through the pipeline', async () => {
    const items = freshCollection()
    const pipeline = [
      { $match: { operationType: 'insert', 'fullDocument.n': { $gt: 5 } } },
      { $project: { 'fullDocument.n': 1, operationType: 1 } },
    ]
    await using seen = await openStream(items, pipeline)
    await items.insertMany([{ n: 1 }, { n: 9, secret: 1 }])
    const [event] = await seen.take(1)
    expect(event).toEqual({ _id: event!._id, operationType: 'insert', fullDocument: { n: 9 } })
  })

  test('ends with `invalidate` when the collection is dropped; startAfter can continue after it', async () => {
    const items = freshCollection()
    await items.insertOne({ n: 0 })
    await using seen = await openStream(items)
    await items.drop()
    const [dropped, invalidated] = await seen.take(2)
    expect([dropped!.operationType, invalidated!.operationType]).toEqual(['drop', 'invalidate'])
    await expect(
      items.watch([], { resumeAfter: invalidated!._id }).tryNext(),
    ).rejects.toMatchObject({ code: 260 })
    await items.insertOne({ n: 1 })
    await using after = await openStream(items, [], { startAfter: invalidated!._id })
    expect(after.stream.resumeToken).toBeTruthy()
    await items.insertOne({ n: 2 })
    expect(await after.take(1)).toMatchObject([{ operationType: 'insert' }])
  })

  test('shows a change as soon as it is committed', async () => {
    const items = freshCollection()
    await using seen = await openStream(items)
    const delays: number[] = []
    for (let n = 0; n < 30; n++) {
      const event = seen.take(1)
      await items.insertOne({ n })
      const acknowledged = performance.now()
      await event
      delays.push(performance.now() - acknowledged)
    }
    // Polling would add its interval here. The margin is for a busy machine.
    expect(delays.sort((a, b) => a - b)[15]).toBeLessThan(50)
  })
})

describe('a stream on more than a collection', () => {
  test('on a database covers its collections, and one on the client covers all databases', async () => {
    const [items, others] = [freshCollection(), freshCollection()]
    await using inDatabase = await openStream(database.db)
    await using everywhere = await openStream(database.client)
    await items.insertOne({ n: 1 })
    await others.insertOne({ n: 2 })
    await database.client.db('elsewhere').collection('c').insertOne({ n: 3 })
    await items.insertOne({ n: 4 })
    const numbers = (events: StreamEvent[]) =>
      events.map(({ fullDocument }) => (fullDocument as Document).n as number)
    expect(numbers(await inDatabase.take(3))).toEqual([1, 2, 4])
    expect(numbers(await everywhere.take(4))).toEqual([1, 2, 3, 4])
  })

  test('shows that its database was dropped', async () => {
    const dropped = database.client.db('dropped')
    await dropped.collection('a').insertOne({})
    await using seen = await openStream(dropped)
    await dropped.dropDatabase()
    const events = await seen.take(3)
    expect(events.map(({ operationType }) => operationType)).toEqual([
      'drop',
      'dropDatabase',
      'invalidate',
    ])
  })

  test('fifty streams at once show the same', async () => {
    const items = freshCollection()
    const streams = await Promise.all(Array.from({ length: 50 }, () => openStream(items)))
    await items.insertMany(Array.from({ length: 20 }, (_, n) => ({ n })))
    for (const { take, stream } of streams) {
      expect(
        (await take(20)).map(({ fullDocument }) => (fullDocument as Document).n as number),
      ).toEqual([...Array(20).keys()])
      await stream.close()
    }
  })
})

describe('resuming', () => {
  test('after any event gives exactly the events that follow it', async () => {
    const items = freshCollection()
    await using seen = await openStream(items)
    for (let n = 0; n < 10; n++) await items.insertOne({ n })
    const events = await seen.take(10)
    for (const [at, event] of events.slice(0, 9).entries()) {
      await using resumed = await openStream(
        items,
        [],
        at % 2 ? { resumeAfter: event._id } : { startAfter: event._id },
      )
      expect((await resumed.take(9 - at)).map(({ _id }) => _id)).toEqual(
        events.slice(at + 1).map(({ _id }) => _id),
      )
    }
  })

  test('at a cluster time includes the change of that time', async () => {
    const items = freshCollection()
    await using seen = await openStream(items)
    await items.insertOne({ n: 1 })
    await items.insertOne({ n: 2 })
    const [, second] = await seen.take(2)
    await using resumed = await openStream(items, [], {
      startAtOperationTime: second!.clusterTime as Timestamp,
    })
    expect(await resumed.take(1)).toMatchObject([{ fullDocument: { n: 2 } }])
  })

  test('works with the token of an idle stream, which advances by itself', async () => {
    const items = freshCollection()
    await using seen = await openStream(items, [], { maxAwaitTimeMS: 50 })
    await seen.stream.tryNext()
    const first = JSON.stringify(seen.stream.resumeToken)
    await expect
      .poll(async () => {
        await seen.stream.tryNext()
        return JSON.stringify(seen.stream.resumeToken)
      })
      .not.toBe(first)
    await items.insertOne({ n: 1 })
    await using resumed = await openStream(items, [], { resumeAfter: seen.stream.resumeToken })
    expect(await resumed.take(1)).toMatchObject([{ fullDocument: { n: 1 } }])
  })

  test('from a time before the oplog begins is refused: the history is lost', async () => {
    const startAtOperationTime = new Timestamp({ t: 1000, i: 1 })
    await expect(
      freshCollection().watch([], { startAtOperationTime }).tryNext(),
    ).rejects.toMatchObject({
      code: 286,
    })
  })

  test('from a part of the oplog that was removed is refused: the history is lost', async () => {
    await using small = await openDatabase({ oplogMaxBytes: 20_000, trimMs: 20 })
    const items = small.db.collection<Document>('c')
    await using seen = await openStream(items, [], {}, small)
    await items.insertOne({ n: 0 })
    const [event] = await seen.take(1)
    await items.insertMany(Array.from({ length: 100 }, () => ({ text: 'x'.repeat(1000) })))
    const resume = async (): Promise<unknown> => {
      await using resumed = items.watch([], { resumeAfter: event!._id, maxAwaitTimeMS: 20 })
      return await resumed.tryNext().then(
        () => 'resumed',
        (error: { code: number }) => error.code,
      )
    }
    await expect.poll(resume, { timeout: 10_000 }).toBe(286)
  })

  test('with a malformed token is refused', async () => {
    await expect(
      freshCollection()
        .watch([], { resumeAfter: { _data: 'nonsense' } })
        .tryNext(),
    ).rejects.toMatchObject({ code: 260 })
    await expect(
      freshCollection()
        .watch([], { resumeAfter: { x: 1 } })
        .tryNext(),
    ).rejects.toMatchObject({ code: 260 })
  })
})

test('a pipeline that removes the token is refused', async () => {
  const items = freshCollection()
  await using seen = await openStream(items, [{ $project: { _id: 0 } }])
  await items.insertOne({ n: 1 })
  await expect(seen.stream.next()).rejects.toMatchObject({ code: 280 })
})
