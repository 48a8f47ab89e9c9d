// What is deleted and erased is in no byte of any file: not in pages that SQLite has rebuilt, in
// its log, in the oplog or in a backup, also of data that an older version has written.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { backupData } from '@lockstep/embedded-mongo/backup'
import { openTables } from '@lockstep/embedded-mongo/search'
import { verifyData } from '@lockstep/embedded-mongo/verify'
import fc from 'fast-check'
import type { Collection } from 'mongodb'
import { expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { openDatabase, temporaryDirectory } from './database.ts'

const SECRET = 'Quetzalcoatlus'
const ORDINARY = 'Ordinarywords_'

const filesWith = (folder: string, word: string): string[] =>
  readdirSync(folder).filter(
    (name) => name.includes('sqlite') && readFileSync(join(folder, name)).includes(word),
  )

interface Item {
  _id: number
  secret: boolean
  indexed: string
  text: string
}

/** Inserts and grows documents of all sizes, so that SQLite moves them within and between pages. */
async function fill(items: Collection<Item>, sizes: readonly number[]): Promise<void> {
  await items.createIndex({ indexed: 1 })
  const textOf = (secret: boolean, size: number) =>
    (secret ? SECRET : ORDINARY).repeat(Math.ceil(size / 14)).slice(0, Math.max(size, 14))
  const isSecret = (n: number) => n % 4 === 0
  let count = 0
  for (let from = 0; from < sizes.length; from += 50) {
    await items.bulkWrite(
      sizes.slice(from, from + 50).map((size, at) => {
        const n = at % 3 === 2 && count > 0 ? (size * 7) % count : count++
        const secret = isSecret(n)
        const replacement = {
          secret,
          indexed: `${textOf(secret, 20 + (size % 90))}${n}`,
          text: textOf(secret, size),
        }
        return { replaceOne: { filter: { _id: n }, replacement, upsert: true } }
      }),
    )
  }
}

test('whatever was written, nothing of what was deleted is in any byte, and the rest is whole', async () => {
  const sizes = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 14, max: 1_500 }) },
      { weight: 1, arbitrary: fc.integer({ min: 1_500, max: 20_000 }) },
    ),
    { minLength: 300, maxLength: 600 },
  )
  const property = fc.asyncProperty(sizes, async (written) => {
    await using directory = await temporaryDirectory()
    const dataDir = directory.path
    {
      await using database = await openDatabase({ dataDir })
      const items = database.db.collection<Item>('items')
      await fill(items, written)
      const kept = await items.countDocuments({ secret: false })
      await using stream = items.watch()
      await stream.tryNext()
      await items.deleteMany({ secret: true })
      await database.client.db('admin').command({ eraseDeleted: 1 })
      await eventually(() => filesWith(dataDir, SECRET).length === 0)
      // a stream that was open sees what it hasn't seen, and what comes after
      await items.insertOne({ _id: -1, secret: false, indexed: 'last', text: '' })
      let seen
      do seen = await stream.next()
      while (seen.operationType !== 'insert')
      expect(seen.fullDocument._id).toBe(-1)
      expect(await items.countDocuments()).toBe(kept + 1)
      const copy = join(dataDir, 'copy.sqlite')
      await backupData(dataDir, copy)
      expect(filesWith(dataDir, SECRET)).toEqual([])
      expect(verifyData(copy).faults).toEqual([])
    }
    expect(filesWith(dataDir, SECRET)).toEqual([])
    expect(verifyData(dataDir).faults).toEqual([])
    const { tables, close } = openTables(dataDir)
    const texts = tables.flatMap(({ cells }) => [...cells()].map(({ bytes }) => String(bytes)))
    close()
    expect(texts.filter((text) => text.includes(ORDINARY)).length).toBeGreaterThan(0)
    expect(texts.filter((text) => text.includes(SECRET))).toEqual([])
  })
  await fc.assert(property, {
    numRuns: Number(process.env.ERASURE_RUNS ?? 3),
    endOnFailure: true,
  })
}, 60_000)

test('data of a version that erased nothing are wiped when they are opened', async () => {
  await using directory = await temporaryDirectory()
  const dataDir = directory.path
  {
    await using database = await openDatabase({ dataDir })
    const sizes = Array.from({ length: 600 }, (_, n) => 14 + ((n * 977) % 3_000))
    await fill(database.db.collection<Item>('items'), sizes)
  }
  const file = join(dataDir, 'data.sqlite')
  const older = new DatabaseSync(file)
  older.exec('PRAGMA secure_delete = OFF; DROP TABLE erasures')
  const { tables, close } = openTables(dataDir)
  const secretRows = tables
    .filter(({ name }) => name === 'collection test.items')
    .flatMap(({ cells }) => [...cells()].filter(({ bytes }) => bytes.includes(SECRET)))
    .map(({ row }) => row)
  close()
  const [{ id }] = older.prepare("SELECT id FROM collections WHERE name = 'items'").all() as [
    { id: number },
  ]
  const keys = older.prepare('SELECT id FROM indexes WHERE collection = ?').all(id)
  for (const row of secretRows) {
    older.exec(`DELETE FROM documents_${id} WHERE row = ${row}`)
    for (const index of keys) older.exec(`DELETE FROM keys_${String(index.id)} WHERE row = ${row}`)
  }
  older.close()
  expect(filesWith(dataDir, SECRET)).toEqual(['data.sqlite'])
  {
    await using database = await openDatabase({ dataDir })
    await eventually(() => filesWith(dataDir, SECRET).length === 0)
    expect(await database.db.collection('items').countDocuments({ secret: true })).toBe(0)
  }
  expect(verifyData(dataDir).faults).toEqual([])
}, 60_000)
