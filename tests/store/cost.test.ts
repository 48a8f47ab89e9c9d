// Which commands each use case sends to the database, as a table. The test fails if a use case
// sends one more.
import { setTimeout } from 'node:timers/promises'
import type { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Cursor } from '@lockstep/protocol/cursor'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Sync } from '@lockstep/protocol/sync'
import { PROTOCOL } from '@lockstep/protocol/version'
import { Manager } from 'socket.io-client'
import { replyTimings } from '../../realtime/agents/timings.ts'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { openClient, freshDatabase, type TestDatabase } from '../harness/database.ts'
import type { Device } from '../harness/device.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sentCommands } from '../harness/sent-commands.ts'
import { by, createLogFixture } from '../log/log-fixture.ts'

const NEVER = 2 ** 31 - 1
const never = { head: NEVER, quietHead: NEVER, announce: NEVER }
const any = { rate: 10_000, burst: 10_000 }
const gateway = {
  ...gatewaySettings,
  ...{ events: any, eventsPerUser: any },
  timings: { ...gatewaySettings.timings, ...never },
}
const timings = { ...replyTimings, sweepMs: NEVER, straySweepMs: NEVER }
const said = { role: 'user' as const, content: 'hello' }

const sent = sentCommands()
let database: TestDatabase
let client: MongoClient
let node: TestNode
let person: Person
beforeAll(async () => {
  database = freshDatabase()
  client = await openClient(database.url)
  node = await startNode(database, {
    options: { gateway, agents: { demo: { tokensPerSecond: 5_000 }, timings } },
  })
  person = await signUp(node)
})
afterAll(async () => {
  await node.stop()
  await client.close()
  await database[Symbol.asyncDispose]()
})

/** All heads of the person have followed their logs: the projection has sent its last command. */
async function projected(): Promise<void> {
  const heads = client.db().collection<{ _id: string; applied: number }>('heads')
  const changes = client.db().collection('changes')
  const user_id = person.user.id
  await eventually(async () => {
    const applied = await heads.find({ _id: { $regex: `^${user_id}:` } }).toArray()
    const sum = applied.reduce((total, head) => total + head.applied, 0)
    return sum === (await changes.countDocuments({ user_id }))
  })
}

/** The commands of a use case and of its projection, sorted. */
async function cost(useCase: () => Promise<unknown>): Promise<Record<string, number>> {
  await projected()
  const from = sent.length
  await useCase()
  await projected()
  const counts: Record<string, number> = {}
  for (const command of sent.slice(from).sort()) counts[command] = (counts[command] ?? 0) + 1
  return counts
}

/** Every request over HTTP looks for its session. */
const signedIn = { 'find sessions': 1, 'find users': 1 }
const entry = { 'insert changes': 1, 'update heads': 1 }
const read = { 'find changes': 1 }

test('each command sends one insert, and its projection one update for each collection', async () => {
  await using conversations = await person.device('conversations')
  await using preferences = await person.device('preferences')
  const id = newId()
  const one = { conversation_id: id }
  const send = (device: Device, name: string, payload: object) => () => device.done(name, payload)
  const rows: [string, () => Promise<unknown>, Record<string, number>][] = [
    [
      'create the first',
      send(conversations, 'create', { id, title: 'A' }),
      // the head isn't known yet
      {
        ...entry,
        'find heads': 1,
        'find changes': 1,
        'find conversations': 1,
        'update conversations': 1,
      },
    ],
    [
      'create another',
      send(conversations, 'create', { id: newId(), messages: [said] }),
      { ...entry, 'find conversations': 1, 'update conversations': 1, 'update messages': 1 },
    ],
    [
      'append',
      send(conversations, 'append', { ...one, message: { id: newId(), ...said } }),
      { ...entry, 'update conversations': 1, 'update messages': 1 },
    ],
    [
      'rename',
      send(conversations, 'update', { ...one, title: 'B' }),
      { ...entry, 'update conversations': 1 },
    ],
    ['delete', send(conversations, 'delete', one), { ...entry, 'update conversations': 1 }],
    ['restore', send(conversations, 'restore', one), { ...entry, 'update conversations': 1 }],
    [
      'preferences, the first',
      send(preferences, 'update', { patch: { theme: 'dark' } }),
      { ...entry, 'find heads': 1, 'find changes': 1, 'find users': 1, 'update users': 1 },
    ],
    [
      'preferences',
      send(preferences, 'update', { patch: { theme: 'light' } }),
      { ...entry, 'update users': 1 },
    ],
  ]
  for (const [what, useCase, expected] of rows) expect(await cost(useCase), what).toEqual(expected)
})

test('reads find out whether the log has anything new, and then read', async () => {
  const id = newId()
  const body = { id, messages: [said] }
  await person.ask('createConversation', { body })
  const list = () => person.ask('listConversations')
  const open = () => person.ask('getConversation', { params: { id } })
  expect(await cost(list)).toEqual({ ...signedIn, ...read, 'find conversations': 1 })
  expect(await cost(open)).toEqual({
    ...signedIn,
    ...read,
    'find conversations': 2,
    'find messages': 1,
  })
})

