// The lines for a shell in the documents do what the text beside them says. A shell runs them as
// they stand, except for addresses and names. `lockstep` is a function of that shell that notes its
// arguments: the command itself runs in this process, as a process for each line would cost more.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startEmbedded } from '@lockstep/embedded-mongo'
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../../realtime/config/config.ts'
import { runProgram } from '../../realtime/program.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const shared = sharedNodes()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-shell-lines-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The only block of a document with these words, with other words in place of some. */
async function linesOf(document: string, has: string, replaced: Record<string, string> = {}) {
  const page = await readFile(join(root, document), 'utf8')
  const blocks = Array.from(page.matchAll(/```sh\n([^]*?)```/g), ([, code]) => code!)
  const found = blocks.filter((code) => code.includes(has))
  expect(found, `${document}: ${has}`).toHaveLength(1)
  return Object.entries(replaced).reduce((code, [from, to]) => code.replaceAll(from, to), found[0]!)
}
/** What a shell prints that runs these lines in the folder. */
async function shell(lines: string): Promise<string> {
  const { stdout } = await run('bash', ['-ec', lines], { cwd: folder, timeout: 30_000 })
  return stdout
}

interface Ran {
  code: number
  printed: Record<string, unknown>[]
  told: string
}
/** Runs each `lockstep …` of the lines, as the shell reads it, with these settings. */
async function commandsOf(lines: string, settings: Record<string, string>): Promise<Ran[]> {
  const noting = `npx() { "$@"; }
    lockstep() { printf '%s\\0' "$@"; [ ! -p /dev/stdin ] && [ -f /dev/stdin ] && cat; printf '\\1'; }`
  const noted = await shell(`${noting}\n${lines}`)
  const results: Ran[] = []
  for (const line of noted.split('\x01').slice(0, -1)) {
    const args = line
      .split('\0')
      .map((word) => word.replace(/^[\w-]+\.(zip|json)$/, `${folder}/$&`))
    const [input, printed, told] = [args.pop()!, [] as string[], [] as string[]]
    const code = await runProgram(args, settings, {
      print: (text) => void printed.push(text),
      tell: (text) => void told.push(text),
      readInput: () => Promise.resolve(input),
      onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
    })
    const isJson = (text: string) => text.startsWith('{')
    const objects = printed.filter(isJson).map((text) => JSON.parse(text) as Ran['printed'][number])
    results.push({ code, printed: objects, told: [...told, ...printed].join('\n') })
  }
  return results
}
const onMongo = () => ({ MONGODB_URL: shared.database.url, DATA_DIR: join(folder, 'data') })

