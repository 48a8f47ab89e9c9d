// What the database takes of its machine: a start works as little with much data as with little,
// and large commands leave no memory behind.
import { readFile } from 'node:fs/promises'
import { MongoClient } from 'mongodb'
import { expect, test } from 'vitest'
import { Doc, Field } from '../../realtime/embedded/bson/doc.ts'
import { DatabaseEngine } from '../../realtime/embedded/engine.ts'
import { Memory } from '../../realtime/embedded/memory.ts'
import { pace } from '../../realtime/embedded/pace.ts'
import { defaultSettings } from '../../realtime/embedded/settings.ts'
import { parseIndexSpec } from '../../realtime/embedded/storage/index-keys.ts'
import { print } from '../bench/table.ts'
import { startEmbeddedProcess } from '../harness/embedded-process.ts'
import { inForm, isLongForm } from '../harness/long-form.ts'
import { temporaryDirectory } from './database.ts'

const MB = 1_000_000
/** How much more memory than at first the process may have at rest: code, caches, gaps (MB). */
const AT_REST_MB = 180

/** A number that the kernel knows of a process. */
async function kernelNumber(pid: number, file: 'io' | 'status', name: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/${file}`, 'utf8')
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)![1])
}

/** Fills a directory with documents that have three indexes. */
function fill(dataDir: string, bytes: number): void {
  const engine = new DatabaseEngine(dataDir, defaultSettings, (error) => {
    throw error
  })
  const items = engine.collection('test', 'items')
  for (const key of ['n', 'group']) {
    const spec = parseIndexSpec(Doc.literal({ key: Doc.literal({ [key]: 1 }), name: key }))
    engine.catalog.finishIndex(engine.catalog.addIndex(items, spec))
  }
  const text = 'x'.repeat(5_000)
  // The oplog has the other half.
  for (let n = 0; n < bytes / 2 / text.length; n++)
    engine.documents.insert(
      items,
      Doc.from([Field.of('n', n), Field.of('group', n % 10), Field.of('text', text)]),
    )
  engine.close()
}

test(
  'a start reads as little of much data as of little',
  async () => {
    const starts = []
    for (const size of [1 * MB, inForm(20, 1_000) * MB]) {
      await using directory = await temporaryDirectory()
      fill(directory.path, size)
      // The start after a kill has a journal to read, too.
      for (const after of ['a stop', 'a kill']) {
        const begun = performance.now()
        await using server = await startEmbeddedProcess(directory.path)
        const ms = performance.now() - begun
        const read = await kernelNumber(server.process.pid, 'io', 'rchar')
        starts.push({ data: `${size / MB} MB`, after, 'clock, ms': Math.round(ms), read })
        const client = await new MongoClient(server.url).connect()
        await client.db('test').collection('items').insertOne({ n: -1 })
        await client.close()
        await server.process.kill()
      }
    }
    if (isLongForm) print('Starts', starts)
    const [little, littleAfterKill, much, muchAfterKill] = starts.map(({ read }) => read)
    expect(much! - little!).toBeLessThan(0.2 * MB)
    expect(muchAfterKill! - littleAfterKill!).toBeLessThan(0.2 * MB)
  },
  inForm(60_000, 600_000),
)

test(
  'memory is flat again after large commands',
  async () => {
    await using directory = await temporaryDirectory()
    await using server = await startEmbeddedProcess(directory.path)
    const memory = async () =>
      Math.round((await kernelNumber(server.process.pid, 'status', 'VmRSS')) / 1_000)
    await using client = await new MongoClient(server.url).connect()
    const items = client.db('test').collection<{ n: number }>('items')
    const count = inForm(10_000, 1_000_000)
    const perInsert = 10_000
    const large: Record<string, () => Promise<unknown>> = {
      insert: async () => {
        for (let from = 0; from < count; from += perInsert)
          await items.insertMany(Array.from({ length: perInsert }, (_, at) => ({ n: from + at })))
      },
      'find and sort': async () => {
        const all = items.find({}, { sort: { n: 1 }, allowDiskUse: true })
        for await (const _ of all);
      },
      group: () => items.aggregate([{ $group: { _id: '$n' } }, { $count: 'n' }]).toArray(),
      delete: () => items.deleteMany({}),
    }
    const rows = []
    const before = await memory()
    for (const [command, act] of Object.entries(large)) {
      await act().catch((error: unknown) => expect(error).toMatchObject({ code: 292 }))
      const after = await memory()
      await expect
        .poll(memory, { timeout: 60_000, interval: 200 })
        .toBeLessThan(before + AT_REST_MB)
      rows.push({
        command,
        'before, MB': before,
        'after, MB': after,
        'at rest, MB': await memory(),
      })
    }
    if (isLongForm) print(`Memory around commands on ${count} documents`, rows)
  },
  inForm(60_000, 600_000),
)

test('what garbage has taken is given back as soon as no long command runs', async () => {
  const memory = new Memory(() => undefined)
  const garbage = Array.from({ length: 2_000_000 }, (_, n) => ({ n, text: `${n}` }))
  await pace.rest()
  memory.relieve()
  const full = process.memoryUsage.rss()
  expect(garbage).toHaveLength(2_000_000)
  garbage.length = 0
  memory.relieve()
  expect(process.memoryUsage.rss()).toBeGreaterThan(full - 50 * MB)
  await expect.poll(() => pace.isQuiet, { timeout: 5_000 }).toBe(true)
  memory.relieve()
  expect(process.memoryUsage.rss()).toBeLessThan(full - 50 * MB)
})

test('what was in use when memory was given back is given back later', async () => {
  const memory = new Memory(() => undefined)
  await expect.poll(() => pace.isQuiet, { timeout: 5_000 }).toBe(true)
  const inUse = Array.from({ length: 2_000_000 }, (_, n) => ({ n, text: `${n}` }))
  memory.relieve()
  const full = process.memoryUsage.rss()
  inUse.length = 0
  for (let look = 0; look < 30; look++) memory.relieve()
  expect(process.memoryUsage.rss()).toBeLessThan(full - 50 * MB)
})
