// The programs of docs/webhooks.md and docs/records.md run as pasted.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/free-port.ts'
import { signUp } from '../harness/person.ts'
import { startProcess } from '../harness/processes.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { operate, serviceKey, serviceKeys } from './operator.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const shared = sharedNodes(1, { serviceKeys, webhookAllow: ['127.0.0.1'] })
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-webhooks-'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The blocks of a document in one language. */
async function blocks(file: string, language: string): Promise<string[]> {
  const text = await readFile(join(root, file), 'utf8')
  const found = text.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))
  return [...found].map(([, code]) => code!.replaceAll('http://127.0.0.1:3000', shared.node.url))
}

test('the receiver of webhooks.md answers what a user writes, once, and takes a replay', async () => {
  const [make = '', replay = ''] = await blocks('docs/webhooks.md', 'sh')
  const [program = ''] = await blocks('docs/webhooks.md', 'js')
  const port = await freePort()
  const env = { ...process.env, LOCKSTEP: shared.node.url, SERVICE_KEY: serviceKey }
  const shell = (code: string, more = {}) =>
    run('bash', ['-ec', code], { env: { ...env, ...more }, timeout: 30_000 })
  const address = make.replace('https://host.example.org', `http://127.0.0.1:${port}`)
  const { id, secret } = JSON.parse((await shell(address)).stdout) as Record<string, string>
  await writeFile(join(folder, 'receiver.mjs'), program)
  await using receiver = await startProcess({
    command: process.execPath,
    args: ['receiver.mjs'],
    cwd: folder,
    env: { ...env, WEBHOOK_SECRET: secret, PORT: String(port) },
  })
  const person = await signUp(shared.node)
  const messages = [{ role: 'user' as const, content: 'Hello' }]
  const chat = await person.ask('createConversation', { body: { messages } })
  const contents = async () => {
    const { messages } = await person.ask('getConversation', { params: { id: chat.id } })
    return messages.map(({ content, status }) => `${status} ${content}`)
  }
  const whole = ['complete Hello', 'complete You said: Hello']
  await eventually(async () => (await contents()).join() === whole.join())
  const lines = () => receiver.output.filter((line) => /^conversations \d/.test(line))
  await eventually(() => lines().length >= 3)
  expect(lines()[0]).toBe('conversations 1 created')
  const { stdout } = await shell(replay, { USER_ID: person.user.id, ID: id })
  expect(JSON.parse(stdout)).toMatchObject({ id })
  await person.ask('putConversation', { params: { id: chat.id }, body: { title: 'Later' } })
  await eventually(() => lines().at(-1)?.endsWith('updated') && lines().length >= 4)
  const seqs = lines().map((line) => Number(line.split(' ')[1]))
  expect(seqs).toEqual(seqs.map((_, index) => index + 1))
  expect(await contents()).toEqual(whole)
  // somebody else's request is refused
  const forged = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' })
  expect(forged.status).toBe(401)
  expect((await operate(shared.node, 'DELETE', `/webhooks/${id}`)).status).toBe(204)
})

test('the programs of records.md keep a note', async () => {
  const person = await signUp(shared.node)
  const { token } = await person.ask('createToken', { body: { name: 'Notes' } })
  const env = { ...process.env, LOCKSTEP: shared.node.url, TOKEN: token }
  const [program = ''] = await blocks('docs/records.md', 'js')
  await writeFile(join(folder, 'notes.mjs'), program)
  const options = { cwd: folder, env, timeout: 30_000 }
  const { stdout } = await run(process.execPath, ['notes.mjs'], options)
  expect(stdout).toBe("Garden true [ 'home' ]\n0\n")
  const [commands = ''] = await blocks('docs/records.md', 'sh')
  const { stdout: said } = await run('bash', ['-ec', commands], options)
  expect(said).toMatch(/"version":1.*"version":2.*"items":\[\{.*"done":true/)
  expect((await person.ask('listRecords', { params: { kind: 'note' } })).items).toEqual([])
})
