// The programs and components in the documents run as they stand, except for addresses and names of
// people. One process runs all those that are parts of a program, because each alone would take a
// second.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { compile as compileSvelte } from 'svelte/compiler'
import { transformWithOxc } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileScript, parse as parseVue } from 'vue/compiler-sfc'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { domModule, svelteForTheDom } from './framework-programs.ts'
import { readmeBlocks } from './readme-blocks.ts'

const root = path.join(import.meta.dirname, '../..')
const shared = sharedNodes(1, { options: { agents: { demo: { tokensPerSecond: 1000 } } } })
const said = new Map<string, string>()
const nameOf = ({ document, has }: { document: string; has: string }) => `${document}: ${has}`
let folder: string

/** The only block of the document with these words. */
async function blockOf({ document, has }: { document: string; has: string }) {
  const text = await readFile(path.join(root, document), 'utf8')
  const blocks = Array.from(
    text.matchAll(/```(jsx?|tsx?|vue|svelte)\n([^]*?)```/g),
    ([, language, code]) => ({
      language: language!,
      code: code!,
    }),
  ).filter(({ code }) => code.includes(has))
  expect(blocks, nameOf({ document, has })).toHaveLength(1)
  return blocks[0]!
}

/** Gives the runner's engine to a component. */
const svelteProvider = `<script>
  import { provideLockstep } from '@lockstep/svelte'
  const { component: Component, ...props } = $props()
  provideLockstep(engine)
</script>
<Component {...props} />`

/** Components import each other's modules, which stand beside their sources' names. */
const asModules = (code: string) =>
  code.replaceAll(/(['"])(\.\/\w+\.(?:vue|svelte))\1/g, '"$2.mjs"')

/** A module of the code, and the ending of its name. */
async function compiled(language: string, code: string): Promise<[ending: string, code: string]> {
  if (language === 'vue') {
    const { descriptor } = parseVue(code)
    return ['mjs', compileScript(descriptor, { id: 'component', inlineTemplate: true }).content]
  }
  if (language === 'svelte')
    return ['mjs', compileSvelte(code, { filename: 'Component.svelte' }).js.code]
  if (language.endsWith('x'))
    return ['mjs', (await transformWithOxc(code, `block.${language}`)).code]
  return [language === 'ts' ? 'ts' : 'mjs', code]
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lockstep-readmes-'))
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  await cp(path.join(import.meta.dirname, 'readme-runner.ts'), path.join(folder, 'run.ts'))
  const { url } = shared.node
  const person = await signUp(shared.node)
  const { token } = await person.ask('createToken', { body: { name: 'Documents' } })
  const blocks = []
  for (const [index, block] of readmeBlocks.entries()) {
    const { language, code } = await blockOf(block)
    const program = code
      .replaceAll(/'(http:\/\/127.0.0.1:3000|https:\/\/lockstep.example.org)/g, `'${url}`)
      // the sources have the protocol beside the client, and the package in it
      .replaceAll('@lockstep/client/protocol/', '@lockstep/protocol/')
      .replaceAll("origin: ''", `origin: url, token: () => process.env.TOKEN`)
      .replaceAll('lockstep_session=…', person.cookie)
      .replace(
        "'ada', password: 'correct horse'",
        `'${person.user.username}', password: '${person.password}'`,
      )
      .replace("'python3', ['my_adapter.py']", `'/usr/bin/python3', ['${adapter}']`)
    const [ending, module] = await compiled(language, program)
    const file = `./${block.file ?? index}.${ending}`
    await writeFile(path.join(folder, file), asModules(module))
    blocks.push({ name: nameOf(block), file, then: block.then })
  }
  await writeFile(path.join(folder, 'blocks.json'), JSON.stringify({ url, token, blocks }))
  const env = { ...process.env, PYTHONPATH: path.join(root, 'clients/python') }
  const [, provider] = await compiled('svelte', svelteProvider)
  await writeFile(path.join(folder, 'Provider.svelte.mjs'), provider)
  await writeFile(path.join(folder, 'dom.mjs'), domModule)
  await writeFile(path.join(folder, 'svelte-for-the-dom.mjs'), svelteForTheDom)
  const args = ['--import', './dom.mjs', '--import', './svelte-for-the-dom.mjs', 'run.ts']
  const options = { cwd: folder, env, timeout: 120_000 }
  const { stdout } = await promisify(execFile)(process.execPath, args, options)
  for (const line of stdout.trim().split('\n')) {
    const { name, said: text } = JSON.parse(line) as { name: string; said: string }
    said.set(name, text)
  }
}, 180_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

const adapter = path.join(root, 'tests/conformance-kit/adapter.py')

test.each(readmeBlocks.map((block): [string, RegExp] => [nameOf(block), block.says]))(
  '%s',
  (name, says) => {
    expect(said.get(name)).toMatch(says)
  },
)
