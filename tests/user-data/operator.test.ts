// The `lockstep` command beside a node that serves: in this process, but for what makes it one that a shell can use.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js'
import { MongoClient, ObjectId, type Collection, type Db, type Document } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { runProgram } from '../../realtime/program.ts'
import { programPath } from '../harness/programs.ts'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { startProcess } from '../harness/processes.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let folder: string
let client: MongoClient
let db: Db
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-operator-'))
  client = await MongoClient.connect(shared.database.url)
  db = client.db()
})
afterAll(async () => {
  await client.close()
  await rm(folder, { recursive: true })
})

interface Ran {
  code: number
  lines: Record<string, unknown>[]
  told: string
}

const settings = () => ({ MONGODB_URL: shared.database.url, DATA_DIR: folder, NODE_ENV: 'test' })
const never = { [Symbol.dispose]: () => undefined }

/** Runs `lockstep` with these arguments on the nodes' database. */
async function lockstep(...args: string[]): Promise<Ran> {
  const printed: string[] = []
  const told: string[] = []
  const code = await runProgram(args, settings(), {
    print: (line) => void printed.push(line),
    tell: (line) => void told.push(line),
    onInterrupt: () => never,
  })
  const lines = printed.filter((line) => line.startsWith('{'))
  return {
    code,
    lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    told: told.join('\n'),
  }
}

/** The same as a process of its own. */
const lockstepProcess = (...args: string[]) =>
  startProcess({
    command: process.execPath,
    args: [programPath('lockstep'), ...args],
    env: settings(),
  })

/** An account in which each kind of thing has happened. */
async function livedIn(name: string): Promise<{ person: Person; id: string; purged: string }> {
  const person = await signUp(shared.node, name)
  const [id, trashed, purged] = [newId(), newId(), newId()]
  for (const one of [id, trashed, purged])
    await person.ask('createConversation', {
      body: { id: one, messages: [{ role: 'user', content: 'SECRET' }] },
    })
  await person.ask('putConversation', {
    params: { id },
    body: { title: 'T', metadata: { a: 1 }, messages: [{ role: 'assistant', content: 'x' }] },
  })
  await person.ask('deleteConversation', { params: { id: trashed } })
  await person.ask('purgeConversation', { params: { id: purged } })
  await person.ask('putPreferences', { body: { theme: 'dark' } })
  await person.ask('putPreferences', { body: { theme: null } })
  await (await person.signIn()).ask('logout')
  await person.ask('renameMe', { body: { username: `${person.user.username}-2` } })
  return { person, id, purged }
}

describe('lockstep audit', () => {
  test('writes every entry as a line and finds nothing wrong with an account in use', async () => {
    const { person } = await livedIn('audited')
    const { code, lines, told } = await lockstep('audit', person.user.id)
    expect(told).toMatch(/^1 users, \d+ entries, 0 faults$/m)
    expect(code).toBe(0)
    const { items } = await person.ask('listActivity', { query: { limit: 200 } })
    const placeOf = ({ topic, seq, op, version }: Record<string, unknown>) =>
      [topic, seq, op, version].join(' ')
    expect(lines.map(placeOf).toSorted()).toEqual(items.map(placeOf).toSorted())
    expect(JSON.stringify(lines)).not.toContain('SECRET')
    const whole = await lockstep('audit', `${person.user.username}-2`, '--content')
    expect(JSON.stringify(whole.lines)).toContain('SECRET')
  })

  type Damage = (person: Person, id: string, purged: string) => Promise<unknown>
  const prefix = (person: Person, topic: string) => ({ user_id: person.user.id, topic })
  const damages: [string, Damage, RegExp][] = [
    [
      'a missing entry',
      (p) => db.collection('changes').deleteOne({ ...prefix(p, 'conversations'), seq: 2 }),
      /seq 3 follows 1/,
    ],
    [
      'a version that nothing explains',
      (p) =>
        db
          .collection('changes')
          .updateOne({ ...prefix(p, 'preferences'), seq: 2 }, { $set: { version: 7 } }),
      /version 7 where 3 was expected/,
    ],
    [
      'an entry that is dated back',
      (p) =>
        db
          .collection('changes')
          .updateOne({ ...prefix(p, 'conversations'), seq: 3 }, { $set: { at: new Date(0) } }),
      /dated before the previous/,
    ],
    [
      'content that was changed',
      (p, id) =>
        db
          .collection('changes')
          .updateOne(
            { ...prefix(p, 'conversations'), entity_id: id, op: 'updated' },
            { $set: { 'data.title': 'Other' } },
          ),
      /the document differs from the log/,
    ],
    [
      'content that went without a word',
      (p) =>
        db
          .collection('changes')
          .updateOne({ ...prefix(p, 'conversations'), seq: 1 }, { $unset: { data: '' } }),
      /has no content/,
    ],
    [
      'a document that was changed by hand',
      (p, id) =>
        db
          .collection('conversations')
          .updateOne({ _id: `${p.user.id}:${id}` as never }, { $set: { title: 'Other' } }),
      /the document differs from the log/,
    ],
    [
      'a message that was changed by hand',
      (p, id) =>
        db
          .collection('messages')
          .updateOne({ user_id: p.user.id, conversation_id: id }, { $set: { content: 'Other' } }),
      /messages differ/,
    ],
    [
      'a document that is gone',
      (p, id) => db.collection('conversations').deleteOne({ _id: `${p.user.id}:${id}` as never }),
      /there is no document/,
    ],
    [
      'a purged message that came back',
      (p, _, id) =>
        db.collection('messages').insertOne({
          _id: `${p.user.id}:${id}:x` as never,
          user_id: p.user.id,
          conversation_id: id,
          position: 1,
          created_at: new Date(),
          updated_at: new Date(),
        }),
      /purged, but it has messages/,
    ],
    [
      'preferences that were changed by hand',
      (p) =>
        db
          .collection('users')
          .updateOne({ _id: p.user.id as never }, { $set: { preferences: { x: 1 } } }),
      /the document differs from the log/,
    ],
  ]

  describe('of an account that is damaged and repaired again', () => {
    let damaged: Awaited<ReturnType<typeof livedIn>>
    let whole: [Collection, Document[]][]
    const its = () => ({
      $or: [{ user_id: damaged.person.user.id }, { _id: damaged.person.user.id as never }],
    })
    beforeAll(async () => {
      damaged = await livedIn('damaged')
      await damaged.person.ask('listConversations') // the documents have followed
      const collections = ['changes', 'conversations', 'messages', 'users'].map((name) =>
        db.collection(name),
      )
      whole = await Promise.all(
        collections.map(
          async (of) => [of, await of.find(its()).toArray()] as [Collection, Document[]],
        ),
      )
    })
    afterEach(async () => {
      for (const [collection, documents] of whole) {
        await collection.deleteMany(its())
        if (documents.length > 0) await collection.insertMany(documents)
      }
      expect((await lockstep('audit', damaged.person.user.id)).code).toBe(0)
    })

    test.each(damages)('finds %s', async (_, damage, fault) => {
      await damage(damaged.person, damaged.id, damaged.purged)
      const { code, told } = await lockstep('audit', damaged.person.user.id)
      expect(told).toMatch(fault)
      expect(code).toBe(1)
    })
  })

  test('of all users has them all, those that are gone too', async () => {
    const [stays, goes] = [await livedIn('stays'), await livedIn('goes')]
    await goes.person.ask('deleteMe', { body: { password: goes.person.password } })
    const { code, lines } = await lockstep('audit', 'all')
    expect(code).toBe(0)
    const users = new Set(lines.map(({ user_id }) => user_id))
    expect(users).toContain(stays.person.user.id)
    expect(users).toContain(goes.person.user.id)
  })
})

