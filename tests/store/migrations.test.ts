// Migrations run once, in order, on one node at a time, and never by a program that is too old.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { migrateSchema, type SchemaMigration } from '../../realtime/store/migrations.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import type { HostIdentity, UserDocument } from '../../realtime/store/documents.ts'
import { insertUser } from '../../realtime/store/users.ts'
import { openTestDatabase } from '../feed/inserted-changes.ts'
import { freshDatabase, type TestDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'

let home: TestDatabase
let nodes: Database[]
beforeAll(async () => {
  home = freshDatabase()
  nodes = await Promise.all(Array.from({ length: 4 }, () => openDatabase(home.url)))
})
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()))
  await home[Symbol.asyncDispose]()
})

interface Schema {
  _id: string
  version: number
  minimum: number
  owner: string | null
  until: Date | null
}
const schema = () => nodes[0]!.db.collection<Schema>('schema')
beforeEach(async () => {
  await schema().deleteMany({})
})

/** Steps that record when they begin and end. */
function scripted(...names: string[]) {
  const notes: string[] = []
  const steps: SchemaMigration[] = names.map((name) => ({
    name,
    async run({ db }) {
      notes.push(`${name} begins`)
      await db.command({ ping: 1 })
      notes.push(`${name} ends`)
    },
  }))
  return { notes, steps }
}

const all = (steps: readonly SchemaMigration[]) =>
  Promise.all(nodes.map((node) => migrateSchema(node, { owner: newId(), steps })))

test('nodes that start together run each migration once, one after the other', async () => {
  const { notes, steps } = scripted('a', 'b', 'c')
  await all(steps)
  expect(notes).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  expect(await schema().findOne()).toMatchObject({ version: 3, owner: null })
  await all(steps)
  expect(notes).toHaveLength(6)
})

test('a newer program runs only the new migrations; an older one still serves if the minimum allows it', async () => {
  const { notes, steps } = scripted('a', 'b')
  await all(steps.slice(0, 1))
  await all(steps)
  expect(notes.filter((note) => note === 'a begins')).toHaveLength(1)
  await migrateSchema(nodes[0]!, { owner: newId(), steps: steps.slice(0, 1) })
})

test('steps that follow each other and do the same are done at once', async () => {
  const { notes, steps } = scripted('a', 'b')
  const [a, b] = steps
  await all([a!, a!, { ...a!, minimum: 1 }, b!, a!])
  expect(notes).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'a begins', 'a ends'])
  expect(await schema().findOne()).toMatchObject({ version: 5, minimum: 1 })
})

test('the next node begins a failed migration again', async () => {
  const { notes, steps } = scripted('a')
  const failing = [{ name: 'a', run: () => Promise.reject(new Error('no space')) }]
  await expect(migrateSchema(nodes[0]!, { owner: newId(), steps: failing })).rejects.toThrow(
    'no space',
  )
  await migrateSchema(nodes[1]!, { owner: newId(), steps })
  expect(notes).toEqual(['a begins', 'a ends'])
})

test('the lease of a node that died is taken over when it has expired, by the database’s clock', async () => {
  const { notes, steps } = scripted('a')
  const soon = new Date(Date.now() + 500)
  await schema().insertOne({ _id: 'schema', version: 0, minimum: 0, owner: 'dead', until: soon })
  await migrateSchema(nodes[0]!, { owner: newId(), steps })
  expect(Date.now()).toBeGreaterThanOrEqual(soon.getTime())
  expect(notes).toEqual(['a begins', 'a ends'])
})

test('a database from before host users gets the index that limits each of them to one account', async () => {
  const [{ users }] = nodes as [Database]
  await users.deleteMany({})
  await migrateSchema(nodes[0]!, { owner: newId() })
  await users.dropIndex('host')
  await schema().updateOne({}, { $set: { version: 1 } })
  await migrateSchema(nodes[0]!, { owner: newId() })
  const user = (username: string, host?: HostIdentity): UserDocument => ({
    _id: newId(),
    username,
    ...(host && { host }),
    preferences: {},
    preferences_version: 1,
    preferences_seq: 0,
    version: 1,
    created_at: new Date(),
  })
  const [subject, other] = [newId(), newId()]
  expect(await insertUser(nodes[0]!, user('a', { issuer: 'i', subject }))).toBe(true)
  expect(await insertUser(nodes[0]!, user('b', { issuer: 'i', subject }))).toBe(false)
  expect(await insertUser(nodes[0]!, user('b', { issuer: 'i', subject: other }))).toBe(true)
  expect(await insertUser(nodes[0]!, user('c', { issuer: 'another', subject }))).toBe(true)
  for (const name of ['d', 'e']) expect(await insertUser(nodes[0]!, user(name))).toBe(true)
})

