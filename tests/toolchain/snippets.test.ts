// Every block of code in the documents is tried. What runs against a server has a test of its own,
// which is named here, or a row in readme-blocks.ts. Commands must exist.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { compile as compileSvelte } from 'svelte/compiler'
import { afterAll, beforeAll, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { readmeBlocks } from '../packages/readme-blocks.ts'
import { checkTypes } from './compiler.ts'

const root = path.join(import.meta.dirname, '../..')

interface Snippet {
  document: string
  /** The document and the block's number in it: `docs/start.md 3`. */
  name: string
  language: string
  code: string
}

const documents = fs.globSync(
  [
    'docs/*.md',
    'clients/*/README.md',
    'protocol/*.md',
    'realtime/*/README.md',
    'tests/README.md',
    '*.md',
  ],
  { cwd: root },
)
const snippets: Snippet[] = documents.sort().flatMap((file) => {
  const text = fs.readFileSync(path.join(root, file), 'utf8')
  return Array.from(
    text.matchAll(/^ *```(\w*)\n([^]*?)^ *```$/gm),
    ([, language, code], index) => ({
      document: file,
      name: `${file} ${index + 1}`,
      language: language!,
      code: code!,
    }),
  )
})

type Row = [document: string, has: string, why: string]

/** Blocks that a test runs as they stand: the document, words of the block, and the test. */
const run: Row[] = [
  ['docs/using-the-api.md', 'JAR=$(mktemp)', 'tests/user-data/docs.test.ts'],
  ['docs/using-the-api.md', 'emitWithAck', 'tests/user-data/docs.test.ts'],
  ['docs/using-the-api.md', 'HTTPCookieProcessor', 'tests/user-data/docs.test.ts'],
  ['docs/own-agent-loop.md', 'async function produce', 'tests/user-data/docs.test.ts'],
  ['docs/webhooks.md', 'topics', 'tests/webhooks/guide.test.ts'],
  ['docs/webhooks.md', 'timingSafeEqual', 'tests/webhooks/guide.test.ts'],
  ['docs/webhooks.md', '/replay', 'tests/webhooks/guide.test.ts'],
  ['docs/records.md', 'createEngine', 'tests/webhooks/guide.test.ts'],
  ['docs/records.md', 'curl', 'tests/webhooks/guide.test.ts'],
  ['docs/start.md', 'curl -c jar', 'tests/user-data/docs.test.ts'],
  ['docs/start.md', 'createEngine', 'tests/user-data/docs.test.ts'],
  ['docs/python.md', 'import asyncio', 'tests/user-data/docs.test.ts'],
  ['docs/host-users.md', 'auth_request', 'tests/auth/nginx-snippets.test.ts'],
  ['docs/operating.md', 'proxy_pass', 'tests/browser/base-path.test.ts'],
  ['clients/python/README.md', 'asyncio.run(main())', 'tests/python/test_client.py'],
  ['clients/python/README.md', 'def rename', 'tests/python/test_client.py'],
  ['clients/python/README.md', 'def keep_a_note', 'tests/python/test_client.py'],
  ['clients/typescript/README.md', 'encryptedStore', 'tests/sync/kept-commands.test.ts'],
  ['README.md', 'curl -b jar', 'tests/user-data/shell-lines.test.ts'],
  ['README.md', 'new-env.sh', 'tests/toolchain/compose.test.ts'],
  ['docs/operating.md', 'lockstep import', 'tests/user-data/shell-lines.test.ts'],
  ['docs/operating.md', 'lockstep backup', 'tests/user-data/shell-lines.test.ts'],
  ['docs/operating.md', 'lockstep new-epoch', 'tests/user-data/shell-lines.test.ts'],
  ['docs/operating.md', 'lockstep erased', 'tests/user-data/shell-lines.test.ts'],
  ['docs/host-users.md', 'lockstep link', 'tests/user-data/shell-lines.test.ts'],
  ['docs/host-users.md', 'OIDC_ISSUER=', 'tests/user-data/shell-lines.test.ts'],
  ['docs/host-users.md', 'TRUSTED_USER_HEADER=', 'tests/user-data/shell-lines.test.ts'],
  ['docs/host-users.md', 'openssl rand', 'tests/user-data/shell-lines.test.ts'],
  ['docs/start.md', 'packed/lockstep-client', 'tests/packages/documented-commands.ts'],
  ['clients/conformance/README.md', 'npx @lockstep', 'tests/packages/documented-commands.ts'],
  ['clients/python/README.md', 'pip install', 'tests/python/python-client.test.ts'],
  ['docs/python.md', 'pip install', 'tests/python/python-client.test.ts'],
  ...['react', 'svelte', 'vue', 'ai-sdk', 'persist', 'devtools'].map((name): Row => {
    return [`clients/${name}/README.md`, 'npm install', 'tests/packages/documented-commands.ts']
  }),
  ['realtime/embedded/README.md', '$ embedded-mongo', 'tests/packages/packages.test.ts'],
]

/** Blocks that nothing here can run, each with the reason. */
const notHere: Row[] = [
  ['docs/host-users.md', 'db.users.findOne', 'a query for the shell of MongoDB'],
  ['docs/operating.md', 'db.feed.updateOne', 'an update for the shell of MongoDB'],
  ['docs/operating.md', 'sh.shardCollection', 'commands for the shell of a sharded MongoDB'],
  ['ARCHITECTURE.md', '→ log/append', 'a drawing'],
  ['CONTRIBUTING.md', 'Feed: a tail', 'a message of a commit'],
  ...['README.md', 'docs/README.md', 'docs/start.md'].map((document): Row => {
    return [document, 'npm start', 'installs and serves; its parts are in preparation.test.ts']
  }),
  ['README.md', 'npm test', 'this run'],
  ['CONTRIBUTING.md', 'unused-exports.ts', 'part of `npm run check`'],
  ['docs/operating.md', 'ACL SETUSER', 'a line of Redis: tests/user-data/docs.test.ts sends it'],
]

const isIn = (rows: readonly Row[], { document, code }: Snippet): boolean =>
  rows.some(([file, has]) => file === document && code.includes(has))
const left = snippets.filter((snippet) => !isIn(run, snippet) && !isIn(notHere, snippet))
const inLanguages = (...languages: string[]) =>
  left.filter(({ language }) => languages.includes(language))

/** What a block takes for granted, because the text or a block before it has said so. */
const known = `
declare const engine: import('@lockstep/client').Engine
declare const id: string
declare const origin: string
declare const url: string
declare const message_id: string
declare const socket: import('socket.io-client').Socket
declare function agent(): AsyncGenerator<import('@lockstep/client/produce').ProducedPiece>
type WireChange = import('@lockstep/client/protocol').WireChange
declare namespace NodeJS {
  interface ProcessEnv {
    TOKEN: string
    CONVERSATION: string
  }
}
declare module '*.vue' {
  const component: import('vue').Component
  export default component
}
`

/** An example in JavaScript leaves out that something may be absent. */
const isOfAbsence = /^error TS(2531|2532|18047|18048):/

let folder: string
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(fs.realpathSync(tmpdir()), 'lockstep-snippets-'))
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