test('lockstep new-epoch makes every device load again, and another deployment of the database', async () => {
  const alice = await signUp(shared.node, 'alice')
  const before = await alice.ask('listConversations')
  const deployment = () => db.collection<{ _id: string }>('feed').findOne({ _id: 'deployment' })
  const copied = await deployment()
  const { code, told } = await lockstep('new-epoch')
  expect([code, told]).toEqual([0, expect.stringMatching(/^\d+ logs have a new epoch/)])
  const heads = await db.collection('heads').find({ user_id: alice.user.id }).toArray()
  expect(heads).toHaveLength(4)
  for (const { epoch } of heads) expect(epoch).not.toBe(before.epoch)
  // a copy that uses the same Redis doesn't speak to the nodes of the original
  expect(await deployment()).not.toEqual(copied)
})

test('lockstep import brings files into an account, once', async () => {
  const [alice, bob] = [(await livedIn('alice')).person, await signUp(shared.node, 'bob')]
  const file = join(folder, 'export.json')
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

test('lockstep import takes archives, and says which file it can’t read and what is in already', async () => {
  const bob = await signUp(shared.node, 'bob')
  const chat = (n: number) => ({
    uuid: `c${n}`,
    name: `Chat ${n}`,
    chat_messages: [{ uuid: 'm', sender: 'human', text: 'x' }],
  })
  const writer = new ZipWriter(new BlobWriter(), { useWebWorkers: false, zip64: true })
  await writer.add('conversations-001.json', new TextReader(JSON.stringify([chat(2), 7])))
  await writer.add('conversations-000.json', new TextReader(JSON.stringify([chat(1), chat(1)])))
  const [archive, cut] = [join(folder, 'export.zip'), join(folder, 'cut.json')]
  await writeFile(archive, Buffer.from(await (await writer.close()).arrayBuffer()))
  await writeFile(cut, JSON.stringify([chat(3), chat(4)]).slice(0, -10))
  const { code, lines, told } = await lockstep('import', bob.user.username, 'claude', archive, cut)
  const failed = [{ item: 'item 2', reason: expect.any(String) }]
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

test('lockstep migrate brings over documents with embedded messages, verifies them, and can be repeated', async () => {
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
  await using oldClient = await MongoClient.connect(old.url)
  const chats = oldClient.db().collection('chats')
  await chats.insertMany([
    ...[1, 2, 3].map((n) => document(alice.user.username, n)),
    document(bobs, 4),
    document('nobody-knows', 5),
  ])
  const users = join(folder, 'users.json')
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

test('lockstep says what is wrong with its command line, and how it is used', async () => {
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

test('lockstep as a process writes lines to stdout and words to stderr', async () => {
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

test('Ctrl+C ends lockstep import between two conversations, and says that repeating it goes on', async () => {
  const bob = await signUp(shared.node, 'bob')
  const file = join(folder, 'long.json')
  const chat = (n: number) => ({
    uuid: `c${n}`,
    name: `Chat ${n}`,
    chat_messages: [{ uuid: 'm', sender: 'human', text: 'x' }],
  })
  await writeFile(file, JSON.stringify(Array.from({ length: 2_000 }, (_, n) => chat(n))))
  const program = await lockstepProcess('import', bob.user.id, 'claude', file)
  const mine = { user_id: bob.user.id }
  const written = () => db.collection('changes').countDocuments({ ...mine, topic: 'conversations' })
  await eventually(async () => (await written()) > 0, { within: 30_000, what: 'it has begun' })
  program.signal('SIGINT')
  await program.line(/long\.json: .*has been imported\. Run the same command again to continue/)
  expect(await program.exited).toEqual({ code: 1, signal: null })
})
