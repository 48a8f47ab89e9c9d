// What the documentation promises: its examples run as pasted, the tests that it names exist, and
// its list of metrics is complete.
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { startProcess } from '../harness/processes.ts'
import { TestRedis } from '../harness/redis.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const shared = sharedNodes()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-docs-'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rm(folder, { recursive: true }))

const examples: [string, string, string[], RegExp][] = [
  ['sh', 'example.sh', ['bash', '-e'], /"created":0,"updated":0,"skipped":1,"failed":\[\]/],
  ['js', 'example.mjs', [process.execPath], /1 created From JavaScript\n2 updated \n3 deleted/],
  ['python', 'example.py', ['python3'], /1 user Hello\n2 assistant Hi!\n.*'created': 0/],
]

const isHere = ([, , [command]]: (typeof examples)[number]) =>
  spawnSync(command!, ['--version']).error === undefined

test.each(examples.filter(isHere))(
  'the %s example runs as pasted',
  async (language, name, [command, ...args], says) => {
    const page = await readFile(join(root, 'docs/using-the-api.md'), 'utf8')
    const [, code] = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page)!
    await writeFile(join(folder, name), code!)
    const env = { ...process.env, LOCKSTEP: shared.node.url }
    const { stdout } = await run(command!, [...args, name], { cwd: folder, env, timeout: 30_000 })
    expect(stdout).toMatch(says)
  },
)

test('the example of a host’s agent loop runs as pasted, and a stop ends its agent', async () => {
  const person = await signUp(shared.node)
  const { token } = await person.ask('createToken', { body: { name: 'Agent' } })
  const page = await readFile(join(root, 'docs/own-agent-loop.md'), 'utf8')
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(page)!
  const env = { ...process.env, LOCKSTEP: shared.node.url, TOKEN: token }
  const execute = async (name: string, program: string) => {
    await writeFile(join(folder, name), program)
    return run(process.execPath, [name], { cwd: folder, env, timeout: 30_000 })
  }
  const { stdout } = await execute('agent.mjs', code)
  expect(stdout.match(/status: 'complete',\s+length: 17/g)).toHaveLength(2)
  const [chat] = (await person.ask('listConversations')).items
  const { messages } = await person.ask('getConversation', { params: { id: chat!.id } })
  expect(messages[1]).toMatchObject({
    content: 'The sky is clear.',
    metadata: { agent: 'weather' },
  })

  // the same program, whose agent never ends: another device stops it
  const endless = execute(
    'endless.mjs',
    code.replace(
      'yield { done: true }',
      `
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      yield { text: ' And' }
    }`,
    ),
  )
  const stopped = await eventually(async () => {
    const [newest] = (await person.ask('listConversations')).items
    const { messages } = await person.ask('getConversation', { params: { id: newest!.id } })
    return newest!.id !== chat!.id && messages[1]?.content.includes('And') && messages[1]
  })
  const [newest] = (await person.ask('listConversations')).items
  await person.ask('stopReply', { params: { id: newest!.id }, body: { message_id: stopped.id } })
  expect((await endless).stdout).toMatch(/status: 'stopped'[\s\S]*stopped_by/)
})

test('the first program of start.md runs as pasted, with the token that its commands make', async () => {
  const person = await signUp(shared.node)
  const page = await readFile(join(root, 'docs/start.md'), 'utf8')
  const [, commands = ''] = /```sh\n(curl[\s\S]*?)```/.exec(page)!
  const lines = commands
    .replaceAll('http://127.0.0.1:3000', shared.node.url)
    .replace('alice', person.user.username)
    .replace('correct horse', person.password)
  const made = await run('bash', ['-ec', lines], { cwd: folder, timeout: 30_000 })
  const [, token = ''] = /"token":"(lsu_[^"]+)"/.exec(made.stdout) ?? []
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(page)!
  await writeFile(join(folder, 'start.mjs'), code)
  const env = { ...process.env, LOCKSTEP: shared.node.url, TOKEN: token }
  const options = { cwd: folder, env, timeout: 30_000 }
  const { stdout } = await run(process.execPath, ['start.mjs'], options)
  expect(stdout).toBe("true\n[ 'Hello' ]\n")
  const { items } = await person.ask('listConversations')
  expect(items.map(({ title }) => title)).toEqual(['From a program'])
})

