// Dropping a large collection stops nobody: its rows are removed in portions. Whatever happens in
// between, the tables of what exists stay, and those of what was dropped go.
import { expect, test } from 'vitest'
import { Doc } from '../../realtime/embedded/bson/doc.ts'
import { DatabaseEngine } from '../../realtime/embedded/engine.ts'
import { defaultSettings } from '../../realtime/embedded/settings.ts'
import { DiscardedTables } from '../../realtime/embedded/storage/erasures.ts'
import { eventually } from '../harness/eventually.ts'
import { temporaryDirectory } from './database.ts'

const COUNT = 200

function open(dataDir: string): DatabaseEngine & Disposable {
  const engine = new DatabaseEngine(dataDir, defaultSettings, (error) => {
    throw error
  })
  return Object.assign(engine, { [Symbol.dispose]: () => engine.close() })
}

function fill(engine: DatabaseEngine, name: string): void {
  const collection = engine.collection('test', name)
  for (let n = 0; n < COUNT; n++) engine.documents.insert(collection, Doc.of([['_id', n]]))
}

const tablesOf = ({ store }: DatabaseEngine): string[] =>
  store
    .rows<[string]>("SELECT name FROM sqlite_schema WHERE name GLOB '[dk]*_[0-9]*'")
    .map(([name]) => name)

/** Removes what is discarded. Returns in how many portions. */
function removeAll(engine: DatabaseEngine): number {
  const discarded = new DiscardedTables(engine.store, () => undefined)
  let portions = 1
  while (discarded.advance()) portions++
  return portions
}

test('a dropped collection is gone at once, and its tables go in portions', async () => {
  await using directory = await temporaryDirectory()
  using engine = open(directory.path)
  fill(engine, 'kept')
  const kept = tablesOf(engine)
  fill(engine, 'dropped')
  engine.documents.drop(engine.catalog.find('test', 'dropped')!)
  expect(engine.catalog.find('test', 'dropped')).toBeUndefined()
  expect(removeAll(engine)).toBeGreaterThan(10)
  expect(tablesOf(engine)).toEqual(kept)
  expect(await engine.documents.count(engine.collection('test', 'kept'))).toBe(COUNT)
})

test('the engine removes them by itself, also those that a stop left', async () => {
  await using directory = await temporaryDirectory()
  {
    using engine = open(directory.path)
    fill(engine, 'dropped')
    engine.documents.drop(engine.catalog.find('test', 'dropped')!)
  }
  {
    using engine = open(directory.path)
    expect(tablesOf(engine)).toHaveLength(2)
    await eventually(() => tablesOf(engine).length === 0)
    fill(engine, 'again')
    engine.documents.drop(engine.catalog.find('test', 'again')!)
    await eventually(() => tablesOf(engine).length === 0)
  }
})

test('a drop that is undone loses nothing', async () => {
  await using directory = await temporaryDirectory()
  using engine = open(directory.path)
  fill(engine, 'kept')
  const collection = engine.catalog.find('test', 'kept')!
  const undone = new Error('undone')
  expect(() =>
    engine.documents.atomically(() => {
      engine.catalog.dropIndex(collection, collection.indexes[0]!)
      throw undone
    }),
  ).toThrow(undone)
  expect(removeAll(engine)).toBe(1)
  expect(tablesOf(engine)).toHaveLength(2)
})
