// What docs/operating.md says of backups is true: an erased user's words are in the backups that
// were made before, and in the former files that a restore keeps, and nowhere else.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { startEmbedded } from '@lockstep/embedded-mongo'
import { expect, test } from 'vitest'
import { runProgram } from '../../realtime/program.ts'
import { temporaryDirectory } from '../embedded/database.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { erased } from './erased-command.ts'

const filesWith = (folder: string, word: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(folder, name)
    return statSync(path, { throwIfNoEntry: false })?.isFile() && readFileSync(path).includes(word)
  })

const lockstep = (env: Record<string, string>, ...args: string[]): Promise<number> =>
  runProgram(args, env, {
    print: () => undefined,
    tell: () => undefined,
    readInput: () => Promise.resolve(''),
    onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
  })

test('backups keep what an erased user wrote, and so do the former files of a restore', async () => {
  await using home = await temporaryDirectory()
  const dataDir = join(home.path, 'data')
  const backup = join(home.path, 'backup.sqlite')
  const settings = { DATA_DIR: dataDir, NODE_ENV: 'test', SESSION_SECRET: 'x'.repeat(40) }
  const [hers, his] = ['Quetzalkept', 'Ibislater']
  const startDatabase = () => startEmbedded({ dataDir: join(dataDir, 'db') })
  let database = await startDatabase()
  let node = await startNode(database)
  const write = async (name: string, word: string) => {
    const person = await signUp(node, name)
    const messages = [{ role: 'user' as const, content: `${word} in a message` }]
    await person.ask('createConversation', { body: { title: `${word} as a title`, messages } })
    await person.ask('putPreferences', { body: { note: word } })
    return person
  }
  const alice = await write('alice', hers)
  expect(await lockstep(settings, 'backup', backup)).toBe(0)

  await alice.ask('deleteMe', { body: { password: alice.password } })
  await write('bob', his)
  await eventually(() => filesWith(dataDir, hers).length === 0, { within: 30_000 })
  await node.stop()
  await database.stop()
  expect(filesWith(home.path, hers)).toEqual(['backup.sqlite'])
  expect((await erased(settings, hers)).code).toBe(0)
  expect(filesWith(home.path, alice.user.id)).not.toEqual([])

  // restored, she is there again; what is replaced is kept beside the data, without her words
  expect(await lockstep(settings, 'restore', backup)).toBe(0)
  const present = readdirSync(join(dataDir, 'db'))
  expect(present.filter((name) => name.startsWith('replaced-'))).toHaveLength(1)
  const places = (word: string) =>
    new Set(filesWith(join(dataDir, 'db'), word).map((name) => name.startsWith('replaced-')))
  expect([places(hers), places(his)]).toEqual([new Set([false]), new Set([true])])
  const { code, found } = await erased(settings, hers)
  expect([code, found.length > 0]).toEqual([1, true])
  // the operator's search finds him where only the former files have him
  expect((await erased(settings, his)).code).toBe(1)
  expect(await lockstep(settings, 'new-epoch')).toBe(0)
  database = await startDatabase()
  node = await startNode(database)
  const { body } = await (await alice.signIn(node)).rest<object>('GET', '/users/me/export')
  expect(JSON.stringify(body)).toContain(hers)
  await node.stop()
  await database.stop()
}, 90_000)
