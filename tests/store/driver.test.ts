// Watches the driver while nodes do everything that they can do. A sharded cluster needs each
// operation on a user's documents to name the user, so that one shard answers it. An audit trail
// needs entries of the log to stay unchanged, except that their content is stripped.
import { MongoClient, type CommandStartedEvent, type Document } from 'mongodb'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { replyTimings } from '../../realtime/agents/timings.ts'
import { createAccountDeletion } from '../../realtime/commands/account-deletion.ts'
import { createConversations } from '../../realtime/commands/conversations.ts'
import { startHousekeeping } from '../../realtime/commands/housekeeping.ts'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { createLog } from '../../realtime/log/log.ts'
import { allUsers, audit } from '../../realtime/operator/audit.ts'
import { deleteHeads } from '../../realtime/store/account-entries.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { renewEpochs } from '../../realtime/store/heads.ts'
import { freshDatabase, type TestDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'

const sharded = ['changes', 'heads', 'conversations', 'messages', 'agent_runs', 'replies']

/** Operations that concern all users: they are rare, work in batches and have their own index. */
const sweeps = [
  'find agent_runs {ended_at, started_at}', // abandoned runs
  'find changes {at, data}', // retention
  'find conversations {deleted_at}', // the trash
  'find conversations {purged_at}', // purges, repeated
  'find heads {_id}', // an audit of all users
  'find heads {closed, at}', // account deletions, repeated
  'find messages {status}', // abandoned replies
  'find replies {$expr}', // expired leases
  'find replies {run_id}', // leases of runs that stream
  'update heads {}', // new-epoch
]

interface Question {
  name: string
  collection: string
  filter: Document
  /** The operators of an update. */
  change?: unknown
  /** Of a write: how many members must have it. */
  w?: unknown
  sort?: Map<string, unknown>
  hint?: string
}

/**
 * Collects all operations on the sharded collections, of all clients that are opened from now on.
 */
function watched(): Question[] {
  const questions: Question[] = []
  const note = ({ commandName: name, command }: CommandStartedEvent) => {
    const collection = String(command[name])
    if (!sharded.includes(collection)) return
    const changes = (command.updates as Document[] | undefined)?.map(({ u }) => u as unknown) ?? []
    for (const [i, filter] of filtersOf(name, command).entries())
      questions.push({
        name,
        collection,
        filter,
        change: changes[i],
        w: (command.writeConcern as Document | undefined)?.w,
        sort: command.sort as Question['sort'],
        hint: command.hint as string,
      })
  }
  const connect = MongoClient.prototype.connect
  vi.spyOn(MongoClient.prototype, 'connect').mockImplementation(function (this: MongoClient) {
    return connect.call(Object.assign(this, { monitorCommands: true }).on('commandStarted', note))
  })
  return questions
}

function filtersOf(name: string, command: Document): Document[] {
  const all = (field: string) => command[field] as Document[]
  switch (name) {
    case 'insert':
      return all('documents')
    case 'update':
      return all('updates').map(({ q }) => q as Document)
    case 'delete':
      return all('deletes').map(({ q }) => q as Document)
    case 'aggregate':
      return [(all('pipeline')[0]?.$match as Document | undefined) ?? {}]
    case 'find':
      return [command.filter as Document]
    case 'distinct':
    case 'count':
    case 'findAndModify':
      return [command.query as Document]
    case 'getMore':
    case 'killCursors':
    case 'createIndexes':
      return []
    default:
      throw new Error(`${name} is new here: what does it ask?`)
  }
}

function namesUsers({ filter: { user_id } }: Question): boolean {
  const users =
    (typeof user_id === 'object' ? (user_id as { $in?: unknown[] }).$in : [user_id]) ?? []
  return users.every((user) => typeof user === 'string')
}

const shapeOf = ({ name, collection, filter }: Question) =>
  `${name} ${collection} {${Object.keys(filter).join(', ')}}`

/** A person who does everything that is possible, on two devices. */
async function livedIn(node: { url: string }): Promise<Person> {
  const person = await signUp(node)
  const said = (content: string) => ({ messages: [{ role: 'user' as const, content }] })
  const create = (content: string) => person.ask('createConversation', { body: said(content) })
  await using device = await person.device('conversations')

  const [{ id, messages }, { id: other }, { id: gone }] = [
    await create('/demo silent'),
    await create('b'),
    await create('c'),
  ]
  const params = { id }
  await person.ask('createConversation', { body: { id, ...said('again') } })
  const edited = [{ id: messages[0]!.id, role: 'user' as const, content: '/demo code silent' }]
  const { seq } = await person.ask('putConversation', {
    params,
    body: { title: 'Title', metadata: { a: 1 }, messages: edited },
  })
  const mutation_id = newId()
  for (let time = 0; time < 2; time++)
    await device.done('append', {
      mutation_id,
      conversation_id: id,
      message: said('d').messages[0],
    })
  await person.ask('putConversation', { params: { id: other }, body: { archived: true } })
  await person.ask('deleteConversation', { params: { id: gone } })
  for (const state of ['active', 'archived', 'trash'] as const)
    await person.ask('listConversations', { query: { state, q: 't' } })
  await create('e')
  const { next_cursor } = await person.ask('listConversations', { query: { limit: 1 } })
  await person.ask('listConversations', { query: { limit: 1, cursor: next_cursor! } })
  await person.ask('getConversation', { params, query: { before: 2, limit: 1 } })
  await person.ask('getConversation', { params: { id: gone }, query: { state: 'trash' } })
  await person.ask('getConversationMarkdown', { params })
  for (const query of [{ seq }, { time: new Date().toISOString() }])
    await person.ask('getConversationAt', { params, query })
  await person.ask('rewindConversation', { params, body: { seq: seq - 1 } })
  await person.ask('listActivity', { query: { entity_id: id } })
  await person.ask('restoreConversation', { params: { id: gone } })
  await person.ask('purgeConversation', { params: { id: gone } })

  await device.done('reply', { conversation_id: id })
  await device.until('change', ({ op }) => op === 'finished', 20_000)
  await person.ask('putConversation', { params, body: said('/demo hang') })
  await device.done('reply', { conversation_id: id })
  const streaming = (await person.ask('getConversation', { params })).messages.at(-1)!
  await device.done('stop', { conversation_id: id, message_id: streaming.id })
  const agent = (await person.ask('listAgents')).items[0]!.id
  for (const input of ['/demo silent', '/demo hang']) {
    const run = {
      id: (await person.ask('createRun', { body: { agent, input, conversation_id: other } })).id,
    }
    await person.ask('stopRun', { params: run })
    await eventually(async () => (await person.ask('getRun', { params: run })).ended_at !== null, {
      within: 20_000,
    })
    if (input.endsWith('hang')) await person.ask('deleteRun', { params: run })
  }
  const runs = await person.ask('listRuns', { query: { limit: 1, agent, conversation_id: other } })
  expect(runs.items).toHaveLength(1)

  await person.ask('putPreferences', { body: { theme: 'dark' } })
  await person.ask('getPreferences')
  await (await person.signIn()).ask('logout')
  await person.ask('renameMe', { body: { username: `${person.user.username}-2` } })
  const activity = await person.ask('listActivity', { query: { limit: 2 } })
  await person.ask('listActivity', { query: { cursor: activity.next_cursor! } })
  const { epoch } = await device.next('head')
  await using back = await person.device('conversations', { since: { epoch, seq: 1 } })
  await back.range(1, 3)
  return person
}

/** A person who imports another account's export and then deletes the account. */
async function comeAndGone(node: { url: string }, data: unknown): Promise<Person> {
  const person = await signUp(node)
  expect(await person.ask('importMe', { body: { source: 'lockstep', data } })).toMatchObject({
    failed: [],
  })
  await person.ask('deleteMe', { body: { password: person.password } })
  return person
}

/** Everything that nodes and operators do for all users, and operations that are rare. */
async function sweepAll(url: string): Promise<void> {
  const logger = createLogger('silent')
  const database = await openDatabase(url)
  const log = createLog(database, logger)
  const housekeeping = startHousekeeping(database, createConversations(database, log), {
    logRetentionDays: 90,
    logger,
  })
  const devices = {
    disconnectSessions: () => undefined,
    renewSockets: () => undefined,
    onlineSessions: () => Promise.resolve(new Set<string>()),
  }
  const { faults } = await audit(database, log, allUsers(database), {
    entry: () => undefined,
    fault: () => undefined,
  })
  expect(faults).toBe(0)
  await housekeeping.run(Date.now() + 91 * 86_400_000)
  await createAccountDeletion({ database, log, devices }).finish()
  await renewEpochs(database, 'renewed')
  await deleteHeads(database, newId()) // of a sign-up whose username was taken
  await housekeeping.stop()
  await log.stop()
  await database.close()
}

const settings = {
  gateway: {
    ...gatewaySettings,
    timings: { ...gatewaySettings.timings, head: 100, quietHead: 100 },
  },
  agents: {
    demo: { tokensPerSecond: 5_000 },
    timings: { ...replyTimings, renewMs: 50, sweepMs: 100, straySweepMs: 100 },
  },
}

let home: TestDatabase
let questions: Question[]
let gone: Person
beforeAll(async () => {
  questions = watched()
  home = freshDatabase()
  const node = await startNode(home, { options: settings })
  const person = await livedIn(node)
  gone = await comeAndGone(node, (await person.rest('GET', '/users/me/export')).body)
  await eventually(() =>
    questions.some((question) => shapeOf(question) === 'find replies {run_id}'),
  )
  await node.stop()
  await sweepAll(home.url)
}, 120_000)
afterAll(() => home[Symbol.asyncDispose]())

test('each operation names the user, except the sweeps over all users', () => {
  const asked = new Set(questions.map(({ name, collection }) => `${name} ${collection}`))
  for (const name of ['find', 'update', 'delete'])
    for (const collection of sharded) expect(asked).toContain(`${name} ${collection}`)
  const unnamed = new Set(questions.filter((question) => !namesUsers(question)).map(shapeOf))
  expect([...unnamed].toSorted()).toEqual(sweeps)
})

test('LOG-5: every write waits for a majority, except that of a head, which may be rolled back', () => {
  const writes = questions.filter(({ name }) =>
    ['insert', 'update', 'delete', 'findAndModify'].includes(name),
  )
  const withoutMajority = writes.filter(({ w }) => w !== 'majority')
  expect(new Set(withoutMajority.map(({ name, collection }) => `${name} ${collection}`))).toEqual(
    new Set(['update heads']),
  )
  expect(
    new Set(withoutMajority.map(({ change }) => Object.keys(change as object).join())),
  ).toEqual(
    new Set(['$max']), // not that it is closed
  )
})

test('the log is append-only: purges and retention strip entries, deleting an account deletes its entries, and nothing else changes', () => {
  const ofLog = questions.filter(({ collection }) => collection === 'changes')
  const does = (name: string) => ofLog.filter((question) => question.name === name)
  expect(
    new Set(
      ofLog
        .map(({ name }) => name)
        .filter((name) => !['find', 'aggregate', 'insert'].includes(name)),
    ),
  ).toEqual(new Set(['update', 'delete']))
  const content = { data: '', before: '', outline: '' }
  const ends = [
    { $set: { stripped: true }, $unset: content },
    { $set: { stripped: true, expired: true }, $unset: content },
  ]
  for (const { change } of does('update')) expect(ends).toContainEqual(change)
  for (const end of ends) expect(does('update').map(({ change }) => change)).toContainEqual(end)
  for (const { filter } of does('delete')) expect(JSON.stringify(filter)).toContain(gone.user.id)
})

test('each operation uses an index, and ranges of `_id` need no sort', async () => {
  await using client = await MongoClient.connect(home.url)
  const named = questions.filter((question) => namesUsers(question) && question.name !== 'insert')
  const asked = new Map(
    named.map((question) => [
      `${shapeOf(question)} ${[...(question.sort ?? [])].join(' ')}`,
      question,
    ]),
  )
  for (const [shape, { collection, filter, sort, hint }] of asked) {
    const explain = { find: collection, filter, ...(sort && { sort }), ...(hint && { hint }) }
    const { queryPlanner } = (await client
      .db()
      .command({ explain, verbosity: 'queryPlanner' })) as Document
    const plan = JSON.stringify((queryPlanner as Document).winningPlan)
    expect(plan, shape).not.toContain('COLLSCAN')
    if (sort?.keys().next().value === '_id') expect(plan, shape).not.toContain('"SORT"')
  }
})
