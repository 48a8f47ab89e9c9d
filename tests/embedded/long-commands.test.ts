// A long command stops nobody: the server's thread never works long without a turn for the others.
// `npm run fuzz` asks a million documents and prints what each command takes.
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { MongoClient, type Collection } from 'mongodb'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Doc } from '../../realtime/embedded/bson/doc.ts'
import { DatabaseEngine } from '../../realtime/embedded/engine.ts'
import { planQuery } from '../../realtime/embedded/plan/planner.ts'
import { Scanner } from '../../realtime/embedded/plan/scanner.ts'
import { parseFilter } from '../../realtime/embedded/query/filter.ts'
import { parseSort } from '../../realtime/embedded/query/sort.ts'
import { defaultSettings } from '../../realtime/embedded/settings.ts'
import type { Cell } from '../../realtime/embedded/storage/sqlite-store.ts'
import { print } from '../bench/table.ts'
import { inForm, isLongForm } from '../harness/long-form.ts'
import { temporaryDirectory } from './database.ts'
import type { Work } from './watched-server.ts'

const COUNT = inForm(10_000, 1_000_000)
/** The longest turn of the server's thread (ms of CPU time). */
const LONGEST_TURN_MS = 50
const PATIENCE_MS = inForm(60_000, 1_200_000)

interface Numbered {
  _id: number
  group: number
  shuffled: number
  text: string
  inner: { n: number }
}

const owned = new AsyncDisposableStack()
afterAll(() => owned.disposeAsync())
let [server, pings, items]: [Worker, Worker | undefined, Collection<Numbered>] = [] as never

async function answer(worker: Worker): Promise<unknown> {
  const [message] = (await once(worker, 'message')) as [unknown]
  return message
}

async function begin(file: string, workerData: unknown): Promise<[Worker, unknown]> {
  // The space for young objects is Node's own, as where the engine ships: the larger one of the
  // tests (vitest.config.ts) makes a single collection of garbage a turn of 50 ms and more.
  for (const bound of ['min', 'max']) setFlagsFromString(`--${bound}-semi-space-size=0`)
  const worker = new Worker(new URL(file, import.meta.url), { workerData })
  const first = await answer(worker)
  owned.defer(async () => {
    const ended = once(worker, 'exit')
    worker.postMessage('stop')
    await ended
  })
  return [worker, first]
}

async function ask<T>(worker: Worker, message: string): Promise<T> {
  worker.postMessage(message)
  return (await answer(worker)) as T
}

/** Does something and returns the work that the server had with it. */
async function workOf(act: () => Promise<unknown>): Promise<Work> {
  await ask(server, 'work')
  await act()
  return ask(server, 'work')
}

beforeAll(async () => {
  const { path } = owned.use(await temporaryDirectory())
  const [worker, url] = await begin('./watched-server.ts', { dataDir: path })
  server = worker
  if (isLongForm) [pings] = await begin('./pinging-client.ts', { url })
  const client = await new MongoClient(url as string).connect()
  owned.defer(() => client.close())
  items = client.db('test').collection<Numbered>('items')
})

const perInsert = 5_000
async function insertAll(): Promise<void> {
  for (let from = 0; from < COUNT; from += perInsert)
    await items.insertMany(
      Array.from({ length: perInsert }, (_, at) => numbered(from + at)),
      { ordered: false },
    )
}

const numbered = (n: number): Numbered => ({
  _id: n,
  group: n % 1_000,
  shuffled: (n * 7_919) % 1_000_003,
  text: `text ${n} of some words`,
  inner: { n: n % 17 },
})

/** Takes all documents of a cursor in large batches, and keeps none. */
async function readAll(documents: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of documents);
}

const inOrder = { projection: { _id: 1 }, sort: { shuffled: 1 }, allowDiskUse: true } as const
const perGroup = { $group: { _id: '$group', n: { $sum: 1 }, most: { $max: '$shuffled' } } }
const perDocument = { $group: { _id: '$shuffled', n: { $sum: 1 } } }

