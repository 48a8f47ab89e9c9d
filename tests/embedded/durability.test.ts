// What was acknowledged survives a kill at any moment. One process at a time can use the data. A
// stop is orderly.
import { once } from 'node:events'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { startEmbedded } from '@lockstep/embedded-mongo'
import { verifyData } from '@lockstep/embedded-mongo/verify'
import { MongoClient, type Document } from 'mongodb'
import { describe, expect, test } from 'vitest'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { inForm } from '../harness/long-form.ts'
import { connectUntilKilled, openDatabase, temporaryDirectory } from './database.ts'

const KILLS = inForm(3, 320)

describe('kill -9 under load', () => {
  test(
    'loses no acknowledged insert, and a stream resumes without a gap',
    async () => {
      await using directory = await temporaryDirectory()
      const acknowledged: string[] = []
      let resumeAfter: unknown
      const streamed: string[] = []
      for (let round = 0; round < KILLS; round++) {
        await using server = await startEmbeddedProcess(directory.path)
        const client = await connectUntilKilled(server.url, { retryWrites: false })
        const items = client.db('test').collection<Document>('items')
        await items.createIndex({ n: 1 }, { unique: true })
        const stream = items.watch(
          [{ $match: { operationType: 'insert' } }],
          resumeAfter ? { resumeAfter } : {},
        )
        if (round === 0) await stream.tryNext()
        const writers = Array.from({ length: 8 }, (_, writer) =>
          write(items, `${round}-${writer}`, acknowledged),
        )
        await until(() => acknowledged.length > (round + 1) * 100)
        for (let count = 0; count < 40; count++) {
          streamed.push(
            ((await stream.next()) as unknown as { documentKey: { _id: string } }).documentKey._id,
          )
          resumeAfter = stream.resumeToken
        }
        await server.process.kill()
        await Promise.all(writers)
        await stream.close().catch(() => undefined)
        await client.close()
      }
      // No kill has left anything that looks like damage.
      expect(verifyData(directory.path).faults).toEqual([])
      await using server = await startEmbeddedProcess(directory.path)
      const client = await new MongoClient(server.url).connect()
      const items = client.db('test').collection<Document>('items')
      const stored: unknown[] = await items.distinct('_id')
      expect(new Set(stored)).toEqual(new Set([...stored, ...acknowledged]))
      expect(await items.countDocuments({ n: { $gte: '' } })).toBe(stored.length)
      await using rest = items.watch([{ $match: { operationType: 'insert' } }], { resumeAfter })
      while (streamed.length < stored.length)
        streamed.push(
          ((await rest.next()) as unknown as { documentKey: { _id: string } }).documentKey._id,
        )
      expect([...streamed].sort()).toEqual([...(stored as unknown[])].sort())
      await rest.close()
      await client.close()
    },
    inForm(120_000, 3_600_000),
  )
})

