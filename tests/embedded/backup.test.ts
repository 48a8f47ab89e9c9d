// Operators' commands on the files of the embedded database: backup while a node runs, restore,
// verify, repair. A rehearsed restore brings back exactly what the backup had.
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MongoClient, type Document } from 'mongodb'
import { expect, test } from 'vitest'
import { SqliteStore } from '../../realtime/embedded/storage/sqlite-store.ts'
import { runProgram } from '../../realtime/program.ts'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { temporaryDirectory } from './database.ts'

async function lockstep(dataDir: string, ...args: string[]) {
  const [printed, told]: [string[], string[]] = [[], []]
  const code = await runProgram(
    args,
    { DATA_DIR: dataDir, SESSION_SECRET: 'a secret that only the tests of Lockstep know' },
    {
      print: (line) => void printed.push(line),
      tell: (line) => void told.push(line),
      readInput: () => Promise.resolve(''),
      onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
    },
  )
  return { code, printed, told: told.join('\n') }
}

/** A hash of everything that is stored, with the indexes. */
async function hashOf(client: MongoClient): Promise<string> {
  const hash = createHash('sha256')
  const db = client.db('lockstep')
  const names = (await db.listCollections().toArray()).map(({ name }) => name).sort()
  for (const name of names) {
    const collection = db.collection<Document>(name)
    hash.update(JSON.stringify([name, await collection.indexes()]))
    for await (const doc of collection.find({}, { raw: true }).sort({ _id: 1 }))
      hash.update(doc as unknown as Uint8Array)
  }
  return hash.digest('hex')
}

test('a backup that begins while a transaction is open waits for its end, and has what it wrote', async () => {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'backup.sqlite')
  const store = new SqliteStore(directory.path, () => undefined)
  const insert = 'INSERT INTO sessions (id, txn, at, results) VALUES (?, 1, 1, ?)'
  store.run(insert, Buffer.from('one'), Buffer.from('written'))
  expect(store.pending).toBe(true)
  await store.backup(file)
  store.close()
  const copy = new DatabaseSync(file)
  expect(copy.prepare('SELECT count(*) AS count FROM sessions').get()).toEqual({ count: 1 })
  copy.close()
})

test('a backup of a running database restores exactly what was committed', async () => {
  await using directory = await temporaryDirectory()
  const dataDir = directory.path
  const file = join(dataDir, 'backup.sqlite')
  const stored = join(dataDir, 'db')
  let hash: string
  {
    await using server = await startEmbeddedProcess(stored)
    const client = await new MongoClient(server.url).connect()
    const items = client.db('lockstep').collection<Document>('items')
    await items.createIndex({ n: 1 }, { unique: true })
    await items.insertMany(Array.from({ length: 2000 }, (_, n) => ({ n, text: 'x'.repeat(300) })))
    hash = await hashOf(client)
    // Others go on writing while the backup is made, in another collection.
    let isWriting = true
    const writer = (async () => {
      for (let n = 0; isWriting; n++) await client.db('other').collection('busy').insertOne({ n })
    })()
    const made = await lockstep(dataDir, 'backup', file)
    isWriting = false
    await writer
    expect(made, made.told).toMatchObject({ code: 0 })
    expect(await lockstep(dataDir, 'backup', file)).toMatchObject({
      code: 1,
      told: expect.stringMatching(/exists/) as string,
    })
    await items.deleteMany({ n: { $gte: 10 } })
    expect(await lockstep(dataDir, 'restore', file)).toMatchObject({
      code: 1,
      told: expect.stringMatching(/in use/) as string,
    })
    await client.close()
  }
  expect(await lockstep(dataDir, 'verify', file)).toMatchObject({ code: 0 })
  expect(await lockstep(dataDir, 'restore', file)).toMatchObject({ code: 0 })
  expect(await lockstep(dataDir, 'verify')).toMatchObject({ code: 0, printed: [] })
  {
    await using server = await startEmbeddedProcess(stored)
    const client = await new MongoClient(server.url).connect()
    expect(await hashOf(client)).toBe(hash)
    await client.close()
  }
  expect(await lockstep(dataDir, 'new-epoch')).toMatchObject({ code: 0 })
  const offline = join(dataDir, 'offline.sqlite')
  expect(await lockstep(dataDir, 'backup', offline)).toMatchObject({ code: 0 })
  expect(await lockstep(dataDir, 'verify', offline)).toMatchObject({ code: 0 })
}, 120_000)

test('a damaged backup is refused, and repair says what it does', async () => {
  await using directory = await temporaryDirectory()
  const dataDir = directory.path
  const file = join(dataDir, 'broken.sqlite')
  await writeFile(file, 'not a backup')
  expect(await lockstep(dataDir, 'restore', file)).toMatchObject({
    code: 1,
    told: expect.stringMatching(/broken\.sqlite.*damaged/) as string,
  })
  {
    await using server = await startEmbeddedProcess(join(dataDir, 'db'))
    const client = await new MongoClient(server.url).connect()
    await client.db('lockstep').collection('items').insertOne({ n: 1 })
    await client.close()
  }
  expect(await lockstep(dataDir, 'repair')).toMatchObject({
    code: 0,
    told: expect.stringMatching(/1 documents are whole, 0 things are lost/) as string,
  })
})