test('the lines of README.md sign up, create a conversation and list it', async () => {
  const replaced = { alice: `reader-${Date.now()}`, 'http://127.0.0.1:3000': shared.node.url }
  const printed = await shell(await linesOf('README.md', 'curl -b jar', replaced))
  expect(printed).toMatch(/"user":.*"title":"Hello".*"items":\[\{[^\]]*"title":"Hello"/s)
})

test('the lines of docs/operating.md import archives and files', async () => {
  const person = await signUp(shared.node)
  const message = { id: 'b', author: { role: 'user' }, content: { parts: ['Hi'] } }
  const mapping = { b: { id: 'b', message, parent: null, children: [] } }
  const chat = { id: 'a', title: 'From ChatGPT', mapping, current_node: 'b' }
  const zip = new ZipWriter(new BlobWriter(), { useWebWorkers: false })
  await zip.add('conversations.json', new TextReader(JSON.stringify([chat])))
  const archive = Buffer.from(await (await zip.close()).arrayBuffer())
  await writeFile(join(folder, 'export.zip'), archive)
  const chat_messages = [{ uuid: 'd', sender: 'human', text: 'Hi' }]
  const claude = [{ uuid: 'c', name: 'From Claude', chat_messages }]
  await writeFile(join(folder, 'conversations-1.json'), JSON.stringify(claude))
  const replaced = { '<user>': person.user.username }
  const lines = await linesOf('docs/operating.md', 'export.zip', replaced)
  const ran = await commandsOf(lines, onMongo())
  expect(ran).toMatchObject(Array(2).fill({ code: 0, printed: [{ created: 1, failed: [] }] }))
  const { items } = await person.ask('listConversations')
  expect(items.map(({ title }) => title).sort()).toEqual(['From ChatGPT', 'From Claude'])
})

test('those of docs/operating.md give every log a new epoch', async () => {
  await signUp(shared.node)
  const lines = await linesOf('docs/operating.md', 'new-epoch')
  expect(await commandsOf(lines, onMongo())).toMatchObject([
    { code: 0, told: expect.stringMatching(/^[1-9]\d* logs have a new epoch/m) as string },
  ])
})

test('those of docs/operating.md back the embedded database up, verify, restore and repair it', async () => {
  const settings = { DATA_DIR: join(folder, 'embedded') }
  await (await startEmbedded({ dataDir: join(settings.DATA_DIR, 'db') })).stop()
  const replaced = { '/backups': folder }
  const ran = await commandsOf(await linesOf('docs/operating.md', 'repair', replaced), settings)
  expect(ran.map(({ code }) => code)).toEqual([0, 0, 0, 0])
})

test('those of docs/operating.md search for erased words', async () => {
  const person = await signUp(shared.node)
  await person.ask('createConversation', { body: { title: 'Zanzibar' } })
  await writeFile(join(folder, 'words.txt'), 'Zanzibar\nnobody has written this\n')
  const lines = await linesOf('docs/operating.md', 'words.txt')
  const [{ code, told }] = (await commandsOf(lines, onMongo())) as [Ran]
  expect([code, told]).toEqual([1, expect.stringContaining('"found_lines":{"1":')])
  expect(told).not.toContain('"2":')
})

test('those of docs/host-users.md link an account to a provider, and unlink it', async () => {
  const person = await signUp(shared.node)
  const replaced = { alice: person.user.username }
  const lines = await linesOf('docs/host-users.md', 'lockstep link', replaced)
  const issuer = {
    OIDC_ISSUER: 'https://id.example.org',
    OIDC_CLIENT_ID: 'lockstep',
    PASSWORD_SIGN_IN: 'true',
  }
  const settings = { ...onMongo(), ...issuer, PUBLIC_ORIGIN: shared.node.url }
  const ran = await commandsOf(lines, settings)
  expect(ran.map(({ code, told }) => [code, told])).toEqual([
    [0, expect.anything()],
    [0, expect.anything()],
  ])
})

/** The settings that lines of a shell make. */
async function settingsOf(lines: string): Promise<Record<string, string>> {
  const printed = await shell(`set -a; ${lines}\nenv -0`)
  return Object.fromEntries(
    printed.split('\0').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
  ) as Record<string, string>
}

test.each([
  ['OIDC_ISSUER', { issuer: 'https://id.example.org/realms/staff', name: 'Example' }],
  ['TRUSTED_USER_HEADER', { userHeader: 'x-user' }],
])('the settings of docs/host-users.md with %s are valid', async (has, expected) => {
  const secret = { '…': 'a secret that only the tests of Lockstep know' }
  const lines = (await linesOf('docs/host-users.md', `${has}=`, secret)).replaceAll(
    /=(a secret[^#\n]*\w)/g,
    "='$1'",
  )
  const { oidc, trustedProxy } = readConfig(await settingsOf(lines))
  expect(oidc ?? trustedProxy).toMatchObject(expected)
})

test('the lines of docs/host-users.md make a service key and its digest', async () => {
  const { key, SERVICE_KEYS } = await settingsOf(await linesOf('docs/host-users.md', 'openssl'))
  expect(key).toMatch(/^lsk_[\w-]{43}$/)
  expect(readConfig({ SERVICE_KEYS }).serviceKeys).toEqual([
    createHash('sha256').update(key!).digest('hex'),
  ])
})