test('every block of every document has a language in which it is tried', () => {
  expect(snippets.length).toBeGreaterThan(100)
  const tried = ['js', 'jsx', 'ts', 'tsx', 'vue', 'svelte', 'python', 'diff']
  expect(left.filter(({ language }) => !tried.includes(language)).map(({ name }) => name)).toEqual(
    [],
  )
  for (const [document, has, why] of [...run, ...notHere]) {
    const found = snippets.filter((snippet) => isIn([[document, has, why]], snippet))
    expect(found.length, `the row ${document} ${has}`).toBe(1)
  }
  for (const [document, has, test] of run) {
    const text = fs.readFileSync(path.join(root, test), 'utf8')
    const name = path.basename(document).replace('README.md', 'README')
    expect(text, `${test} runs ${document}, ${has}`).toContain(name)
  }
  // guides.test.ts follows the steps of these guides
  for (const { name } of inLanguages('diff')) expect(name).toMatch(/^docs\/adding-a-/)
})

test('every program in JavaScript and TypeScript, and every component, runs in a test', () => {
  const isRun = ({ document, code }: Snippet) =>
    readmeBlocks.some((block) => block.document === document && code.includes(block.has))
  const notRun = inLanguages('js', 'ts', 'jsx', 'tsx', 'vue', 'svelte').filter(
    (snippet) => !isRun(snippet),
  )
  expect(notRun.map(({ name }) => name)).toEqual([])
})

test('the programs in JavaScript and TypeScript have no error of types', async () => {
  const programs = inLanguages('js', 'jsx', 'ts', 'tsx')
  const named = new Map<string, string>()
  for (const [index, { name, language, code }] of programs.entries()) {
    named.set(`${index}.${language}`, name)
    fs.writeFileSync(path.join(folder, `${index}.${language}`), `${code}\nexport {}\n`)
  }
  fs.writeFileSync(path.join(folder, 'known.d.ts'), known)
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  const config = {
    extends: path.join(root, 'tsconfig.json'),
    compilerOptions: {
      incremental: false,
      tsBuildInfoFile: null,
      noImplicitAny: false,
      paths: { '@lockstep/client/protocol/*': [path.join(root, 'protocol/*.ts')] },
      jsx: 'react-jsx',
      types: ['node'],
      typeRoots: [path.join(root, 'node_modules/@types')],
    },
    include: ['*'],
  }
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config))
  const output = await checkTypes(folder)
  const errors = output.split('\n').flatMap((line) => {
    const [, file = '', where = '', said = ''] = /^(\d+\.\w+)\((\d+),\d+\): (.*)/.exec(line) ?? []
    return named.has(file) && !isOfAbsence.test(said)
      ? [`${named.get(file)}, line ${where}: ${said}`]
      : []
  })
  expect(errors).toEqual([])
  // the compiler has read them all
  expect(programs.length).toBeGreaterThan(25)
})

test('the components of Svelte compile without a warning', () => {
  for (const { name, code } of inLanguages('svelte'))
    expect(compileSvelte(code, { filename: 'Snippet.svelte' }).warnings, name).toEqual([])
  expect(inLanguages('svelte').length).toBeGreaterThan(3)
})

test('the programs in Python can be parsed', () => {
  const program = 'import ast, json, sys\nfor code in json.load(sys.stdin): ast.parse(code)'
  const python = inLanguages('python').map(({ code }) => code)
  execFileSync('python3', ['-c', program], { input: JSON.stringify(python) })
})

test('the lines for a shell name scripts and files that exist', () => {
  const lines = snippets.filter(({ language }) => language === 'sh')
  for (const { name, code } of lines) {
    const scripts = Array.from(code.matchAll(/\bnpm run ([\w-]+)/g), ([, script]) => script!)
    for (const script of scripts) expect(Object.keys(manifest.scripts), name).toContain(script)
    for (const [file] of code.matchAll(/\b(?:tools|deploy)\/[\w./-]+/g))
      expect(fs.existsSync(path.join(root, file)), `${name}: ${file}`).toBe(true)
  }
})
