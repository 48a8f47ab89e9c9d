// Files of the page's other builds. Two nodes from two builds, in separate folders, share only the
// database: each of them delivers the files of both, for a day after the last node of a build
// ended.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { createKeptFiles } from '../../realtime/http/kept-files.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { migrateSchema } from '../../realtime/store/migrations.ts'
import { findPageFile, insertPageFiles, renewPageFiles } from '../../realtime/store/page-files.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode } from '../harness/node.ts'

const hour = 3_600_000

/** A folder with a build; text files have a compressed copy, as the real build makes them. */
async function buildOf(files: Record<string, string>) {
  const root = await mkdtemp(join(tmpdir(), 'lockstep-build-'))
  await mkdir(join(root, 'assets'))
  await writeFile(join(root, 'index.html'), Object.keys(files).join())
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(root, 'assets', name), text)
    if (name.endsWith('.js'))
      await writeFile(join(root, 'assets', `${name}.br`), brotliCompressSync(text))
  }
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

test('two nodes of different builds deliver the files of both, and still after one of them is gone', async () => {
  await using older = await buildOf({ 'Page-aaa.js': 'older()', 'font-aaa.woff2': 'glyphs' })
  await using newer = await buildOf({ 'Page-bbb.js': 'newer()' })
  await using database = freshDatabase()
  await using first = await startNode(database, { options: { uiRoot: older.root } })
  await using second = await startNode(database, { options: { uiRoot: newer.root } })
  const expectBoth = async (url: string) => {
    for (const encoding of ['br', 'identity']) {
      const headers = { 'accept-encoding': encoding }
      const script = await fetch(`${url}/assets/Page-aaa.js`, { headers })
      expect(await script.text()).toBe('older()')
      expect(script.headers.get('content-type')).toMatch(/javascript/)
      expect(script.headers.get('cache-control')).toContain('immutable')
      const font = await fetch(`${url}/assets/font-aaa.woff2`, { headers })
      expect([font.headers.get('content-type'), await font.text()]).toEqual([
        'font/woff2',
        'glyphs',
      ])
      const other = await fetch(`${url}/assets/Page-bbb.js`, { headers })
      expect(await other.text()).toBe('newer()')
    }
    for (const name of ['Page-ccc.js', '%2e%2e%2findex.html'])
      expect((await fetch(`${url}/assets/${name}`)).status).toBe(404)
  }
  await expectBoth(first.url)
  await expectBoth(second.url)
  await first.stop()
  await expectBoth(second.url)
})

test('a build is kept for a day after its last node renewed it, each file stored once', async () => {
  await using build = await buildOf({ 'Page-aaa.js': 'run()', 'notes.txt': 'not served' })
  await using fresh = freshDatabase()
  const database = await openDatabase(fresh.url)
  await migrateSchema(database, { owner: newId() })
  let now = Date.now()
  const inserted: string[] = []
  const kept = () =>
    createKeptFiles({
      uiRoot: build.root,
      store: {
        renew: (names, expires_at) => renewPageFiles(database, names, expires_at),
        insert: (files, expires_at) => {
          inserted.push(...files.map(({ name }) => name))
          return insertPageFiles(database, files, expires_at)
        },
        find: (name) => findPageFile(database, name),
      },
      logger: createLogger('silent'),
      now: () => now,
    })
  const nodes = [kept(), kept()]
  try {
    await nodes[0]!.start()
    now += 5 * hour
    await nodes[1]!.start()
    expect(inserted).toEqual(['Page-aaa.js'])
    const [stored] = await database.page_files.find().toArray()
    expect(stored?.expires_at.getTime()).toBeGreaterThan(now + 24 * hour)
    const indexes = await database.page_files.indexes()
    expect(indexes).toContainEqual(expect.objectContaining({ expireAfterSeconds: 0 }))
  } finally {
    for (const node of nodes) await node.stop()
    await database.close()
  }
})
