// What the server says about itself: its version, the address at which it listens, and that it has
// no transactions.
import { startEmbedded } from '@lockstep/embedded-mongo'
import { MongoClient } from 'mongodb'
import { expect, test } from 'vitest'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { openDatabase, temporaryDirectory } from './database.ts'

test('says the address at which it listens, so that a driver may discover it', async () => {
  await using directory = await temporaryDirectory()
  await using server = await startEmbeddedProcess(directory.path, ['--port', '0'])
  const { host } = new URL(server.url)
  for (const query of ['', '?replicaSet=embedded', '?directConnection=true']) {
    const client = await new MongoClient(`mongodb://${host}/${query}`).connect()
    const hello = await client.db('admin').command({ hello: 1 })
    expect(hello).toMatchObject({ me: host, primary: host, hosts: [host], maxWireVersion: 13 })
    await client.db('test').collection('items').insertOne({ query })
    await client.close()
  }
  const client = await new MongoClient(server.url).connect()
  expect(await client.db('test').collection('items').countDocuments()).toBe(3)
  expect(await client.db().command({ buildInfo: 1 })).toMatchObject({ version: '5.0.0' })
  await client.close()
})

test('tells a driver that follows it each time that nothing has changed, on one connection', async () => {
  await using database = await openDatabase()
  const client = new MongoClient(database.url, { heartbeatFrequencyMS: 500 })
  const awaited: boolean[] = []
  const connections = new Set<string>()
  client.on('serverHeartbeatStarted', (event) => {
    awaited.push(event.awaited)
    connections.add(event.connectionId)
  })
  client.on('serverHeartbeatFailed', ({ failure }) => awaited.push(failure.message === ''))
  await client.connect()
  // the first one asks what the server is
  await expect.poll(() => awaited.slice(0, 4)).toEqual([false, true, true, true])
  expect(connections.size).toBe(1)
  await client.close()
})

test('lets drivers go at once when it stops, though they wait for news', async () => {
  await using directory = await temporaryDirectory()
  const server = await startEmbedded({ dataDir: directory.path })
  await using client = await new MongoClient(server.url).connect()
  const followed = new Promise((resolve) => client.once('serverHeartbeatStarted', resolve))
  await followed
  const began = performance.now()
  await server.stop()
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('refuses a transaction without the advice to turn off retryable writes', async () => {
  await using database = await openDatabase()
  await using session = database.client.startSession()
  const items = database.db.collection('items')
  session.startTransaction()
  const failure: unknown = await items.insertOne({ n: 1 }, { session }).catch((error) => error)
  expect(failure).toMatchObject({ code: 263 })
  expect((failure as Error).message).toMatch(/transactions are not supported/i)
  expect((failure as Error).message).not.toMatch(/retryWrites/)
  expect(await items.countDocuments()).toBe(0)
})
