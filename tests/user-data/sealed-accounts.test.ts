// With KEYS_DIR, what people write is sealed with a key of their own: in the database, its files
// and its backups. Everything works as before. Once the account is deleted, no backup can be read.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { startEmbedded } from '@lockstep/embedded-mongo'
import type { Binary, Document } from 'mongodb'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { topics } from '@lockstep/protocol/topics'
import { openClient } from '../harness/database.ts'
import { runProgram } from '../../realtime/program.ts'
import { DataKeys } from '../../realtime/store/sealing/data-keys.ts'
import { isSealed, kindOf, open } from '../../realtime/store/sealing/envelope.ts'
import { sealedFields } from '../../realtime/store/sealing/sealed-fields.ts'
import { temporaryDirectory } from '../embedded/database.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { request, signUp, type Person } from '../harness/person.ts'

const SECRET = 'a secret that only the tests of Lockstep know'

const filesWith = (folder: string, word: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(folder, name)
    return statSync(path, { throwIfNoEntry: false })?.isFile() && readFileSync(path).includes(word)
  })

async function lockstep(env: Record<string, string>, ...args: string[]) {
  const told: string[] = []
  const code = await runProgram(
    args,
    { SESSION_SECRET: SECRET, NODE_ENV: 'test', ...env },
    {
      print: () => undefined,
      tell: (line) => void told.push(line),
      readInput: () => Promise.resolve(''),
      onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
    },
  )
  return { code, told: told.join('\n') }
}

/** Writes a word in every way there is. Returns a conversation with a history. */
async function writeEverywhere(person: Person, word: string): Promise<string> {
  const [id, message] = [newId(), newId()]
  await person.ask('createConversation', {
    body: {
      id,
      title: `${word} title`,
      metadata: { [word]: word },
      messages: [{ id: message, role: 'user', content: `first ${word}`, metadata: { of: word } }],
    },
  })
  await person.ask('putConversation', {
    params: { id },
    body: {
      title: `${word} anew`,
      messages: [{ id: message, role: 'user', content: `edited ${word}` }],
    },
  })
  await person.ask('putPreferences', { body: { note: word } })
  await person.ask('putPreferences', { body: { note: `${word} again` } })
  await person.ask('putDraft', { params: { id: newId() }, body: { place: 'new', text: word } })
  await person.ask('putRecord', {
    params: { kind: 'note', id: newId() },
    body: { data: { [word]: word } },
  })
  const input = `/demo rate 100000 silent list ${word}`
  const run = await person.ask('createRun', { body: { agent: 'demo', input } })
  await eventually(async () => {
    const { status } = await person.ask('getRun', { params: { id: run.id } })
    return status === 'complete'
  })
  return id
}

/** Everything that the person can read. */
async function readEverything(person: Person, id: string, word: string) {
  const paths = [
    ...['/conversations', `/conversations/${id}`, `/conversations/${id}/at?seq=1`],
    ...[`/conversations/${id}/markdown`, `/conversations?q=${word}`, '/agent-runs'],
    ...[`/conversations?q=${word}&match=words`, `/conversations?q=edited%20${word}`],
    ...['/conversations?q=nobody-wrote-this', '/users/me/preferences', '/users/me/drafts'],
    '/records/note',
    ...['/users/me/activity', `/users/me/activity?topic=conversations&entity_id=${id}`],
    ...topics.map((topic) => `/topics/${topic}/changes?seq=0&epoch=`),
  ]
  const { epoch } = await person.ask('listConversations')
  const read: Record<string, unknown> = {}
  for (const path of paths) {
    const { status, body } = await person.rest('GET', path.replace(/epoch=$/, `epoch=${epoch}`))
    expect([path, status]).toEqual([path, 200])
    read[path] = body
  }
  const { body } = await person.rest('GET', '/users/me/export')
  return { ...read, exported: { ...body, exported_at: undefined } }
}

interface SealedValue {
  place: { collection: string; id: string; field: string }
  value: Binary
}

async function sealedValues(url: string): Promise<{ sealed: SealedValue[]; plain: string[] }> {
  const client = await openClient(url)
  const [sealed, plain]: [SealedValue[], string[]] = [[], []]
  for (const { collection, fields } of Object.values(sealedFields))
    for await (const document of client.db('lockstep').collection<Document>(collection).find())
      for (const field of Object.keys(fields)) {
        const value: unknown = document[field]
        const place = { collection, id: String(document._id), field }
        if (isSealed(value)) {
          // the others are in one of these, or tell nothing without the key
          if (['value', 'together'].includes(kindOf(value))) sealed.push({ place, value })
        } else if (JSON.stringify(value ?? {}).length > 2) plain.push(JSON.stringify(place))
      }
  await client.close()
  return { sealed, plain }
}

