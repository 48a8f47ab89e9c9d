// Damage is reported, never served and never started over: files that are cut, flipped, empty or
// missing. What a kill leaves behind is no damage.
import { createHash } from 'node:crypto'
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startEmbedded } from '@lockstep/embedded-mongo'
import { repairData } from '@lockstep/embedded-mongo/repair'
import { verifyData } from '@lockstep/embedded-mongo/verify'
import fc from 'fast-check'
import { MongoClient, type Document } from 'mongodb'
import { expect, test } from 'vitest'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { within } from '../harness/eventually.ts'
import { inForm } from '../harness/long-form.ts'
import { connectUntilKilled, openDatabase, temporaryDirectory } from './database.ts'

interface Numbered extends Document {
  _id: string
}

/** What takes longer hangs (ms). */
const PATIENCE_MS = 30_000

const idOf = (n: number): string => `id-${String(n).padStart(4, '0')}`

/** Writes documents one by one and kills the server. Returns the size of its journal after each. */
async function killedAfter(dataDir: string, count: number): Promise<number[]> {
  await using server = await startEmbeddedProcess(dataDir)
  const client = await connectUntilKilled(server.url)
  const items = client.db('test').collection<Numbered>('items')
  await items.createIndex({ n: 1 })
  const sizes: number[] = []
  for (let n = 0; n < count; n++) {
    await items.insertOne({ _id: idOf(n), n, text: `text ${n} `.repeat(20) })
    sizes.push((await stat(join(dataDir, 'data.sqlite-wal'))).size)
  }
  await within(PATIENCE_MS, 'the end of the killed server', server.process.kill())
  await within(
    PATIENCE_MS,
    'the end of its client',
    client.close().catch(() => undefined),
  )
  return sizes
}

/** The ids that a data directory serves, or the error with which it is refused. */
async function served(dataDir: string): Promise<string[] | string> {
  const start = startEmbedded({ dataDir }).catch((error: Error) => error)
  const server = await within(PATIENCE_MS, 'the start', start)
  if (server instanceof Error) return server.message
  const client = await new MongoClient(server.url, { socketTimeoutMS: PATIENCE_MS }).connect()
  try {
    const found = await client
      .db('test')
      .collection<Numbered>('items')
      .find()
      .sort({ _id: 1 })
      .toArray()
    return found.map(({ _id }) => _id)
  } catch (error) {
    return (error as Error).message
  } finally {
    await within(PATIENCE_MS, 'the end of the client', client.close())
    await within(PATIENCE_MS, 'the end of the server', server.stop())
  }
}

