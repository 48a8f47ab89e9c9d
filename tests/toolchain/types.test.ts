// Runs the type checks as tests, so that one run reports everything. TypeScript 7 takes half as
// long as TypeScript 6, which svelte-check and the lint rules still need.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const resolve = createRequire(import.meta.url).resolve

/**
 * Runs a checker's script. Resolves to its whole output if it fails, otherwise to an empty string.
 */
function complaints(script: string, args: string[]): Promise<string> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [script, ...args],
      { cwd: root, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => done(error === null ? '' : `${stdout}${stderr}`),
    )
  })
}

it.concurrent(
  'server, protocol, client engine and tests have no type errors',
  async ({ expect }) => {
    expect(
      await complaints(path.join(resolve('typescript-7/package.json'), '../bin/tsc'), [
        '-p',
        'tsconfig.json',
        '--pretty',
        'false',
      ]),
    ).toBe('')
  },
)

it.concurrent('the user interface has no type errors and no warnings', async ({ expect }) => {
  const args = ['--tsconfig', 'ui/tsconfig.json', '--fail-on-warnings', '--output', 'human']
  expect(await complaints(resolve('svelte-check/bin/svelte-check'), args)).toBe('')
})
