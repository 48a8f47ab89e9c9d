// A node dies at the two worst moments of a write: after the insert and before the ack, and after
// the ack and before the projection.
import type { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import {
  openClient,
  addressOf,
  freshDatabase,
  throughAddress,
  type TestDatabase,
} from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp } from '../harness/person.ts'
import { Cluster } from './cluster.ts'
import { InterruptingProxy } from './interrupting-proxy.ts'

const MORTAL = 1

let database: TestDatabase
let proxy: InterruptingProxy
let cluster: Cluster
let client: MongoClient
beforeAll(async () => {
  database = freshDatabase()
  proxy = await InterruptingProxy.startFor(addressOf(database.url))
  const throughProxy = throughAddress(database.url, proxy.address)
  const env = (index: number) => (index === MORTAL ? { MONGODB_URL: throughProxy } : {})
  cluster = await Cluster.start(3, { databaseUrl: database.url, env })
  client = await openClient(database.url)
}, 60_000)
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await client?.close()
  await proxy?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

/**
 * Signs up a person whose devices are on the nodes that stay, and who writes on the one that dies.
 */
async function setUp() {
  const [steady, mortal, third] = cluster.nodes as [
    (typeof cluster.nodes)[0],
    (typeof cluster.nodes)[0],
    (typeof cluster.nodes)[0],
  ]
  expect(await cluster.holder()).not.toBe(mortal)
  const person = await signUp(steady)
  const { id } = await person.ask('createConversation')
  const here = await Follower.start(person, 'conversations')
  const there = await Follower.start(person.at(third), 'conversations')
  const writer = await person.at(mortal).device('conversations')
  const append = (content: string) => ({
    mutation_id: newId(),
    conversation_id: id,
    message: { role: 'user', content },
  })
  const entries = (mutation_id: string) =>
    client.db().collection('changes').find({ user_id: person.user.id, mutation_id }).toArray()
  const exact = async () => {
    const stored = await storedState(person, 'conversations')
    for (const follower of [here, there]) {
      await follower.caughtUp()
      expect(follower.state).toEqual(stored)
      await follower.leave()
    }
    return stored[0]!.messages.map(({ content }) => content)
  }
  return { steady, mortal, person, id, here, there, writer, append, entries, exact }
}

test(
  'P1: after a kill between insert and ack, a repetition on another node finds the change, written once',
  { timeout: 60_000 },
  async () => {
    const { steady, mortal, person, here, there, writer, append, entries, exact } = await setUp()
    await writer.done('append', append('before'))
    const payload = append('in, but not acked')
    const interrupted = proxy.interruptAfter('in, but not acked', 'answers')
    const answer = writer.command('append', payload).then(
      () => 'acked',
      () => 'gone',
    )
    await interrupted
    const { seq } = await here.device.until(
      'change',
      ({ mutation_id }) => mutation_id === payload.mutation_id,
    )
    await there.device.until('change', ({ mutation_id }) => mutation_id === payload.mutation_id)
    await mortal.process.kill()
    proxy.restore()
    expect(await answer).toBe('gone')
    const retry = await person.at(steady).device('conversations')
    expect(await retry.done('append', payload)).toMatchObject({ seq })
    retry.close()
    expect(await entries(payload.mutation_id)).toHaveLength(1)
    expect(await exact()).toEqual(['before', 'in, but not acked'])
    await cluster.respawn(mortal)
    await cluster.untilHealthy()
  },
)

test(
  'P1 LOG-6: after a kill between ack and projection, another node projects the change, even without a reader',
  { timeout: 60_000 },
  async () => {
    const { mortal, person, id, here, writer, append, exact } = await setUp()
    const key = `${person.user.id}:conversations`
    const applied = async () =>
      (await client
        .db()
        .collection<{ _id: string; applied: number }>('heads')
        .findOne({ _id: key }))!.applied
    const written = ['before', 'acked, but not projected']
    await writer.done('append', append(written[0]!))
    const interrupted = proxy.interruptAfter(written[1]!, 'requests')
    const { seq } = await writer.done('append', append(written[1]!))
    await interrupted
    await here.device.until('change', (change) => change.seq === seq)
    expect(await applied()).toBeLessThan(seq)
    await mortal.process.kill()
    proxy.restore()
    // Nobody reads over HTTP. The node that tails has seen the entry.
    await eventually(async () => (await applied()) === seq, {
      within: 10_000,
      what: 'the change is projected',
    })
    const documents = client
      .db()
      .collection<{ user_id: string; conversation_id: string }>('messages')
    expect(await documents.countDocuments({ user_id: person.user.id, conversation_id: id })).toBe(
      written.length,
    )
    expect(await exact()).toEqual(written)
    await cluster.respawn(mortal)
    await cluster.untilHealthy()
  },
)
