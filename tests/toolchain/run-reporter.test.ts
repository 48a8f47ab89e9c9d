import { spawnSync } from 'node:child_process'
import { mkdtempDisposable, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')

it('names the slowest files and ends with one plain line that also counts failures outside of tests', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-run-reporter-'))
  const write = (name: string, text: string) => writeFile(path.join(folder.path, name), text)
  await symlink(path.join(root, 'node_modules'), path.join(folder.path, 'node_modules'))
  await write('package.json', '{"type":"module"}')
  await write(
    'tests.test.js',
    `import { beforeAll, describe, expect, it } from 'vitest'
     it('passes', () => {})
     it('passes too', () => {})
     it('fails', () => expect(1).toBe(2))
     it.skip('is skipped', () => {})
     describe('with a broken hook', () => { beforeAll(() => { throw new Error('hook') }); it('is not run', () => {}) })`,
  )
  await write('unloadable.test.js', `throw new Error('no such luck')`)
  const reporter = path.join(root, 'tools/run-reporter.ts')
  const args = ['run', '--root', folder.path, '--reporter', 'default', '--reporter', reporter]
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs')
  const run = spawnSync(process.execPath, [vitest, ...args], { cwd: folder.path, encoding: 'utf8' })
  expect(run.stdout).toMatch(/Slowest files:\n +\d+\.\d s {2}tests\.test\.js/)
  expect(run.stdout.trimEnd().split('\n').at(-1)).toBe('2 passed, 3 failed, 2 skipped')
  expect(run.status).toBe(1)
})
