// What is purged or deleted is nowhere any more: not in the bytes of any file, whether the node is
// stopped or killed, and not in Redis. `lockstep erased` says so, and where it has looked.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { temporaryDirectory } from '../embedded/database.ts'
import { eventually } from '../harness/eventually.ts'
import { spawnNode } from '../harness/node.ts'
import { request, signUp, type Person } from '../harness/person.ts'
import { TestRedis } from '../harness/redis.ts'
import { erased } from './erased-command.ts'

/** How often a word is in each file that has it. */
function grep(folder: string, word: string): Record<string, number> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
  const counts = files.map((path) => {
    const text = readFileSync(path, 'latin1')
    return [path, text.split(word).length - 1] as const
  })
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}

/** Writes a word wherever a person can write, and edits it so that pages are rebuilt. */
async function writeEverywhere(person: Person, word: string): Promise<string> {
  const id = newId()
  const message = newId()
  const text = (n: number) => `${word} ${'and more '.repeat(n)}${word}`
  await person.ask('createConversation', {
    body: { id, title: word, metadata: { word }, messages: [{ role: 'user', content: text(3) }] },
  })
  for (let n = 0; n < 5; n++)
    await person.ask('putConversation', {
      params: { id },
      body: {
        title: `${word} ${n}`,
        messages: [
          { id: message, role: 'user', content: text(n * 60) },
          ...Array.from({ length: 8 }, () => ({ role: 'user' as const, content: text(n * 9) })),
        ],
      },
    })
  await person.rest('PUT', `/users/me/drafts/${newId()}`, { place: 'new', text: text(100) })
  const { id: run } = await person.ask('createRun', {
    body: { agent: 'demo', input: `/demo rate 100000 silent list ${word}` },
  })
  await eventually(async () => {
    const { body } = await person.rest<{ status: string }>('GET', `/agent-runs/${run}`)
    return body.status !== 'running'
  })
  const credentials = { username: person.user.username, password: 'not the password' }
  await request(`${person.url}/auth/login`, 'POST', credentials)
  return id
}

test('what is purged or deleted is in no file and no key any more, after a stop or a kill', async () => {
  await using directory = await temporaryDirectory()
  await using stack = new AsyncDisposableStack()
  const redises = [stack.use(await TestRedis.start()), stack.use(await TestRedis.start())]
  const REDIS_URL = redises.map(({ url }) => url).join()
  const settings = { DATA_DIR: directory.path, REDIS_URL, NODE_ENV: 'test' }
  const start = () => spawnNode({ url: '' }, { ...settings, MONGODB_URL: undefined })
  const [purged, deleted, hurried, kept] = [
    'Quetzalpurge',
    'Okapidelete',
    'Axolotlhurry',
    'Ibiskept',
  ]
  let node = await start()
  const [alice, bob] = [await signUp(node, 'aliceaardvark'), await signUp(node, 'bob')]
  await writeEverywhere(bob, kept)
  const id = await writeEverywhere(alice, purged)
  await alice.ask('putPreferences', { body: { word: deleted } })
  await writeEverywhere(alice, deleted)
  expect(Object.keys(grep(directory.path, purged)).length).toBeGreaterThan(0)

  // a purge: the words are gone while the node runs, so that a kill finds none of them
  for (const draft of (await alice.ask('listDrafts')).items)
    await alice.ask('deleteDraft', { params: { id: draft.id } })
  for (const run of (await alice.ask('listRuns')).items)
    if (JSON.stringify(run).includes(purged))
      await alice.ask('deleteRun', { params: { id: run.id } })
  await alice.ask('deleteConversation', { params: { id } })
  await alice.ask('purgeConversation', { params: { id } })
  await eventually(() => Object.keys(grep(directory.path, purged)).length === 0)
  expect((await erased(settings, purged)).places).toContainEqual(
    expect.objectContaining({ problem: expect.stringMatching(/in use/) as string }),
  )
  await node.process.kill()
  expect(grep(directory.path, purged)).toEqual({})
  expect(await erased(settings, purged)).toMatchObject({ code: 0 })

  // the deletion of an account, and a clean stop right after it
  node = await start()
  expect(Object.keys(grep(directory.path, deleted)).length).toBeGreaterThan(0)
  const { user, password } = alice.at(node)
  await alice.at(node).ask('deleteMe', { body: { password } })
  await node.stop()
  const gone = [deleted, user.username, 'aliceaardvark', user.id]
  for (const word of gone.slice(0, 3)) expect(grep(directory.path, word)).toEqual({})
  const proof = await erased(settings, ...gone)
  expect(proof).toMatchObject({ code: 0, told: expect.stringMatching(/none has any/) as string })
  const places = proof.places.map(({ place }) => place).join('\n')
  for (const place of [
    'data.sqlite',
    'changes',
    'index list of',
    'oplog',
    'Redis 1: keys',
    'Redis 2: keys',
  ])
    expect(places).toContain(place)
  expect(proof.printed).not.toContain(user.id)
  const left = proof.places.filter(({ closed_accounts }) => closed_accounts)
  expect(left.map(({ place }) => place).filter((place) => /collection/.test(place))).toEqual([
    expect.stringMatching(/lockstep\.changes$/),
    expect.stringMatching(/lockstep\.heads$/),
  ])
  const keys: string[] = []
  for (const { url } of redises) {
    const client = new Redis(url)
    keys.push(...(await client.keys('*')))
    client.disconnect()
  }
  expect(keys.some((key) => key.includes(':limit:known:'))).toBe(true)
  expect(keys.join('\n')).not.toMatch(/aliceaardvark|127\.0\.0\.1/)
  expect(await erased(settings, deleted, kept)).toMatchObject({
    code: 1,
    told: expect.stringMatching(/have some of the words/) as string,
  })

  // the node is killed before it has erased: the next one does
  node = await start()
  const carol = await signUp(node, 'carol')
  await writeEverywhere(carol, hurried)
  await carol.ask('deleteMe', { body: { password: carol.password } })
  await node.process.kill()
  node = await start()
  await eventually(() => Object.keys(grep(directory.path, hurried)).length === 0)
  // nothing else has been touched
  expect((await bob.at(node).ask('listConversations')).items).toMatchObject([
    { title: expect.stringContaining(kept) as string },
  ])
  await node.stop()
  expect(await erased(settings, hurried, carol.user.username)).toMatchObject({ code: 0 })
  expect((await erased(settings, 'abc')).told).toMatch(/line 1 is too short/)
}, 120_000)