/** A tab: one connection that joins all topics at once. Resolves with the first `sync` of each. */
async function joinAll(since: Partial<Record<Topic, Cursor>> = {}): Promise<void> {
  const { cookie } = person
  const manager = new Manager(node.url, { transports: ['websocket'], extraHeaders: { cookie } })
  const sockets = topics.map((topic) =>
    manager.socket(`/${topic}`, { auth: { protocol: PROTOCOL, since: since[topic] } }),
  )
  await Promise.all(
    sockets.map((socket) => new Promise((resolve) => void socket.once('sync', resolve))),
  )
  sockets.forEach((socket) => socket.disconnect())
}

test('a tab that joins all topics is identified once, and its heads are read together', async () => {
  const { epoch, seq } = await person.ask('listConversations')
  const joined = {
    'find sessions': 2, // who it is, and whether that still holds once it hears of a revocation
    'find users': 1,
    'find heads': 1,
    'find changes': 1,
  }
  expect(await cost(() => joinAll())).toEqual(joined)
  const conversations = { epoch, seq: seq - 1 }
  expect(await cost(() => joinAll({ conversations }))).toEqual({ ...joined, 'find changes': 3 })
})

test('a thousand missed changes take three look-ups for each answer of the log', async () => {
  await using preferences = await person.device('preferences')
  const before = await preferences.done('update', { patch: { count: -1 } })
  for (let from = 0; from < 1_000; from += 100)
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        preferences.done('update', { patch: { count: from + i } }),
      ),
    )
  const { epoch } = await person.ask('getPreferences')
  const missed: Sync[] = []
  const counts = await cost(async () => {
    await using back = await person.device('preferences', {
      since: { epoch, seq: before.seq },
    })
    let sync: Sync
    do missed.push((sync = await back.next('sync')))
    while (sync.more)
  })
  const changes = missed.flatMap((sync) => sync.changes)
  expect(changes.map(({ seq }) => seq)).toEqual(
    Array.from({ length: 1_000 }, (_, i) => before.seq + i + 1),
  )
  // besides, one for the entries beyond the head, and one where the head wasn't known
  expect(counts['find changes']).toBeLessThanOrEqual(2 + 3 * missed.length)
  expect(counts).not.toHaveProperty('getMore changes')
})

test('a run and a streamed reply cost their lease, and as many entries as they have steps', async () => {
  await using conversations = await person.device('conversations')
  await using agents = await person.device('agents')
  const id = newId()
  await conversations.done('create', { id, messages: [{ ...said, content: '/demo silent' }] })
  const reply = async () => {
    await conversations.done('reply', { conversation_id: id })
    await conversations.until('change', ({ op }) => op === 'finished', 20_000)
  }
  const run = async () => {
    const run = newId()
    await agents.done('run', { id: run, agent: 'demo', input: '/demo silent' })
    await agents.until('change', ({ op, entity_id }) => op === 'finished' && entity_id === run)
  }
  const lease = { 'update replies': 1, 'find replies': 1, 'delete replies': 1, 'find users': 1 }
  // A reply lasts for a few ticks of the projector, on a busy machine for some more. A read while
  // an entry is on its way replaces the head and the states kept with it, so it costs one look-up
  // more.
  const ticks = (...collections: string[]) =>
    Object.fromEntries(['heads', ...collections].map((name) => [`update ${name}`, 5]))
  expectAtMost(await cost(reply), {
    ...lease,
    ...ticks('conversations', 'messages'),
    'find heads': 1,
    'find changes': 3, // before the thread is read, and whether it may begin
    'find messages': 3,
    'find conversations': 1,
    'insert changes': 3, // begun, extended, finished
  })
  await run()
  expectAtMost(await cost(run), {
    ...lease,
    ...ticks('agent_runs'),
    'find heads': 1,
    'find agent_runs': 2, // whether the run exists
    'find changes': 2,
    'insert changes': 4, // created, running, extended, finished
  })
})

test('100 users who each append once a second send at most 1.3 commands per append', async () => {
  const log = await createLogFixture()
  try {
    const { conversations } = log.node()
    const users = await Promise.all(Array.from({ length: 100 }, () => log.user()))
    const ids = users.map(() => newId())
    const append = (at: number) =>
      conversations.change('append', by(users[at]!), {
        conversation_id: ids[at]!,
        message: { id: newId(), ...said },
      })
    await Promise.all(
      users.map((user, at) => conversations.change('create', by(user), { id: ids[at]! })),
    )
    await Promise.all(users.map((_user, at) => append(at)))
    const perAppend = async () => {
      const from = sent.length
      const appended: Promise<unknown>[] = []
      const began = performance.now()
      // one append every 10 ms, however late a timer is
      for (let at = 0; at < 200;) {
        await setTimeout(5)
        const due = Math.min(200, Math.floor((performance.now() - began) / 10))
        while (at < due) appended.push(append(at++ % 100))
      }
      await Promise.all(appended)
      return (sent.length - from) / 200
    }
    const attempts = [await perAppend(), await perAppend(), await perAppend()]
    expect(Math.min(...attempts)).toBeLessThanOrEqual(1.3)
  } finally {
    await log[Symbol.asyncDispose]()
  }
})

function expectAtMost(counts: Record<string, number>, most: Record<string, number>): void {
  const over = Object.entries(counts).filter(([command, count]) => count > (most[command] ?? 0))
  expect(over, JSON.stringify(counts)).toEqual([])
}
