import { spawnSync } from 'node:child_process'
import { mkdtempDisposable, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')

/** Runs these test files in a folder of their own, by name. */
async function runOf(folder: string, files: Record<string, string>) {
  const all = { 'package.json': '{"type":"module"}', ...files }
  for (const [name, text] of Object.entries(all)) await writeFile(path.join(folder, name), text)
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  const reporter = path.join(root, 'tools/run-reporter.ts')
  const args = ['run', '--root', folder, '--reporter', 'default', '--reporter', reporter]
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs')
  return spawnSync(process.execPath, [vitest, ...args], { cwd: folder, encoding: 'utf8' })
}

it('names the slowest files and ends with one plain line that also counts failures outside of tests', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-run-reporter-'))
  const run = await runOf(folder.path, {
    'tests.test.js': `import { beforeAll, describe, expect, it } from 'vitest'
     it('passes', () => {})
     it('passes too', () => {})
     it('fails', () => expect(1).toBe(2))
     it.skip('is skipped', () => {})
     describe('with a broken hook', () => { beforeAll(() => { throw new Error('hook') }); it('is not run', () => {}) })`,
    'unloadable.test.js': `throw new Error('no such luck')`,
  })
  expect(run.stdout).toMatch(/Slowest files:\n +\d+\.\d s {2}tests\.test\.js/)
  expect(run.stdout.trimEnd().split('\n').at(-1)).toBe('2 passed, 3 failed, 2 skipped')
  expect(run.status).toBe(1)
})

const attempts = [
  { title: 'names a test that needed a second attempt, with its first error', tests: 1, status: 0 },
  { title: 'fails a run in which many tests needed a second attempt', tests: 4, status: 1 },
]
it.each(attempts)('$title', async ({ tests, status }) => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-run-reporter-'))
  const run = await runOf(folder.path, {
    'tests.test.js': `import { expect, it } from 'vitest'
     for (let n = 0; n < ${tests}; n++) {
       let attempts = 0
       it('passes later ' + n, { retry: 1 }, () => expect(++attempts).toBe(2))
     }`,
  })
  expect(run.stdout).toContain('Passed only at its second attempt: tests.test.js > passes later 0')
  expect(run.stdout).toMatch(/second attempt.*\n.*expected 1 to be 2/)
  const [passed, failed] = status === 0 ? [tests, 0] : [0, tests]
  expect(run.stdout.trimEnd().split('\n').at(-1)).toBe(
    `${passed} passed, ${failed} failed, 0 skipped`,
  )
  expect(run.status).toBe(status)
})