async function fingerprint(dataDir: string): Promise<Record<string, string>> {
  const names = (await readdir(dataDir)).filter((name) => !name.endsWith('-shm'))
  const entries = names.map(async (name) => {
    const bytes = await readFile(join(dataDir, name))
    return [name, createHash('sha256').update(bytes).digest('hex')] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

test('a journal that is cut or has a flipped byte is reported if an acknowledged write is gone', async () => {
  await using whole = await temporaryDirectory()
  await using work = await temporaryDirectory()
  const count = 40
  const sizes = await killedAfter(whole.path, count)
  const all = Array.from({ length: count }, (_, n) => idOf(n))
  const copy = join(work.path, 'copy')
  const journal = join(copy, 'data.sqlite-wal')
  const length = sizes.at(-1)!
  const between = sizes.slice(0, -1)
  const cut = fc.record({
    flip: fc.constant(false),
    at: fc.oneof(fc.constantFrom(...between), fc.integer({ min: 0, max: length - 1 })),
  })
  const flip = fc.record({ flip: fc.constant(true), at: fc.integer({ min: 0, max: length - 1 }) })
  await fc.assert(
    fc.asyncProperty(fc.oneof(cut, flip), async (damage) => {
      await rm(copy, { recursive: true, force: true })
      await cp(whole.path, copy, { recursive: true })
      if (damage.flip) {
        const bytes = await readFile(journal)
        bytes[damage.at]! ^= 0x10
        await writeFile(journal, bytes)
      } else await truncate(journal, damage.at)
      const before = await fingerprint(copy)
      const answer = await served(copy)
      if (typeof answer !== 'string') {
        expect(answer).toEqual(all)
        return
      }
      expect(answer).toContain(copy)
      expect(answer).toMatch(/damaged.*lockstep repair/s)
      expect(await fingerprint(copy)).toEqual(before)
      const repair = await repairData(copy).catch((error: Error) => error)
      // Without the beginning of the journal, the young database has no tables.
      if (repair instanceof Error) {
        expect(repair.message).toMatch(/only a backup can help/)
        return
      }
      const { documents, lost } = repair
      expect(lost.join()).toMatch(/acknowledged writes/)
      expect(await served(copy)).toEqual(all.slice(0, documents))
    }),
    // Each run takes a second, so a failure is reported as it is instead of a smaller one.
    { numRuns: inForm(6, 15), endOnFailure: true },
  )
  expect(await served(whole.path)).toEqual(all)
}, 120_000)

test.each([1, 2_000])(
  'a stop that finds the data file cut after %i writes says so, instead of ending as if all were stored',
  async (length) => {
    await using directory = await temporaryDirectory()
    const server = await startEmbedded({ dataDir: directory.path })
    const client = await new MongoClient(server.url).connect()
    const many = Array.from({ length }, (_, n) => ({ n, text: 'x'.repeat(500) }))
    await client.db('test').collection('items').insertMany(many)
    // The insertion may be answered just before its checkpoint, during which the file would be cut.
    await client.db('test').command({ ping: 1 })
    await client.close()
    await truncate(join(directory.path, 'data.sqlite'), 0)
    await expect(server.stop()).rejects.toThrow(/malformed/)
  },
)

test.each([
  ['data.sqlite is missing', (dir: string) => rm(join(dir, 'data.sqlite'))],
  ['data.sqlite is empty', (dir: string) => truncate(join(dir, 'data.sqlite'))],
  ['acknowledged.* is missing', (dir: string) => rm(join(dir, 'acknowledged'))],
  ['acknowledged.* is not what was written', (dir: string) => truncate(join(dir, 'acknowledged'))],
  ['not a database', (dir: string) => writeFile(join(dir, 'data.sqlite'), 'x'.repeat(8192))],
])('a used folder whose file %s is refused instead of started anew', async (what, damage) => {
  await using directory = await temporaryDirectory()
  const { path } = directory
  {
    await using database = await openDatabase({ dataDir: path })
    await database.db.collection('items').insertOne({ n: 1 })
  }
  await damage(path)
  const answer = await served(path)
  expect(answer).toMatch(new RegExp(what))
  expect(answer).toContain(path)
  expect(await served(path)).toBe(answer)
})

test('a flipped byte in a document is never served; repair keeps the others and lists it', async () => {
  await using directory = await temporaryDirectory()
  const { path } = directory
  const count = 200
  {
    await using database = await openDatabase({ dataDir: path })
    const items = database.db.collection<Numbered>('items')
    await items.insertMany(
      Array.from({ length: count }, (_, n) => ({ _id: idOf(n), text: `needle ${idOf(n)} end` })),
    )
  }
  expect(verifyData(path)).toEqual({ documents: count, faults: [] })
  const file = join(path, 'data.sqlite')
  const bytes = await readFile(file)
  // The document itself and its entry in the oplog have the text.
  for (let at = bytes.indexOf(`needle ${idOf(7)}`); at >= 0;) {
    bytes[at]! ^= 0x01
    at = bytes.indexOf(`needle ${idOf(7)}`, at + 1)
  }
  await writeFile(file, bytes)
  {
    await using database = await openDatabase({ dataDir: path })
    const items = database.db.collection<Numbered>('items')
    await expect(items.findOne({ _id: idOf(7) })).rejects.toMatchObject({ code: 366 })
    await expect(items.findOne({ _id: idOf(7) })).rejects.toThrow(/data\.sqlite.*lockstep repair/)
    expect(await items.findOne({ _id: idOf(8) })).toMatchObject({ _id: idOf(8) })
    expect(() => verifyData(path)).toThrow(/in use/)
  }
  expect(verifyData(path).faults.join()).toMatch(/test\.items: the document in row 8/)
  const repair = await repairData(path)
  expect(repair.documents).toBe(count - 1)
  expect(repair.lost.join()).toMatch(/test\.items: the document in row 8/)
  expect(await served(path)).toHaveLength(count - 1)
  expect(verifyData(path)).toEqual({ documents: count - 1, faults: [] })
})

test(
  'a flipped byte anywhere in the data file never changes what is served, and is found',
  async () => {
    await using whole = await temporaryDirectory()
    await using work = await temporaryDirectory()
    const copy = join(work.path, 'copy')
    const file = join(copy, 'data.sqlite')
    const count = 60
    {
      await using database = await openDatabase({ dataDir: whole.path })
      const items = database.db.collection<Numbered>('items')
      await items.createIndex({ n: 1 })
      await items.insertMany(
        Array.from({ length: count }, (_, n) => ({
          _id: idOf(n),
          n,
          text: `text ${n} `.repeat(20),
        })),
      )
    }
    const { size } = await stat(join(whole.path, 'data.sqlite'))
    const right = new Map((await contentOf(whole.path)).map((doc) => [doc._id, doc]))
    expect(right.size).toBe(count)
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: size - 1 }),
        fc.integer({ min: 0, max: 7 }),
        async (at, bit) => {
          await rm(copy, { recursive: true, force: true })
          await cp(whole.path, copy, { recursive: true })
          const bytes = await readFile(file)
          bytes[at]! ^= 1 << bit
          await writeFile(file, bytes)
          const content = await contentOf(copy).catch((error: Error) => error)
          if (content instanceof Error) {
            expect(content.message).toMatch(/damaged|is not what was written|lockstep/)
            return
          }
          for (const doc of content) expect(doc).toEqual(right.get(doc._id))
          // Bytes that mean nothing may change, and damage that lost something must be found.
          if (content.length < count) expect(verifyData(copy).faults).not.toEqual([])
        },
      ),
      { numRuns: inForm(6, 400), endOnFailure: true },
    )
  },
  inForm(60_000, 900_000),
)

/** The documents that a directory serves. Rejects if it is refused or a document is damaged. */
async function contentOf(dataDir: string): Promise<Numbered[]> {
  const server = await startEmbedded({ dataDir })
  const client = await new MongoClient(server.url, { socketTimeoutMS: PATIENCE_MS }).connect()
  try {
    return await client.db('test').collection<Numbered>('items').find().toArray()
  } finally {
    await client.close()
    await server.stop().catch(() => undefined)
  }
}
