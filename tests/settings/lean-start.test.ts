// What a start leaves for later. A node of the tests is bundled, as `npm start` runs it.
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { loadLater } from '../../realtime/lifecycle/load-later.ts'
import { freshDatabase } from '../harness/database.ts'
import { spawnNode } from '../harness/node.ts'
import { recordingLogger } from '../harness/recording-logger.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('a node that has sent no request hasn’t loaded Node’s own HTTP client', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'lockstep-lean-start-'))
  const [tell, told] = [join(folder.path, 'tell.cjs'), join(folder.path, 'modules')]
  await writeFile(
    tell,
    `process.on('exit', () =>
      require('node:fs').writeFileSync(${JSON.stringify(told)}, process.moduleLoadList.join('\\n')))`,
  )
  await using database = freshDatabase()
  await using node = await spawnNode(database, { NODE_OPTIONS: `--require ${tell}` })
  await node.stop()
  const modules = await readFile(told, 'utf8')
  expect(modules).toContain('NativeModule http')
  expect(modules).not.toContain('undici')
})

test('code that a start doesn’t need is loaded a moment later, unless the node has stopped', async () => {
  vi.useFakeTimers()
  const { logger, lines } = recordingLogger()
  const loaded: string[] = []
  const load = (name: string) => () => Promise.resolve(loaded.push(name))
  const missing = () => Promise.reject(new Error('no such file'))
  loadLater([load('passkeys'), missing, load('passwords')], logger)
  loadLater([load('of a node that has stopped')], logger)()
  expect(loaded).toEqual([])
  await vi.advanceTimersByTimeAsync(200)
  expect(loaded).toEqual(['passkeys', 'passwords'])
  expect(lines.join()).toContain('no such file')
})
