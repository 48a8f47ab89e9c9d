// With test commands, fail points make commands fail on demand (`configureFailPoint`), as the
// unified tests of drivers need it. Without test commands there are no fail points.
import { MongoClient, UUID, type Document } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { openDatabase, temporaryDirectory, type TestDatabase } from './database.ts'
import { connectRaw, type RawClient } from './raw-client.ts'

test('the command takes --test-commands, and a fail point hits at the address that it prints', async () => {
  await using directory = await temporaryDirectory()
  const args = ['--test-commands', '--port', '0']
  await using server = await startEmbeddedProcess(directory.path, args)
  const { host } = new URL(server.url)
  await using client = await new MongoClient(server.url, { retryReads: false }).connect()
  const [admin, items] = [client.db('admin'), client.db('test').collection('items')]
  expect(await admin.command({ hello: 1 })).toMatchObject({
    me: host,
    hosts: [host],
    primary: host,
  })
  const data = { failCommands: ['find'], errorCode: 10107 }
  await admin.command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data })
  await expect(items.findOne()).rejects.toMatchObject({ code: 10107 })
  expect(await items.findOne()).toBeNull()
}, 60_000)

test('without test commands there is no command configureFailPoint', async () => {
  await using own = await openDatabase()
  const command = { configureFailPoint: 'failCommand', mode: 'off' }
  await expect(own.client.db('admin').command(command)).rejects.toMatchObject({ code: 59 })
})

