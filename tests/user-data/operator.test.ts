// The `lockstep` command beside a node that serves.
import { writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js'
import { ObjectId } from 'mongodb'
import { expect, test } from 'vitest'
import { topics } from '@lockstep/protocol/topics'
import { openClient, freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp } from '../harness/person.ts'
import { operatorFixture } from './operator-fixture.ts'

const { shared, lockstep, lockstepProcess, createUsedAccount, collection, pathOf } =
  operatorFixture()

test('lockstep new-epoch makes all devices load again, and gives the deployment another name', async () => {
  const alice = await signUp(shared.node, 'alice')
  const before = await alice.ask('listConversations')
  const deployment = () => collection<{ _id: string }>('feed').findOne({ _id: 'deployment' })
  const copied = await deployment()
  const { code, told } = await lockstep('new-epoch')
  expect([code, told]).toEqual([0, expect.stringMatching(/^\d+ logs have a new epoch/)])
  const heads = await collection('heads').find({ user_id: alice.user.id }).toArray()
  expect(heads).toHaveLength(topics.length)
  for (const { epoch } of heads) expect(epoch).not.toBe(before.epoch)
  // the nodes of a copied database ignore those of the original on the same Redis
  expect(await deployment()).not.toEqual(copied)
})

test('lockstep import imports a file into an account, once', async () => {
  const [alice, bob] = [(await createUsedAccount('alice')).person, await signUp(shared.node, 'bob')]
  const file = pathOf('export.json')
  await writeFile(file, JSON.stringify((await alice.rest('GET', '/users/me/export')).body))
  const tried = await lockstep('import', bob.user.username, 'lockstep', file, '--dry-run')
  expect((await bob.ask('listConversations')).items).toEqual([])
  const { code, lines } = await lockstep('import', bob.user.username, 'lockstep', file)
  expect([code, lines]).toEqual([0, [{ file, created: 2, updated: 0, skipped: 0, failed: [] }]])
  expect(tried.lines).toEqual(lines)
  expect((await bob.ask('listConversations')).items.map(({ title }) => title)).toEqual(['T'])
  expect((await lockstep('import', bob.user.id, 'lockstep', file)).lines).toMatchObject([
    { created: 0, skipped: 2 },
  ])
})

test('lockstep import reads archives, and names the file that it can’t read', async () => {
  const bob = await signUp(shared.node, 'bob')
  const chat = (n: number) => ({
    uuid: `c${n}`,
    name: `Chat ${n}`,
    chat_messages: [{ uuid: 'm', sender: 'human', text: 'x' }],
  })
  const writer = new ZipWriter(new BlobWriter(), { useWebWorkers: false, zip64: true })
  await writer.add('conversations-001.json', new TextReader(JSON.stringify([chat(2), 7])))
  await writer.add('conversations-000.json', new TextReader(JSON.stringify([chat(1), chat(1)])))
  const [archive, cut] = [pathOf('export.zip'), pathOf('cut.json')]
  await writeFile(archive, Buffer.from(await (await writer.close()).arrayBuffer()))
  await writeFile(cut, JSON.stringify([chat(3), chat(4)]).slice(0, -10))
  const { code, lines, told } = await lockstep('import', bob.user.username, 'claude', archive, cut)
  const failed = [
    { item: 'item 2', number: 2, reason: expect.any(String), code: 'not_a_conversation' },
  ]
  expect([code, lines]).toEqual([
    1,
    [{ file: archive, created: 2, updated: 0, skipped: 1, failed }],
  ])
  expect(told).toMatch(/cut\.json.*not well-formed JSON, or it is cut off.*same command again/)
  expect((await bob.ask('listConversations')).items.map(({ title }) => title).toSorted()).toEqual([
    'Chat 1',
    'Chat 2',
    'Chat 3',
  ])
})

test('lockstep migrate migrates documents with embedded messages, verifies them, and can be repeated', async () => {
  await using old = freshDatabase()
  const [alice, bob] = [await signUp(shared.node, 'alice'), await signUp(shared.node, 'bob')]
  const bobs = new ObjectId()
  const message = (n: number) => ({
    role: n % 2 ? 'assistant' : 'user',
    content: `message ${n}`,
    timestamp: new Date(1.6e12 + n * 1000),
  })
  const document = (user_id: unknown, n: number) => ({
    ...{
      user_id,
      title: `Chat ${n}`,
      messages: Array.from({ length: n }, (_, i) => message(i)),
      model: 'old',
    },
    ...{
      created_at: new Date(1.6e12),
      updated_at: new Date(1.6e12 + n * 1e6),
      metadata: { tags: ['x'] },
    },
  })
  await using oldClient = await openClient(old.url)
  const chats = oldClient.db().collection('chats')
  await chats.insertMany([
    ...[1, 2, 3].map((n) => document(alice.user.username, n)),
    document(bobs, 4),
    document('nobody-knows', 5),
  ])
  const users = pathOf('users.json')
  await writeFile(users, JSON.stringify({ [bobs.toHexString()]: bob.user.username }))
  const run = (...more: string[]) =>
    lockstep('migrate', '--from', old.url, '--collection', 'chats', '--users', users, ...more)

  const tried = await run('--dry-run')
  expect(tried.lines.at(-1)).toMatchObject({ documents: 5, created: 4, verified: 0 })
  expect((await alice.ask('listConversations')).items).toEqual([])

  await chats.deleteOne({ user_id: 'nobody-knows' })
  const first = await run()
  expect(first.lines).toEqual([
    { documents: 4, messages: 10, created: 4, updated: 0, skipped: 0, verified: 4, failed: 0 },
  ])
  expect(first.code).toBe(0)
  const { items } = await alice.ask('listConversations')
  expect(items.map(({ title }) => title)).toEqual(['Chat 3', 'Chat 2', 'Chat 1'])
  expect(items[0]).toMatchObject({
    created_at: new Date(1.6e12).toISOString(),
    updated_at: new Date(1.6e12 + 3e6).toISOString(),
  })
  const { messages, metadata } = await alice.ask('getConversation', {
    params: { id: items[0]!.id },
  })
  expect(
    messages.map(({ role, content, created_at }) => ({
      role,
      content,
      timestamp: new Date(created_at),
    })),
  ).toEqual([0, 1, 2].map(message))
  expect(metadata).toMatchObject({ model: 'old', tags: ['x'] })
  expect((await bob.ask('listConversations')).items).toHaveLength(1)

  expect((await run()).lines).toEqual([
    { documents: 4, messages: 10, created: 0, updated: 0, skipped: 4, verified: 4, failed: 0 },
  ])
  await alice.ask('putConversation', { params: { id: items[0]!.id }, body: { title: 'Renamed' } })
  const differing = await run()
  expect(differing.code).toBe(1)
  expect(differing.lines.at(-1)).toMatchObject({ verified: 3, failed: 1 })
}, 60_000)

test('lockstep says what is wrong with its command line, and prints its usage', async () => {
  expect((await lockstep('--help')).code).toBe(0)
  for (const args of [
    ['nonsense'],
    ['audit'],
    ['audit', 'nobody'],
    ['import', 'x', 'elsewhere', 'f'],
    ['migrate'],
    ['audit', 'all', '--what'],
  ]) {
    const { code, told } = await lockstep(...args)
    expect([args, code, told]).toEqual([args, 2, expect.stringContaining('Usage: lockstep')])
  }
})

test('lockstep as a process writes results to stdout and messages to stderr', async () => {
  const alice = await signUp(shared.node, 'alice')
  const program = await lockstepProcess('audit', alice.user.id)
  const [printed, told] = await Promise.all([
    text(program.child.stdout!),
    text(program.child.stderr!),
  ])
  expect(await program.exited).toEqual({ code: 0, signal: null })
  const { lines } = await lockstep('audit', alice.user.id)
  expect(printed).toBe(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  expect(told).toBe(`1 users, ${lines.length} entries, 0 faults\n`)
})

test('Ctrl+C ends lockstep import between two conversations, and says that repeating it continues', async () => {
  const bob = await signUp(shared.node, 'bob')
  const file = pathOf('long.json')
  const chat = (n: number) => ({
    uuid: `c${n}`,
    name: `Chat ${n}`,
    chat_messages: [{ uuid: 'm', sender: 'human', text: 'x' }],
  })
  await writeFile(file, JSON.stringify(Array.from({ length: 2_000 }, (_, n) => chat(n))))
  const program = await lockstepProcess('import', bob.user.id, 'claude', file)
  const mine = { user_id: bob.user.id }
  const written = () => collection('changes').countDocuments({ ...mine, topic: 'conversations' })
  await eventually(async () => (await written()) > 0, {
    within: 30_000,
    what: 'the import has begun',
  })
  program.signal('SIGINT')
  await program.line(/long\.json: .*has been imported\. Run the same command again to continue/)
  expect(await program.exited).toEqual({ code: 1, signal: null })
})