test('a migration that was paused until another node took its lease records nothing, and leaves that lease alone', async () => {
  const { notes, steps } = scripted('a', 'b')
  const [begun, awake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const stalling: SchemaMigration[] = steps.map((step) => ({
    name: step.name,
    async run(database) {
      begun.resolve()
      await awake.promise
      await step.run(database)
    },
  }))
  const stalled = migrateSchema(nodes[0]!, { owner: newId(), steps: stalling })
  await begun.promise
  const another = { owner: newId(), until: new Date(Date.now() + 60_000) }
  await schema().updateOne({}, { $set: another })
  awake.resolve()
  await eventually(() => notes.includes('a ends'))
  await nodes[0]!.db.command({ ping: 1 })
  expect(await schema().findOne()).toMatchObject({ version: 0, ...another })
  await schema().updateOne({}, { $set: { until: new Date(0) } }) // as if its node had died
  await migrateSchema(nodes[1]!, { owner: newId(), steps })
  await stalled
  expect(notes).toEqual(['a begins', 'a ends', 'a begins', 'a ends', 'b begins', 'b ends'])
  expect(await schema().findOne()).toMatchObject({ version: 2, owner: null })
})

test('each current migration can run again on a database that is in use', async () => {
  await using used = freshDatabase()
  await using node = await startNode(used)
  const person = await signUp(node)
  const { id } = await person.ask('createConversation')
  await using store = await openTestDatabase(used.url)
  const indexes = async () => {
    const found = await Promise.all(
      ['changes', 'conversations', 'users'].map((name) =>
        store.database.db.collection(name).indexes(),
      ),
    )
    return found.flat().map(({ name }) => name)
  }
  const before = await indexes()
  await store.database.db
    .collection<Schema>('schema')
    .updateOne({ _id: 'schema' }, { $set: { version: 0 } })
  await migrateSchema(store.database, { owner: newId() })
  expect(await indexes()).toEqual(before)
  expect(await person.ask('getConversation', { params: { id } })).toMatchObject({ id })
})

test('nodes of the previous version serve, write and start during a migration and after it', async () => {
  await using home = freshDatabase()
  await using old = await startNode(home)
  await using store = await openTestDatabase(home.url)
  const { db } = store.database
  const { version } = (await db.collection<Schema>('schema').findOne())!
  const [begun, awake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const known = Array.from({ length: version }, (): SchemaMigration => ({
    name: 'known',
    run: () => Promise.resolve(),
  }))
  const next: SchemaMigration = {
    name: 'next',
    async run() {
      await db.collection('conversations').createIndex({ user_id: 1, next: 1 })
      begun.resolve()
      await awake.promise
      await db
        .collection('conversations')
        .updateMany({ next: { $exists: false } }, { $set: { next: 1 } })
    },
  }
  const person = await signUp(old)
  await using device = await person.device('conversations')
  const write = async (node: { url: string }) => {
    const { id } = await person.at(node).ask('createConversation', { body: { title: 'Written' } })
    await device.until('change', ({ entity_id }) => entity_id === id)
    expect(await person.at(node).ask('getConversation', { params: { id } })).toMatchObject({
      title: 'Written',
    })
    return id
  }
  const newer = migrateSchema(store.database, { owner: newId(), steps: [...known, next] })
  await begun.promise
  const first = await write(old)
  await using late = await startNode(home)
  const second = await write(late)
  awake.resolve()
  await newer
  expect(await db.collection('schema').findOne()).toMatchObject({
    version: version + 1,
    owner: null,
  })
  const third = await write(old)
  const { items } = await person.at(late).ask('listConversations')
  expect(items.map(({ id }) => id)).toEqual([third, second, first])
})

test('a program older than the minimum refuses to start with one sentence, and changes nothing', async () => {
  await schema().insertOne({ _id: 'schema', version: 99, minimum: 98, owner: null, until: null })
  const started = spawnNode({ url: home.url })
  await expect(started).rejects.toThrow(
    /The database requires schema 98, but this version of Lockstep only knows \d+: update Lockstep/,
  )
  expect(await schema().findOne()).toMatchObject({ version: 99, minimum: 98 })
})

test('a newer database whose minimum allows this program is served unchanged', async () => {
  await schema().insertOne({ _id: 'schema', version: 99, minimum: 1, owner: null, until: null })
  await using node = await startNode(home)
  expect((await fetch(`${node.url}/readyz`)).status).toBe(200)
  expect(await schema().findOne()).toMatchObject({ version: 99 })
})