describe('a fail point', () => {
  let database: TestDatabase
  let raw: RawClient
  beforeAll(async () => {
    database = await openDatabase({ testCommands: true })
    raw = await connectRaw(database.url)
    await raw.send({ insert: 'items', documents: [{ _id: 1 }, { _id: 2 }, { _id: 3 }] })
  })
  afterAll(async () => {
    await raw[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })
  const names = ['failCommand', 'failGetMoreAfterCursorCheckout', 'onPrimaryTransactionalWrite']
  afterEach(async () => {
    for (const name of names) await fail(name, 'off')
  })

  const fail = (name: string, mode: Document | string, data?: Document) =>
    database.client.db('admin').command({ configureFailPoint: name, mode, ...(data && { data }) })
  const find = { find: 'items', batchSize: 1 }
  const insertion = (_id: number): Document => ({
    insert: 'items',
    documents: [{ _id }],
    lsid: { id: new UUID() },
    txnNumber: 1n,
  })
  const exists = async (_id: number) => (await raw.send({ count: 'items', query: { _id } })).n === 1
  /** Whether the connection is closed instead of a reply. */
  const loses = async (command: Document): Promise<boolean> => {
    await using client = await connectRaw(database.url)
    return await client.send(command).then(
      () => false,
      () => true,
    )
  }

  test.each<[string, Document | string, number[]]>([
    ['always', 'alwaysOn', [0, 0, 0, 0]],
    ['as often as it is told', { times: 2 }, [0, 0, 1, 1]],
    ['after those that it skips', { skip: 2 }, [1, 1, 0, 0]],
    ['never when it is off', 'off', [1, 1, 1, 1]],
  ])('applies %s', async (_, mode, outcomes) => {
    await fail('failCommand', mode, { failCommands: ['find'], errorCode: 8 })
    const oks: unknown[] = []
    for (const _ of outcomes) oks.push((await raw.send(find)).ok)
    expect(oks).toEqual(outcomes)
  })

  test('applies to the commands that it names', async () => {
    await fail('failCommand', 'alwaysOn', { failCommands: ['find', 'insert'], errorCode: 8 })
    const reply = await raw.send(insertion(4))
    expect(reply).toMatchObject({ ok: 0, code: 8 })
    expect(reply).not.toHaveProperty('codeName')
    expect(await raw.send({ count: 'items' })).toMatchObject({ ok: 1, n: 3 })
  })

  test('applies to the clients of the name that it names', async () => {
    const data = { failCommands: ['find'], errorCode: 8, appName: 'it' }
    await fail('failCommand', 'alwaysOn', data)
    await using named = await new MongoClient(database.url, { appName: 'it' }).connect()
    await expect(named.db('test').collection('items').findOne()).rejects.toMatchObject({ code: 8 })
    expect(await raw.send(find)).toMatchObject({ ok: 1 })
  })

  test('labels an error as MongoDB does, or as it is told', async () => {
    const failing = { failCommands: ['insert'], errorCode: 11600 }
    await fail('failCommand', 'alwaysOn', failing)
    expect((await raw.send(insertion(4))).errorLabels).toEqual(['RetryableWriteError'])
    expect(await raw.send({ insert: 'items', documents: [] })).not.toHaveProperty('errorLabels')
    for (const errorLabels of [[], ['Mine']]) {
      await fail('failCommand', 'alwaysOn', { ...failing, errorLabels })
      expect((await raw.send(insertion(4))).errorLabels ?? []).toEqual(errorLabels)
    }
  })

  test('closes the connection instead of running the command', async () => {
    await fail('failCommand', { times: 1 }, { failCommands: ['insert'], closeConnection: true })
    expect(await loses(insertion(4))).toBe(true)
    expect(await exists(4)).toBe(false)
  })

  test('adds an error of the write concern to a write that is done', async () => {
    const writeConcernError = { code: 91, errmsg: 'it stops' }
    const data = { failCommands: ['insert'], writeConcernError, errorLabels: ['Mine'] }
    await fail('failCommand', { times: 1 }, data)
    expect(await raw.send(insertion(5))).toMatchObject({
      ok: 1,
      n: 1,
      writeConcernError,
      errorLabels: ['Mine'],
    })
    expect(await exists(5)).toBe(true)
  })

  test('holds up the command, while others are answered', async () => {
    const blocking = { failCommands: ['find'], blockConnection: true, blockTimeMS: 300 }
    await fail('failCommand', { times: 1 }, blocking)
    const order: string[] = []
    const begun = performance.now()
    const blocked = raw.send(find).then((reply) => (order.push('blocked'), reply))
    await database.db.command({ ping: 1 }).then(() => order.push('ping'))
    expect(await blocked).toMatchObject({ ok: 1 })
    expect(performance.now() - begun).toBeGreaterThanOrEqual(299)
    expect(order).toEqual(['ping', 'blocked'])
  })

  test('lets a change stream resume whose cursor fails, and no other cursor', async () => {
    const pipeline = [{ $changeStream: {} }]
    const labels: unknown[] = []
    for (const open of [find, { aggregate: 'items', pipeline, cursor: {} }]) {
      const { cursor } = await raw.send(open)
      for (const name of ['failGetMoreAfterCursorCheckout', 'failCommand']) {
        await fail(name, { times: 1 }, { failCommands: ['getMore'], errorCode: 6 })
        const reply = await raw.send({ getMore: cursor.id, collection: 'items' })
        expect(reply).toMatchObject({ ok: 0, code: 6 })
        labels.push(reply.errorLabels)
      }
    }
    expect(labels).toEqual([undefined, undefined, ['ResumableChangeStreamError'], undefined])
  })

  test('loses the reply of a numbered write that is new, and not of its repetition', async () => {
    const write = insertion(6)
    await fail('onPrimaryTransactionalWrite', { times: 1 })
    expect(await loses(write)).toBe(true)
    expect(await exists(6)).toBe(true)
    await fail('onPrimaryTransactionalWrite', 'alwaysOn')
    expect(await raw.send(write)).toMatchObject({ ok: 1, n: 1, retriedStmtIds: [0] })
  })

  test('undoes a numbered write: it fails before it is done', async () => {
    const before = { failBeforeCommitExceptionCode: 189 }
    await fail('onPrimaryTransactionalWrite', { times: 1 }, before)
    expect(await loses(insertion(7))).toBe(true)
    const open = { ...before, closeConnection: false }
    await fail('onPrimaryTransactionalWrite', { times: 1 }, open)
    const reply = await raw.send(insertion(7))
    expect(reply).toMatchObject({ code: 189, errorLabels: ['RetryableWriteError'] })
    expect(await exists(7)).toBe(false)
  })

  test.each<[number, Document, string]>([
    [13, { configureFailPoint: 'failCommand', mode: 'off' }, 'test'],
    [2, { configureFailPoint: 'unknown', mode: 'off' }, 'admin'],
    [2, { configureFailPoint: 'failCommand', mode: 'sometimes' }, 'admin'],
    [2, { configureFailPoint: 'failCommand', mode: 'alwaysOn' }, 'admin'],
    [40415, { configureFailPoint: 'failCommand', mode: 'off', more: 1 }, 'admin'],
  ])('is refused with code %i: %j in the database %s', async (code, command, name) => {
    await expect(database.client.db(name).command(command)).rejects.toMatchObject({ code })
  })
})
