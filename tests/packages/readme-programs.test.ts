// The programs in the documents run as they stand, except for addresses and names of people. One
// process runs all those that are parts of a program, because each alone would take a second.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { readmeBlocks } from './readme-blocks.ts'

const root = path.join(import.meta.dirname, '../..')
const shared = sharedNodes()
const said = new Map<string, string>()
const nameOf = ({ document, has }: { document: string; has: string }) => `${document}: ${has}`
let folder: string

/** The only block of the document with these words. */
async function blockOf({ document, has }: { document: string; has: string }) {
  const text = await readFile(path.join(root, document), 'utf8')
  const blocks = Array.from(text.matchAll(/```(js|ts)\n([^]*?)```/g), ([, language, code]) => ({
    language: language!,
    code: code!,
  })).filter(({ code }) => code.includes(has))
  expect(blocks, nameOf({ document, has })).toHaveLength(1)
  return blocks[0]!
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
    const file = `./${index}.${language === 'ts' ? 'ts' : 'mjs'}`
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
    await writeFile(path.join(folder, file), program)
    blocks.push({ name: nameOf(block), file, then: block.then })
  }
  await writeFile(path.join(folder, 'blocks.json'), JSON.stringify({ url, token, blocks }))
  const env = { ...process.env, PYTHONPATH: path.join(root, 'clients/python') }
  const options = { cwd: folder, env, timeout: 120_000 }
  const { stdout } = await promisify(execFile)(process.execPath, ['run.ts'], options)
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
