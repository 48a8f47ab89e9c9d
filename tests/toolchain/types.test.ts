// Runs the type checks as tests, so that one run reports everything.
import { cp, mkdir, mkdtempDisposable, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
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
  // With TypeScript 7, svelte-check takes half as long. It looks for it under another name, and
  // writes what it makes of each component beside the sources, so it checks a copy.
  await using copy = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-ui-types-'))
  for (const name of ['ui/src', 'ui/texts', 'ui/tsconfig.json', 'tsconfig.json'])
    await cp(path.join(root, name), path.join(copy.path, name), { recursive: true })
  await symlink(path.join(root, 'node_modules'), path.join(copy.path, 'node_modules'))
  const alias = path.join(copy.path, 'ui/node_modules/@typescript')
  await mkdir(alias, { recursive: true })
  await symlink(path.join(root, 'node_modules/typescript-7'), path.join(alias, 'native'))
  const folder = path.join(copy.path, 'ui')
  // svelte-check doesn't pass on how many checkers there are.
  const config = { extends: './tsconfig.json', compilerOptions: { checkers: 1 } }
  await writeFile(path.join(folder, 'one-checker.json'), JSON.stringify(config))
  const args = ['--tsgo', '--tsconfig', 'one-checker.json', '--fail-on-warnings']
  expect(await complaints(svelteCheck, [...args, '--output', 'human'], folder)).toBe('')
})