const commands: readonly [name: string, act: () => Promise<unknown>, documents?: number][] = [
  ['insert', insertAll],
  ['scan', () => items.countDocuments({ 'inner.n': 99 })],
  ['scan of a range of an index', () => items.countDocuments({ _id: { $gte: 0 }, group: -1 })],
  ['regular expression', () => items.countDocuments({ text: /7.*wordz/ })],
  ['sort, first 10', () => items.find().sort({ shuffled: 1 }).limit(10).toArray()],
  ['sort of all', () => readAll(items.find({}, inOrder))],
  ['find of all', () => readAll(items.find())],
  ['$group, 1,000 groups', () => items.aggregate([perGroup]).toArray()],
  ['$group per document', () => readAll(items.aggregate([perDocument])).catch(tooLarge)],
  ['distinct', () => items.distinct('group')],
  ['index build', () => items.createIndex({ shuffled: 1 })],
  ['index build, two fields', () => items.createIndex({ group: 1, text: -1 })],
  ['update of all', () => items.updateMany({}, { $inc: { group: 1 } })],
  ['update by pipeline', () => items.updateMany({}, [{ $set: { n: { $add: ['$group', 1] } } }])],
  ['delete of 30 %', () => items.deleteMany({ _id: { $lt: COUNT * 0.3 } }), COUNT * 0.3],
  ['delete of all', () => items.deleteMany({}), COUNT * 0.7],
]

/** A group of a million may be refused, if it is refused for its memory. */
function tooLarge(error: { code?: number }): void {
  expect(error).toMatchObject({ code: 292 })
}

test(
  'no command works for long without a turn for others',
  async () => {
    const rows = []
    const long: string[] = []
    for (const [command, act, documents = COUNT] of commands) {
      if (pings) await ask(pings, 'longest')
      const begun = performance.now()
      const { longestTurn, total } = await workOf(act)
      if (longestTurn > LONGEST_TURN_MS) long.push(`${command}: ${longestTurn.toFixed(0)} ms`)
      rows.push({
        command,
        s: ((performance.now() - begun) / 1000).toFixed(1),
        'documents/CPU s': Math.round(documents / (total / 1000)),
        'longest turn, CPU ms': Math.round(longestTurn),
        'longest ping, ms': pings ? Math.round(await ask<number>(pings, 'longest')) : '',
        'memory, MB': Math.round(process.memoryUsage.rss() / 1e6),
      })
    }
    if (isLongForm) print(`Commands on ${COUNT} documents`, rows)
    expect(long).toEqual([])
  },
  PATIENCE_MS,
)

test.each([1, -1] as const)(
  'a scan in direction %i goes on in its index where its last portion ended',
  async (direction) => {
    await using directory = await temporaryDirectory()
    const engine = new DatabaseEngine(directory.path, defaultSettings, (error) => {
      throw error
    })
    const collection = engine.collection('test', 'items')
    for (let n = 0; n < 100; n++) engine.documents.insert(collection, Doc.of([['_id', n]]))
    const filter = parseFilter(Doc.of([['_id', Doc.of([['$gte', 0]])]]))
    const sort = parseSort(Doc.of([['_id', direction]]))
    const scanner = new Scanner(engine, collection, planQuery(collection, filter, sort), 10)
    const reads = vi.spyOn(engine.store, 'rowsWithin')
    while (scanner.next());
    const [, sql, ...cells] = reads.mock.lastCall!
    const [step] = engine.store.rows<Cell[]>(`EXPLAIN QUERY PLAN ${sql}`, ...cells)
    // With a search from the end of the range, each portion would read all those before it again.
    expect(step?.at(-1)).toContain(direction === 1 ? '(key,row)>(?,?)' : '(key,row)<(?,?)')
    engine.close()
  },
)
