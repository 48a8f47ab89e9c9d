// A page that is open during a deployment goes on: what it loads later comes from the new node,
// which was built from other sources in another folder and shares only the database with the old
// one.
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { expect, test } from 'vitest'
import { createKeptFiles } from '../../realtime/http/kept-files.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { Wire } from '../harness/wire.ts'
import { sharedBrowser } from './browser-windows.ts'
import { navigateTo, waitForVisible } from './user-actions.ts'

const windows = sharedBrowser()
const currentBuild = join(import.meta.dirname, '../../ui/dist')
const isCompressed = (name: string): boolean => /\.(br|gz)$/.test(name)

/** A copy of the current build in which every file has another name, as after other sources. */
async function otherBuild() {
  const root = await mkdtemp(join(tmpdir(), 'lockstep-build-'))
  await cp(currentBuild, root, { recursive: true, filter: (path) => !isCompressed(path) })
  const names = (await readdir(join(root, 'assets'))).filter((name) => !isCompressed(name))
  const renamed = new Map(names.map((name) => [name, `other-${name}`]))
  for (const path of ['index.html', ...names.map((name) => join('assets', name))]) {
    if (!['.html', '.js', '.css'].includes(extname(path))) continue
    let text = await readFile(join(root, path), 'utf8')
    for (const [from, to] of renamed) text = text.replaceAll(from, to)
    await writeFile(join(root, path), text)
  }
  for (const [from, to] of renamed)
    await rename(join(root, 'assets', from), join(root, 'assets', to))
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

test('an open page survives a deployment: further pages open in the same document, with their styles', async () => {
  const build = windows.keep(await otherBuild())
  const database = windows.keep(freshDatabase())
  const older = windows.keep(await startNode(database, { options: { uiRoot: build.root } }))
  const newer = windows.keep(await startNode(database))
  const target = { port: Number(new URL(older.url).port) }
  const balancer = windows.keep(await Wire.to(target))
  const alice = await signUp(older, 'alice')
  const page = await windows.open(`http://${balancer.address}`, '/app', {
    person: alice,
    // what the page asks the older node while that is stopping
    alsoExpected: /503 \(Service Unavailable\)/,
  })
  await waitForVisible(page.getByText('Live on all devices').first())
  await page.evaluate(() => (document.title = 'opened before'))
  const loaded: string[] = []
  page.on('response', (response) => loaded.push(`${response.status()} ${response.url()}`))

  target.port = Number(new URL(newer.url).port)
  await older.stop()
  balancer.drop()
  await waitForVisible(page.getByText('Live on all devices').first(), 30_000)
  await navigateTo(page, '/app/settings/appearance')
  await waitForVisible(page.getByRole('heading', { name: 'Language and region' }))
  await navigateTo(page, '/app/agents')
  await waitForVisible(page.getByRole('heading', { name: 'Demo' }))
  const list = page.getByRole('heading', { name: 'Demo' })
  expect(await list.evaluate((heading) => getComputedStyle(heading.closest('ul')!).display)).toBe(
    'grid',
  )
  expect(loaded.filter((line) => line.includes('/assets/other-'))).not.toEqual([])
  expect(loaded.filter((line) => /^404|\/assets\/(?!other-)/.test(line))).toEqual([])
})

test('the build has only files that other nodes can deliver', async () => {
  const kept: string[] = []
  const files = createKeptFiles({
    uiRoot: currentBuild,
    store: {
      renew: (names) => Promise.resolve([...names]),
      insert: (all) => Promise.resolve(void kept.push(...all.map(({ name }) => name))),
      find: () => Promise.resolve(undefined),
    },
    logger: createLogger('silent'),
  })
  await files.start()
  await files.stop()
  const names = await readdir(join(currentBuild, 'assets'))
  expect(kept.sort()).toEqual(names.filter((name) => !isCompressed(name)).sort())
})
