// `lockstep erased` where the data are in MongoDB: it reads every document of every collection, and
// the oplog, through the driver. The database of the tests speaks the same wire protocol.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { openClient } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { erased } from './erased-command.ts'

const shared = sharedNodes()
let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'lockstep-erased-'))))
afterAll(() => rm(folder, { recursive: true }))

const inMongo = (url: string, ...words: string[]) =>
  erased({ MONGODB_URL: url, DATA_DIR: folder, NODE_ENV: 'test' }, ...words)

async function write(person: Person, word: string): Promise<void> {
  const messages = [{ role: 'user' as const, content: `${word} and more` }]
  await person.ask('createConversation', { body: { title: word, messages } })
  await person.ask('putPreferences', { body: { word } })
  const text = `${word} not sent`
  await person.rest('PUT', `/users/me/drafts/${newId()}`, { place: 'new', text })
  // reads bring the documents up to the log
  await person.ask('listConversations')
  await person.ask('getPreferences')
}

/**
 * The oplog. The embedded database shows its own to nobody, so that the test writes entries as
 * MongoDB writes them; nobody may write into that of a real server.
 */
async function oplogOf(client: MongoClient, gone: string, kept: string) {
  const oplog = client.db('local').collection('oplog.rs')
  if (process.env.MONGODB_URL) return { isReal: true, [Symbol.asyncDispose]: async () => {} }
  const name = client.db().databaseName
  const operation = { op: 'i', ns: `${name}.messages`, o: { content: gone } }
  const inserted = await oplog.insertMany([
    { ...operation },
    { op: 'c', ns: 'admin.$cmd', o: { applyOps: [operation] } },
    { op: 'i', ns: `${name}-2.messages`, o: { content: kept } },
  ])
  const _id = { $in: Object.values(inserted.insertedIds) }
  return {
    isReal: false,
    [Symbol.asyncDispose]: async () => void (await oplog.deleteMany({ _id })),
  }
}

test('in MongoDB, lockstep erased finds words in every collection and the oplog, and nothing after a deletion', async () => {
  const { url } = shared.database
  const [alice, bob] = [
    await signUp(shared.node, 'aliceaardvark'),
    await signUp(shared.node, 'bob'),
  ]
  const [gone, kept] = ['Quokkaerased', 'Ibiskeptalive']
  await write(alice, gone)
  await write(bob, kept)
  await using client = await openClient(url)
  await using oplog = await oplogOf(client, gone, kept)
  const ofOplog = (result: Awaited<ReturnType<typeof erased>>) =>
    result.places.find(({ place }) => place === 'MongoDB: oplog')
  expect(ofOplog(await inMongo(url, gone, kept))).toMatchObject({
    ...(!oplog.isReal && { searched: '2 documents' }),
    found_lines: { 1: oplog.isReal ? expect.any(Number) : 2 },
  })
  const before = await inMongo(url, gone)
  expect(before.code).toBe(1)
  for (const name of ['changes', 'conversations', 'drafts', 'messages', 'users', 'oplog'])
    expect(before.found).toContain(`MongoDB: ${name}`)

  await oplog[Symbol.asyncDispose]()
  await alice.ask('deleteMe', { body: { password: alice.password } })
  const { id, username } = alice.user
  const after = await eventually(async () => {
    const result = await inMongo(url, gone, username, id)
    // a real oplog keeps what was deleted until it has moved on
    const isGone = oplog.isReal
      ? result.found.every((place) => place === 'MongoDB: oplog')
      : result.code === 0
    return isGone && result
  })
  if (!oplog.isReal) expect(after.told).toMatch(/none has any of the words/)
  // what remains of a closed account has its id, and is named
  const left = after.places.filter(({ closed_accounts }) => closed_accounts)
  expect(left.map(({ place }) => place).toSorted()).toEqual(['MongoDB: changes', 'MongoDB: heads'])
  for (const { place, searched } of after.places)
    expect(searched, place).toMatch(/^\d+ (documents|bytes)$/)
  expect(after.printed).not.toMatch(new RegExp(`${id}|${gone}`))
  // the words of others are found as before
  const others = await inMongo(url, gone, kept)
  expect(others).toMatchObject({ code: 1 })
  const stillFound = others.places.filter(({ found_lines }) => found_lines?.[1])
  expect(stillFound.map(({ place }) => place)).toEqual(oplog.isReal ? ['MongoDB: oplog'] : [])
  expect(others.places.some(({ found_lines }) => found_lines?.[2])).toBe(true)
})

test('in MongoDB, what can’t be searched is no proof', async () => {
  const url = shared.database.url.replace('mongodb://', 'mongodb://nobody:wrong@')
  const result = await inMongo(url, 'anything')
  expect(result.code).toBe(1)
  expect(result.places[0]).toMatchObject({
    place: 'MongoDB',
    problem: expect.stringMatching(/\w/) as string,
  })
  expect(result.told).toMatch(/1 places? could not be searched/)
})
