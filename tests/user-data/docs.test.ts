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

test.each([
  ['docs/threat-model.md', 30],
  ['docs/classic-mistakes.md', 10],
])('every test that %s names is there', async (page, least) => {
  const text = (await readFile(join(root, page), 'utf8')).replaceAll(/\s+/g, ' ')
  const named = [...text.matchAll(/`(tests\/[^`]+\.test\.ts)` “([^”]+)”/g)]
  expect(named.length).toBeGreaterThan(least)
  for (const [, file, name] of named) {
    const source = await readFile(join(root, file!), 'utf8').catch(() => '')
    expect(source.includes(name!), `${file} “${name}”`).toBe(true)
  }
})

test('a node with the Redis permissions of docs/operating.md has exactly the metrics that the page explains', async () => {
  const page = await readFile(join(root, 'docs/operating.md'), 'utf8')
  await using redis = await TestRedis.start()
  const admin = new Redis(redis.url)
  const [, rule] = /ACL SETUSER (.*)/.exec(page)!
  await admin.call('ACL', 'SETUSER', ...rule!.split(' '))
  admin.disconnect()
  const redisUrl = redis.url.replace('://', '://lockstep:password@')
  await using node = await startNode(shared.database, { redisUrl })
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
