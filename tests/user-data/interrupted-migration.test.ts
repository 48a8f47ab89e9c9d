// A migration that is killed is repeated and continues. In the end everything is there, nothing is
// there twice, and all of it has been verified.
import type { MongoClient, Document } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createImport } from '../../realtime/commands/import/import.ts'
import { createPreferences } from '../../realtime/commands/preferences.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { createLog, type Log } from '../../realtime/log/log.ts'
import { migrateDocuments } from '../../realtime/operator/migrate-documents.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { openClient, addressOf, freshDatabase, throughAddress } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp } from '../harness/person.ts'
import { startProcess } from '../harness/processes.ts'
import { programPath } from '../harness/programs.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'

const shared = sharedNodes()
const old = freshDatabase()
const program = programPath('lockstep')
let client: MongoClient
let database: Database
let log: Log
beforeAll(async () => {
  client = await openClient(old.url)
  database = await openDatabase(shared.database.url)
  log = createLog(database, createLogger('silent'))
})
afterAll(async () => {
  await log.stop()
  await database.close()
  await client.close()
  await old[Symbol.asyncDispose]()
})

const CHATS = 120
const MESSAGES = 4
const chat = (user_id: string, n: number) => ({
  ...{ user_id, title: `Chat ${n}`, metadata: { tags: ['x'], n: { z: 1, a: 2 } }, model: 'old' },
  ...{
    pinned: n % 3 === 0,
    archived: n % 4 === 0,
    ...(n % 5 === 0 && { deleted_at: new Date(1.7e12) }),
  },
  ...{ created_at: new Date(1.6e12), updated_at: new Date(1.6e12 + n * 1e6) },
  messages: Array.from({ length: MESSAGES }, (_, i) => ({
    role: i % 2 ? 'assistant' : 'user',
    content: `message ${n}.${i}`,
    feedback: 'good',
    timestamp: new Date(1.6e12 + n * 1e6 + i * 1000),
  })),
})

/** Runs the migration again, in this process. */
function repeat() {
  const documents = client.db().collection('chats').find<Document>({}).sort({ _id: 1 })
  const imports = createImport({
    database,
    log,
    preferences: createPreferences(database, log),
    drafts: undefined as never,
    logger: createLogger('silent'),
  })
  return migrateDocuments(
    { database, log, imports },
    { documents, accountOf: (owner) => owner, dry_run: false, progress: () => undefined },
  )
}

// Thousands of commands one after the other: on a busy machine each of them waits its turn.
const timeout = 120_000

test(
  'a migration that kill -9 interrupted is completed by the same command: nothing is missing, and nothing is there twice',
  { timeout },
  async () => {
    const alice = await signUp(shared.node, 'alice')
    await client
      .db()
      .collection('chats')
      .insertMany(Array.from({ length: CHATS }, (_, n) => chat(alice.user.username, n)))
    const mine = { user_id: alice.user.id }
    const written = () => database.changes.countDocuments({ ...mine, topic: 'conversations' })

    // Over a slow line each of its commands takes a while, so the kill finds it half done.
    await using wire = await Wire.to(addressOf(shared.database.url))
    wire.delay(10)
    const cli = await startProcess({
      command: process.execPath,
      args: [program, 'migrate', '--from', old.url, '--collection', 'chats'],
      env: { NODE_ENV: 'test', MONGODB_URL: throughAddress(shared.database.url, wire.address) },
    })
    await eventually(async () => (await written()) > 5, {
      within: 30_000,
      what: 'the migration has begun',
    })
    await cli.kill()
    const before = await written()
    expect(before).toBeLessThan(CHATS)

    const result = await repeat()
    expect(result).toMatchObject({
      documents: CHATS,
      messages: CHATS * MESSAGES,
      verified: CHATS,
      failed: [],
    })
    expect([result.created + result.updated, result.skipped]).toEqual([CHATS - before, before])
    expect(await repeat()).toMatchObject({
      created: 0,
      updated: 0,
      skipped: CHATS,
      verified: CHATS,
      failed: [],
    })
    const totals = await Promise.all(
      (['active', 'archived', 'trash'] as const).map(async (state) => {
        const pages = []
        for (let cursor: string | undefined; ;) {
          const page = await alice.ask('listConversations', {
            query: { state, limit: 200, cursor },
          })
          pages.push(...page.items)
          if (page.next_cursor === null) return pages
          cursor = page.next_cursor
        }
      }),
    )
    const titles = totals.flat().map(({ title }) => title)
    expect(titles.toSorted()).toEqual(
      Array.from({ length: CHATS }, (_, n) => `Chat ${n}`).toSorted(),
    )
    expect(await database.messages.countDocuments(mine)).toBe(CHATS * MESSAGES)

    // a change of anything that a migration has to keep is found
    const changes: [object, object][] = [
      [{ metadata: { tags: ['y'] } }, {}],
      [{}, { pinned: true }],
      [{}, { archived: true }],
    ]
    const some = totals[0]!.filter(({ pinned }) => !pinned)
    for (const [i, [metadata, flags]] of changes.entries())
      await alice.ask('putConversation', {
        params: { id: some[i]!.id },
        body: { ...metadata, ...flags },
      })
    await database.messages.updateOne(
      { ...mine, conversation_id: some[3]!.id, position: 2 },
      { $set: { metadata: {} } },
    )
    const seen = await repeat()
    expect(seen).toMatchObject({ created: 0, updated: 0, verified: CHATS - 4 })
    expect(seen.failed).toHaveLength(4)
  },
)
