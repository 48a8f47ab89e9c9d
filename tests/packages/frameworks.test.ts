// The packages for React, Svelte and Vue, installed from their tarballs into another project. Each
// shows a conversation while a reply streams into it, and counts what renders.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { compile } from 'svelte/compiler'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { sharedNodes } from '../harness/shared-node.ts'
import { createForeignProject, type ForeignProject } from './foreign-project.ts'
import {
  domModule,
  reactProgram,
  svelteComponents,
  svelteForTheDom,
  svelteProgram,
  vueProgram,
} from './framework-programs.ts'

const run = promisify(execFile)
const shared = sharedNodes()
let project: ForeignProject

beforeAll(async () => {
  project = await createForeignProject({
    packages: ['@lockstep/client', '@lockstep/react', '@lockstep/svelte', '@lockstep/vue'],
    beside: ['react', 'react-dom', 'vue', 'svelte', 'happy-dom'],
  })
  await project.write('dom.js', domModule)
}, 240_000)
afterAll(() => project?.[Symbol.asyncDispose]())

async function runProgram(name: string, text: string, options: string[] = []): Promise<unknown> {
  const program = await project.write(name, text)
  const args = [...options, program, shared.node.url, `${name}-${newId()}`, 'correct horse battery']
  const { stdout } = await run(process.execPath, args, { cwd: project.folder, timeout: 60_000 })
  return JSON.parse(stdout)
}

/** What every framework shows: the reply's row rendered often, and no other row did. */
const onlyTheStreamRenders = {
  streamed: expect.toSatisfy((renders: number) => renders >= 3, 'at least three renders'),
  otherRows: [0],
  thread: 0,
  state: 'ready',
  connection: 'live',
}

test('React: a streaming reply renders its own row alone, in strict mode and after a render on a server', async () => {
  expect(await runProgram('react.js', reactProgram)).toEqual(onlyTheStreamRenders)
})

test('Vue: a streaming reply updates its own row alone', async () => {
  expect(await runProgram('vue.js', vueProgram)).toEqual(onlyTheStreamRenders)
})

test('Svelte: a streaming reply updates its own row alone', async () => {
  for (const [name, source] of Object.entries(svelteComponents)) {
    const { js } = compile(source, { name, filename: `${name}.svelte`, generate: 'client' })
    await project.write(`${name}.svelte.js`, js.code)
  }
  const hooks = await project.write('svelte-for-the-dom.js', svelteForTheDom)
  expect(await runProgram('svelte.js', svelteProgram, ['--import', hooks])).toEqual(
    onlyTheStreamRenders,
  )
})
