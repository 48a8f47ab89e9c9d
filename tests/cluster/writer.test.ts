// The node that writes dies at the two worst moments: when its insert is in and its ack isn't out, and when its ack is out and its
// documents haven't followed.
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { addressOf, freshDatabase, throughAddress, type TestDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp } from '../harness/person.ts'
import { Cluster } from './cluster.ts'
import { InterruptingProxy } from './interrupting-proxy.ts'

const MORTAL = 1

let database: TestDatabase
let trap: InterruptingProxy
let cluster: Cluster
let client: MongoClient
beforeAll(async () => {
  database = freshDatabase()
  trap = await InterruptingProxy.startFor(addressOf(database.url))
  const throughTrap = throughAddress(database.url, trap.address)
  const env = (index: number) => (index === MORTAL ? { MONGODB_URL: throughTrap } : {})
  cluster = await Cluster.start(3, { databaseUrl: database.url, env })
  client = await MongoClient.connect(database.url)
}, 60_000)
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await client?.close()
  await trap?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

/** A person whose devices are on the nodes that stay, and who writes on the one that dies. */
async function household() {
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
  'P1: killed between insert and ack, it has written once, and the repetition elsewhere finds that',
  { timeout: 60_000 },
  async () => {
    const { steady, mortal, person, here, there, writer, append, entries, exact } =
      await household()
    await writer.done('append', append('before'))
    const payload = append('in, but not acked')
    const closed = trap.interruptAfter('in, but not acked', 'answers')
    const answer = writer.command('append', payload).then(
      () => 'acked',
      () => 'gone',
    )
    await closed
    const { seq } = await here.device.until(
      'change',
      ({ mutation_id }) => mutation_id === payload.mutation_id,
    )
    await there.device.until('change', ({ mutation_id }) => mutation_id === payload.mutation_id)
    await mortal.process.kill()
    trap.restore()
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
  'P1 LOG-6: killed between ack and projection, it leaves documents that follow without it, read or unread',
  { timeout: 60_000 },
  async () => {
    const { mortal, person, id, here, writer, append, exact } = await household()
    const key = `${person.user.id}:conversations`
    const applied = async () =>
      (await client
        .db()
        .collection<{ _id: string; applied: number }>('heads')
        .findOne({ _id: key }))!.applied
    const written = ['before', 'acked, but not projected']
    await writer.done('append', append(written[0]!))
    const closed = trap.interruptAfter(written[1]!, 'requests')
    const { seq } = await writer.done('append', append(written[1]!))
    await closed
    await here.device.until('change', (change) => change.seq === seq)
    expect(await applied()).toBeLessThan(seq)
    await mortal.process.kill()
    trap.restore()
    // nobody reads over HTTP: the node that holds the tail has seen the entry
    await eventually(async () => (await applied()) === seq, {
      within: 10_000,
      what: 'the documents follow',
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
