// Runs the type checks as tests, so that one run reports everything.
import { createRequire } from 'node:module'
import path from 'node:path'
import { it } from 'vitest'
import { checkTypes, complaints } from './compiler.ts'

const root = path.resolve(import.meta.dirname, '../..')
const svelteCheck = createRequire(import.meta.url).resolve('svelte-check/bin/svelte-check')

it.concurrent(
  'server, protocol, client engine and tests have no type errors',
  async ({ expect }) => {
    expect(await checkTypes(root)).toBe('')
  },
)

it.concurrent('the user interface has no type errors and no warnings', async ({ expect }) => {
  const args = ['--tsconfig', 'ui/tsconfig.json', '--fail-on-warnings', '--output', 'human']
  expect(await complaints(svelteCheck, args, root)).toBe('')
})
