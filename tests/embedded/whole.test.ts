// What `npm start` runs without MONGODB_URL: the server and the database in one process, with one
// directory.
import { newId } from '@lockstep/protocol/ids'
import { expect, test } from 'vitest'
import { spawnNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { temporaryDirectory } from './database.ts'

const EMBEDDED = { url: '' }

test('everything acknowledged survives kill -9 and a restart, and users stay signed in', async () => {
  await using folder = await temporaryDirectory()
  // No SESSION_SECRET is given, so the secret that the node generates has to survive as well.
  const env = { MONGODB_URL: undefined, DATA_DIR: folder.path, SESSION_SECRET: undefined }
  await using first = await spawnNode(EMBEDDED, env)
  const alice = await signUp(first)
  const ids = Array.from({ length: 20 }, () => newId())
  await Promise.all(ids.map((id) => alice.ask('createConversation', { body: { id, title: id } })))
  await alice.ask('putPreferences', { body: { theme: 'dark' } })
  await first.process.kill()

  await using second = await spawnNode(EMBEDDED, env)
  const { items } = await alice.at(second).ask('listConversations')
  expect(items.map(({ title }) => title).toSorted()).toEqual(ids.toSorted())
  expect(await alice.at(second).ask('getPreferences')).toMatchObject({
    preferences: { theme: 'dark' },
  })
  second.process.signal('SIGTERM')
  expect(await second.process.exited).toEqual({ code: 0, signal: null })
})

test('a second start on the same directory reports that it is in use, and doesn’t disturb the first', async () => {
  await using folder = await temporaryDirectory()
  const env = { MONGODB_URL: undefined, DATA_DIR: folder.path, SESSION_SECRET: undefined }
  await using first = await spawnNode(EMBEDDED, env)
  await expect(spawnNode(EMBEDDED, env)).rejects.toThrow(/in use|another process/i)
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200)
})
