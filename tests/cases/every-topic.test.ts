// What every topic owes its user, whatever it holds: accounts that are older than the topic,
// sealing, activity, export, import, audit, and a deletion that leaves nothing. A topic without a
// sample here is a type error.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { createLog } from '../../realtime/log/log.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { audit } from '../../realtime/operator/audit.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { readEverything } from '../../realtime/store/everything.ts'
import { DataKeys } from '../../realtime/store/sealing/data-keys.ts'
import { temporaryDirectory } from '../embedded/database.ts'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'

const WORD = 'quetzalword'

interface Sample {
  /** Writes the word. */
  write(person: Person): Promise<unknown>
  /** What the topic holds is a user's content: sealed, and brought by an import. */
  isContent: boolean
}

const samples: Record<Topic, Sample> = {
  conversations: {
    write: (person) => person.ask('createConversation', { body: { title: WORD } }),
    isContent: true,
  },
  preferences: {
    write: (person) => person.ask('putPreferences', { body: { note: WORD } }),
    isContent: true,
  },
  agents: {
    async write(person) {
      const input = `/demo rate 100000 silent list ${WORD}`
      const { id } = await person.ask('createRun', { body: { agent: 'demo', input } })
      await eventually(
        async () => (await person.ask('getRun', { params: { id } })).status === 'complete',
      )
    },
    isContent: true,
  },
  account: {
    write: (person) => person.ask('renameMe', { body: { username: WORD } }),
    isContent: false,
  },
  records: {
    write: (person) =>
      person.ask('putRecord', {
        params: { kind: 'note', id: newId() },
        body: { data: { note: WORD } },
      }),
    isContent: true,
  },
}

let home: Awaited<ReturnType<typeof temporaryDirectory>>
let stored: ReturnType<typeof freshDatabase>
let database: Database
let node: Awaited<ReturnType<typeof startNode>>
beforeAll(async () => {
  home = await temporaryDirectory()
  stored = freshDatabase()
  node = await startNode(stored, { keysDir: home.path })
  database = await openDatabase(stored.url, new DataKeys(home.path))
})
afterAll(async () => {
  await database.close()
  await node.stop()
  await stored[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

const exportOf = async (person: Person) => {
  const { exported_at: _at, user, ...own } = (await person.rest('GET', '/users/me/export')).body
  return { user, own }
}

/** The collections with a document that contains this text, as the database stores it. */
async function foundIn(text: string): Promise<string[]> {
  const found: string[] = []
  for (const { name, documents } of await readEverything(database))
    if (name !== 'oplog')
      for await (const bytes of documents()) if (bytes.includes(text)) found.push(name)
  return [...new Set(found)].sort()
}

test.each(topics)('%s', async (topic) => {
  const { write, isContent } = samples[topic]
  const [alice, bob] = [await signUp(node, 'alice'), await signUp(node, 'bob')]

  // an account from before the topic existed
  await database.heads.deleteOne({ _id: `${alice.user.id}:${topic}` })
  const { epoch } = await alice.ask('getMe')
  {
    await using device = await alice.device(topic)
    expect(await device.next('sync')).toMatchObject({ epoch, reset: false })
    await write(alice)
    expect(await device.next('change')).toMatchObject({ topic, epoch })
  }

  const { items } = await alice.ask('listActivity', { query: { topic } })
  expect(items.length).toBeGreaterThan(0)
  for (const { op, summary } of items) expect(summary).not.toBe(op)

  const exported = await exportOf(alice)
  expect(JSON.stringify(exported)).toContain(WORD)
  const body = { source: 'lockstep', data: { format: 'lockstep-export', ...exported.own } } as const
  expect(await bob.ask('importMe', { body })).toMatchObject({ failed: [] })
  expect((await exportOf(bob)).own).toEqual(exported.own)
  if (isContent) expect(await foundIn(WORD)).toEqual([])

  const log = createLog(database, createLogger('silent'))
  const faults: unknown[] = []
  await audit(database, log, [alice.user.id, bob.user.id], {
    fault: (fault) => void faults.push(fault),
    entry: () => Promise.resolve(),
  })
  await log.stop()
  expect(faults).toEqual([])

  for (const person of [alice, bob]) {
    await person.ask('deleteMe', { body: { password: person.password } })
    await eventually(async () =>
      // the heads, and the last entry of each topic
      expect(await foundIn(person.user.id)).toEqual(['changes', 'heads']),
    )
    const left = await database.changes.find({ user_id: person.user.id }).toArray()
    expect(left.map(({ op }) => op)).toEqual(topics.map(() => 'closed'))
  }
})