async function write(
  items: ReturnType<ReturnType<MongoClient['db']>['collection']>,
  name: string,
  acknowledged: string[],
): Promise<void> {
  for (let count = 0; ; count++) {
    const id = `${name}-${count}`
    try {
      await items.insertOne({ _id: id as never, n: id, text: 'x'.repeat(200) })
      acknowledged.push(id)
    } catch {
      return
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { timeout: 10_000, interval: 5 }).toBe(true)
}

describe('a data directory', () => {
  test('belongs to one server at a time, in this process or in another', async () => {
    await using directory = await temporaryDirectory()
    await using database = await openDatabase({ dataDir: directory.path })
    await expect(startEmbedded({ dataDir: directory.path })).rejects.toThrow(
      /in use by another process/,
    )
    await expect(startEmbeddedProcess(directory.path)).rejects.toThrow(/in use by another process/)
    expect(await database.db.command({ ping: 1 })).toMatchObject({ ok: 1 })
  })

  test('can be opened again after kill -9', async () => {
    await using directory = await temporaryDirectory()
    await using first = await startEmbeddedProcess(directory.path)
    await first.process.kill()
    await using second = await startEmbeddedProcess(directory.path)
    second.process.signal('SIGTERM')
    expect(await second.process.exited).toEqual({ code: 0, signal: null })
  })

  test('keeps collections, indexes, options and counts over a restart', async () => {
    await using directory = await temporaryDirectory()
    const indexes = []
    for (let round = 0; round < 2; round++) {
      await using database = await openDatabase({ dataDir: directory.path })
      const items = database.db.collection<Document>('items')
      if (round === 0) {
        await items.createIndex({ tags: 1 }, { expireAfterSeconds: 1000 })
        await items.insertMany([{ tags: ['a', 'b'] }, { tags: 'c' }])
      }
      indexes.push(await items.indexes())
      expect(await items.estimatedDocumentCount()).toBe(2)
      expect(await items.find({ tags: { $in: ['a', 'b'] } }).toArray()).toHaveLength(1)
    }
    expect(indexes[1]).toEqual(indexes[0])
  })
})

interface Counted {
  _id: number
  n: number
  tags: number[]
}

describe('data of another version', () => {
  /** A directory with documents, an index and an oplog, in the present format. */
  async function filled(path: string): Promise<void> {
    await using database = await openDatabase({ dataDir: path })
    const items = database.db.collection<Counted>('items')
    await items.createIndex({ n: 1 }, { unique: true })
    await items.insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: n, n, tags: [n] })))
    await items.updateOne({ n: 3 }, { $push: { tags: 33 } })
    await items.deleteOne({ n: 4 })
  }

  test('that had no checksums is given them, and serves and keeps everything', async () => {
    await using directory = await temporaryDirectory()
    const { path } = directory
    await filled(path)
    const db = new DatabaseSync(join(path, 'data.sqlite'))
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'documents_%'").all()
    for (const { name } of tables) db.exec(`ALTER TABLE ${String(name)} DROP COLUMN crc`)
    db.exec('ALTER TABLE oplog DROP COLUMN crc; ALTER TABLE indexes DROP COLUMN ready')
    db.exec('DROP TABLE erasures; PRAGMA user_version = 0')
    db.close()
    for (const name of readdirSync(path)) if (name !== 'data.sqlite') rmSync(join(path, name))
    for (let round = 0; round < 2; round++) {
      await using database = await openDatabase({ dataDir: path })
      const items = database.db.collection<Document>('items')
      expect(await items.countDocuments()).toBe(19 + round)
      expect(await items.findOne({ n: 3 })).toEqual({ _id: 3, n: 3, tags: [3, 33] })
      await expect(items.insertOne({ n: 5 })).rejects.toMatchObject({ code: 11000 })
      await items.insertOne({ n: 100 + round })
    }
    expect(verifyData(path)).toEqual({ documents: 21, faults: [] })
  })

  test('that is newer is refused and stays as it is', async () => {
    await using directory = await temporaryDirectory()
    const { path } = directory
    await filled(path)
    const db = new DatabaseSync(join(path, 'data.sqlite'))
    db.exec('PRAGMA user_version = 99')
    db.close()
    await expect(startEmbedded({ dataDir: path })).rejects.toThrow(
      /have format 99.*Use the version that wrote them/,
    )
  })
})

test('a database whose thread ends by itself is reported once, so that the server can end too', async () => {
  await using directory = await temporaryDirectory()
  const started = once(process, 'worker') as Promise<[Worker]>
  const faults: string[] = []
  const server = await startEmbedded({
    dataDir: directory.path,
    onFault: ({ message }) => faults.push(message),
  })
  const [thread] = await started
  await thread.terminate()
  expect(faults).toEqual(['The thread of the database has ended.'])
  await server.stop()
  expect(faults).toHaveLength(1)
})

describe('stop', () => {
  test('lets running writes finish, ends waiting commands, and may be called twice', async () => {
    await using directory = await temporaryDirectory()
    const server = await startEmbedded({ dataDir: directory.path })
    const client = await connectUntilKilled(server.url)
    const items = client.db('test').collection<Document>('items')
    await items.insertOne({ n: 0 })
    const waiting = items.watch([], { maxAwaitTimeMS: 60_000 }).next()
    const outcome = waiting.then(
      () => 'event',
      () => 'ended',
    )
    const writes = Promise.allSettled(Array.from({ length: 20 }, (_, n) => items.insertOne({ n })))
    await Promise.all([server.stop(), server.stop()])
    const done = (await writes).filter(({ status }) => status === 'fulfilled').length
    expect(['event', 'ended']).toContain(await outcome)
    await client.close()
    await using again = await openDatabase({ dataDir: directory.path })
    expect(await again.db.collection('items').countDocuments()).toBeGreaterThanOrEqual(done + 1)
  })

  test('a client reconnects to a server that was restarted at the same socket', async () => {
    await using directory = await temporaryDirectory()
    const socket = `${directory.path}/db.sock`
    const first = await startEmbeddedProcess(directory.path, ['--socket', socket])
    const client = await new MongoClient(first.url).connect()
    await client.db('test').collection('items').insertOne({ n: 1 })
    await first.process.kill()
    await using second = await startEmbeddedProcess(directory.path, ['--socket', socket])
    expect(second.url).toBe(first.url)
    expect(await client.db('test').collection('items').countDocuments()).toBe(1)
    await client.close()
  })
})