test('the program of python.md answers what another device writes', async () => {
  const person = await signUp(shared.node)
  const { token } = await person.ask('createToken', { body: { name: 'Echo' } })
  const page = await readFile(join(root, 'docs/python.md'), 'utf8')
  const [, code = ''] = /```python\n([\s\S]*?)```/.exec(page)!
  await writeFile(join(folder, 'echo.py'), code)
  const program = await startProcess({
    command: '/usr/bin/python3',
    args: ['echo.py'],
    cwd: folder,
    env: {
      LOCKSTEP: shared.node.url,
      TOKEN: token,
      PYTHONPATH: join(root, 'clients/python'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  })
  try {
    const messages = [{ role: 'user' as const, content: 'echo Hello' }]
    const { id } = await person.ask('createConversation', { body: { messages } })
    await eventually(() => expect(program.output).toContain('answered Hello'), { within: 30_000 })
    const thread = await person.ask('getConversation', { params: { id } })
    expect(thread.messages.map(({ content }) => content)).toEqual(['echo Hello', 'Hello'])
  } finally {
    await program.kill()
  }
})

test.each([
  ['docs/threat-model.md', 30],
  ['docs/classic-mistakes.md', 10],
  ['docs/asvs.md', 100],
])('every test that %s names is there', async (page, least) => {
  const text = (await readFile(join(root, page), 'utf8')).replaceAll(/\s+/g, ' ')
  const named = [...text.matchAll(/`(tests\/[^`]+\.test\.ts)` “([^”]+)”/g)]
  expect(named.length).toBeGreaterThan(least)
  for (const [, file, name] of named) {
    const source = await readFile(join(root, file!), 'utf8').catch(() => '')
    expect(source.includes(name!), `${file} “${name}”`).toBe(true)
  }
})

/** The sections of ASVS 5.0.0, each with the number of its requirements of levels 1 and 2. */
const asvsSections =
  '1.1 2, 1.2 9, 1.3 11, 1.4 3, 1.5 2, 2.1 3, 2.2 3, 2.3 4, 2.4 1, 3.2 2, 3.3 4, 3.4 6, 3.5 ' +
  '5, 3.7 2, 4.1 3, 4.2 1, 4.3 2, 4.4 4, 5.1 1, 5.2 3, 5.3 2, 5.4 3, 6.1 3, 6.2 12, 6.3 4, ' +
  '6.4 4, 6.5 5, 6.6 3, 6.8 4, 7.1 3, 7.2 4, 7.3 2, 7.4 5, 7.5 2, 7.6 2, 8.1 2, 8.2 3, 8.3 ' +
  '1, 8.4 1, 9.1 3, 9.2 4, 10.1 2, 10.2 2, 10.3 4, 10.4 11, 10.5 5, 10.6 2, 10.7 3, 11.1 2, ' +
  '11.2 3, 11.3 3, 11.4 4, 11.5 1, 11.6 1, 12.1 3, 12.2 2, 12.3 4, 13.1 1, 13.2 5, 13.3 2, ' +
  '13.4 5, 14.1 2, 14.2 4, 14.3 3, 15.1 3, 15.2 3, 15.3 7, 16.1 1, 16.2 5, 16.3 4, 16.4 3, ' +
  '16.5 3, 17.1 1, 17.2 4, 17.3 2'

test('each requirement of ASVS 5.0, level 2, has one row, which says how it is met or why not', async () => {
  const expected = asvsSections.split(', ').flatMap((section) => {
    const [name, count] = section.split(' ')
    return Array.from({ length: Number(count) }, (_, n) => `${name}.${n + 1}`)
  })
  const rows = [
    ...(await readFile(join(root, 'docs/asvs.md'), 'utf8')).matchAll(
      /^\| ([\d.]+) \| (.{4,}?) \|/gm,
    ),
  ]
  expect(rows.map(([, id]) => id)).toEqual(expected)
})

test('a node with the Redis permissions of docs/operating.md has exactly the metrics that the page explains', async () => {
  const page = await readFile(join(root, 'docs/operating.md'), 'utf8')
  await using redis = await TestRedis.start()
  const admin = new Redis(redis.url)
  const [, rule] = /ACL SETUSER (.*)/.exec(page)!
  await admin.call('ACL', 'SETUSER', ...rule!.split(' '))
  admin.disconnect()
  const redisUrls = [redis.url.replace('://', '://lockstep:password@')]
  await using node = await startNode(shared.database, { redisUrls })
  const metrics = async () => await (await fetch(`${node.url}/metrics`)).text()
  await eventually(async () => expect(await metrics()).toMatch(/^lockstep_feed_leases_held 1$/m), {
    within: 15_000,
  })
  const there = new Set(
    [...(await metrics()).matchAll(/^# TYPE (lockstep_\w+)/gm)].map(([, name]) => name),
  )
  const [, table] = page.split('## Metrics and what they mean')
  const explained = new Set(
    [...table!.matchAll(/^\|.*$/gm)].flatMap(
      ([row]) => row.split('|')[1]!.match(/lockstep_\w+/g) ?? [],
    ),
  )
  expect(explained).toEqual(there)
})