test('what people write is sealed, works as before, and no backup outlives its account', async () => {
  await using home = await temporaryDirectory()
  const [dataDir, keysDir] = [join(home.path, 'data'), join(home.path, 'keys')]
  const backup = join(home.path, 'backup.sqlite')
  const startDatabase = () => startEmbedded({ dataDir: join(dataDir, 'db') })
  const [hers, his] = ['Quetzalword', 'Ibisword']
  let database = await startDatabase()
  let node = await startNode(database)
  const [alice, bob] = [await signUp(node, 'alice'), await signUp(node, 'bob')]
  const [herChat, hisChat] = [await writeEverywhere(alice, hers), await writeEverywhere(bob, his)]
  const before = await readEverything(bob, hisChat, his)
  expect(JSON.stringify(before)).toContain(his)
  await node.stop()

  // existing data are sealed in the background, and every answer is what it was
  node = await startNode(database, { keysDir })
  await eventually(async () => (await sealedValues(database.url)).plain.length === 0)
  expect(await readEverything(bob.at(node), hisChat, his)).toEqual(before)
  await eventually(() => filesWith(dataDir, his).length === 0, { within: 30_000 })
  expect(filesWith(dataDir, hers)).toEqual([])
  // new data are sealed at once, devices receive them, and history goes back beyond both
  const device = await bob.at(node).device('conversations')
  await bob
    .at(node)
    .ask('putConversation', { params: { id: hisChat }, body: { title: `new ${his}` } })
  expect(await device.next('change')).toMatchObject({ data: { title: `new ${his}` } })
  await bob.at(node).ask('rewindConversation', { params: { id: hisChat }, body: { seq: 1 } })
  expect(await device.next('change')).toMatchObject({ data: { title: `${his} title` } })
  device.close()
  const carol = await signUp(node, 'carol')
  await writeEverywhere(carol, 'Okapiword')
  expect((await sealedValues(database.url)).plain).toEqual([])
  for (const word of [hers, his, 'Okapiword']) expect(filesWith(dataDir, word)).toEqual([])

  expect(await lockstep({ DATA_DIR: dataDir }, 'backup', backup)).toMatchObject({ code: 0 })
  const kept = await readEverything(bob.at(node), hisChat, his)
  await alice.at(node).ask('deleteMe', { body: { password: alice.password } })
  await node.stop()
  await database.stop()

  // the backup is restored: her key is gone, and opens nothing that was hers
  const settings = { DATA_DIR: dataDir, KEYS_DIR: keysDir }
  expect(await lockstep(settings, 'restore', backup)).toMatchObject({ code: 0 })
  expect(await lockstep(settings, 'new-epoch')).toMatchObject({ code: 0 })
  expect(filesWith(home.path, hers)).toEqual([])
  database = await startDatabase()
  const keys = new DataKeys(keysDir)
  const files = readdirSync(keysDir, { recursive: true, encoding: 'utf8' })
  expect(files.some((name) => name.endsWith(alice.user.id))).toBe(false)
  for (const name of files) expect(statSync(join(keysDir, name)).mode & 0o077).toBe(0)
  const all = [bob, carol].map(({ user }) => keys.find(user.id))
  const { sealed } = await sealedValues(database.url)
  const opens = (values: readonly SealedValue[]) =>
    values.filter(({ place, value }) =>
      all.some((found) => {
        try {
          return found.is === 'key' && open(found.key, place, value) !== undefined
        } catch {
          return false
        }
      }),
    )
  const ofAlice = sealed.filter(({ place }) => place.id.startsWith(alice.user.id))
  const ofBob = sealed.filter(({ place }) => place.id.startsWith(bob.user.id))
  expect(ofAlice.length).toBeGreaterThan(15)
  expect(opens(ofAlice)).toEqual([])
  expect(opens(ofBob)).toEqual(ofBob)

  // nothing starts without the keys or with others; with them, her account is deleted once more
  for (const wrong of [undefined, join(home.path, 'other-keys')])
    await expect(startNode(database, { ...(wrong && { keysDir: wrong }) })).rejects.toThrow(
      /KEYS_DIR/,
    )
  node = await startNode(database, { keysDir })
  const credentials = { username: alice.user.username, password: alice.password }
  await eventually(
    async () => (await request(`${node.url}/auth/login`, 'POST', credentials)).status === 401,
  )
  const withoutEpoch = (read: object) => JSON.stringify(read).replaceAll(/"epoch":"[^"]*"/g, '')
  const restored = await readEverything(await bob.signIn(node), hisChat, his)
  // all but the sign-in since
  const common = ([path]: [string, unknown]) =>
    !/^\/(users\/me\/activity$|topics\/account)/.test(path)
  const comparable = (read: object) => withoutEpoch(Object.entries(read).filter(common))
  expect(comparable(restored)).toBe(comparable(kept))
  expect(JSON.stringify(restored)).toContain(his)
  expect(herChat).not.toBe(hisChat)
  await node.stop()
  await database.stop()
}, 120_000)
