// Replies on more than one node: stopped from elsewhere, abandoned by a dead or a sleeping node, ended by one that is told to stop.
import { describe, expect, test } from 'vitest'
import type { Message } from '../../protocol/message.ts'
import { freshDatabase, type TestDatabase } from '../harness/database.ts'
import { eventually, within } from '../harness/eventually.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { TestRedis } from '../harness/redis.ts'
import { OpenAiServer } from './openai-server.ts'

const last = async (person: Person, id: string): Promise<Message> =>
  (await person.ask('getConversation', { params: { id } })).messages.at(-1)!

/** A conversation of a person on this node that ends with these words. */
async function asking(node: { url: string }, words: string) {
  const person = await signUp(node)
  const { id } = await person.ask('createConversation', { body: { messages: [{ role: 'user', content: words }] } })
  return { person, id }
}

/** Two nodes on a fresh database; the first one is a process of its own that can be killed. */
async function pair(database: TestDatabase) {
  const other = await startNode(database)
  const node = await spawnNode(database, { ASSISTANT_BASE_URL: undefined, ASSISTANT_MODEL: undefined })
  return { node, other }
}

test.each(['each node with a tail of its own', 'one tail, and Redis'])(
  'a stop on one node ends within half a second what another one produces: %s',
  async (how) => {
    await using redis = how.includes('Redis') ? await TestRedis.start() : undefined
    await using server = await OpenAiServer.start()
    await using database = freshDatabase()
    const settings = { assistant: { baseUrl: server.url, model: 'tiny' }, redisUrl: redis?.url }
    await using one = await startNode(database, settings)
    await using two = await startNode(database, settings)
    for (const [producing, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const hungUp = Promise.withResolvers<number>()
      server.questions.length = 0
      server.answerWith(async (answer) => {
        answer.thinking('Let me see…') // and not a word: no write is there to be refused
        await answer.closed
        hungUp.resolve(performance.now())
      })
      const { person, id } = await asking(producing, 'Hi')
      await using device = await person.device('conversations')
      await using elsewhere = await person.at(other).device('conversations')
      await device.done('reply', { conversation_id: id })
      await eventually(() => server.questions.length === 1)
      const { id: message_id } = await last(person, id)
      const began = performance.now()
      await elsewhere.done('stop', { conversation_id: id, message_id })
      await device.until('change', ({ op }) => op === 'finished')
      expect(performance.now() - began).toBeLessThan(500)
      expect((await hungUp.promise) - began).toBeLessThan(500)
      expect(await last(person, id)).toMatchObject({ status: 'stopped', content: '' })
    }
  },
)

test('a stop reaches a producer that no device of the user is connected to', async () => {
  await using redis = await TestRedis.start()
  await using server = await OpenAiServer.start()
  await using database = freshDatabase()
  const settings = { assistant: { baseUrl: server.url, model: 'tiny' }, redisUrl: redis.url }
  await using tailing = await startNode(database, settings)
  await using producing = await startNode(database, settings)
  const hungUp = Promise.withResolvers<void>()
  server.answerWith(async (answer) => {
    answer.thinking('Let me see…')
    await answer.closed
    hungUp.resolve()
  })
  const person = await signUp(producing)
  const { id } = await person.ask('createRun', { body: { agent: 'assistant', input: 'Hi' } })
  await eventually(() => server.questions.length === 1)
  expect(await person.at(tailing).ask('stopRun', { params: { id } })).toMatchObject({ status: 'stopped' })
  await within(3_000, 'hanging up', hungUp.promise)
})

test('two nodes asked at the same moment give one reply and one refusal', async () => {
  await using database = freshDatabase()
  await using one = await startNode(database)
  await using two = await startNode(database)
  const { person, id } = await asking(one, '/demo rate 20')
  await using device = await person.device('conversations')
  await using elsewhere = await person.at(two).device('conversations')
  for (let round = 0; round < 5; round++) {
    const acks = await Promise.all([device, elsewhere].map((each) => each.command('reply', { conversation_id: id })))
    expect(acks.filter(({ ok }) => ok)).toHaveLength(1)
    expect(acks.find(({ ok }) => !ok)).toMatchObject({ error: { code: 'already_replying' } })
    const { id: message_id, status } = await last(person, id)
    expect(status).toBe('streaming')
    await elsewhere.done('stop', { conversation_id: id, message_id })
  }
  const { messages } = await person.ask('getConversation', { params: { id } })
  expect(messages.filter(({ role }) => role === 'assistant')).toHaveLength(5)
})

describe.concurrent('a node that is gone', () => {
  test('a killed node’s reply is interrupted within 15 s, keeps its text, and can be asked for again', async () => {
    await using database = freshDatabase()
    const { node, other } = await pair(database)
    await using _other = other
    await using _node = node
    const { person, id } = await asking(node, '/demo long silent rate 40')
    const away = person.at(other)
    await using device = await away.device('conversations')
    const producer = await person.device('conversations')
    await producer.done('reply', { conversation_id: id })
    const run = await person.ask('createConversation', { body: {} })
    const linked = await person.ask('createRun', {
      body: { agent: 'demo', input: '/demo long silent rate 40', conversation_id: run.id },
    })
    const extended = (topicId: string) => device.until('change', ({ op, entity_id }) => op === 'extended' && entity_id === topicId) // prettier-ignore
    await extended(id)
    await extended(run.id)
    await node.process.kill()
    const killed = performance.now()
    for (const entity of [id, run.id])
      await device.until('change', ({ op, entity_id }) => op === 'finished' && entity_id === entity, 15_000)
    expect(performance.now() - killed).toBeLessThan(15_000)

    const message = await last(away, id)
    expect(message).toMatchObject({ status: 'interrupted', metadata: { reason_code: 'lost', reason: expect.any(String) } }) // prettier-ignore
    expect(message.content).toMatch(/^# A long reply/)
    const ended = await away.ask('getRun', { params: { id: linked.id } })
    expect(ended).toMatchObject({ status: 'interrupted' })
    expect(await last(away, run.id)).toMatchObject({ status: 'interrupted', content: ended.output })

    const again = await device.done<{ message_count: number }>('reply', { conversation_id: id, replaces: message.id })
    expect(again.data.message_count).toBe(3)
  }, 40_000)

  test('a node that slept through its lease does not write any more when it wakes', async () => {
    await using database = freshDatabase()
    const { node, other } = await pair(database)
    await using _other = other
    await using _node = node
    const { person, id } = await asking(node, '/demo long silent rate 40')
    const away = person.at(other)
    await using device = await away.device('conversations')
    const producer = await person.device('conversations')
    await producer.done('reply', { conversation_id: id })
    await device.until('change', ({ op }) => op === 'extended')
    node.process.signal('SIGSTOP')
    const { seq } = await device.until('change', ({ op }) => op === 'finished', 15_000)
    const interrupted = await last(away, id)
    expect(interrupted.status).toBe('interrupted')
    const body = { messages: [{ role: 'user' as const, content: '/demo code silent rate 30' }] }
    await away.ask('putConversation', { params: { id }, body })
    await device.done('reply', { conversation_id: id })
    node.process.signal('SIGCONT')
    await device.until('change', (change) => change.op === 'finished' && change.seq > seq, 15_000)
    const { messages } = await away.ask('getConversation', { params: { id } })
    expect(messages[1]).toEqual(interrupted)
    expect(messages.map(({ status }) => status)).toEqual(['complete', 'interrupted', 'complete', 'complete'])
  }, 50_000)

  test('a node that is told to stop interrupts its replies with all their text', async () => {
    await using database = freshDatabase()
    const { node, other } = await pair(database)
    await using _other = other
    await using _node = node
    const { person, id } = await asking(node, '/demo long silent rate 60')
    const away = person.at(other)
    await using device = await away.device('conversations')
    const producer = await person.device('conversations')
    await producer.done('reply', { conversation_id: id })
    await device.until('change', ({ op }) => op === 'extended')
    await node.stop()
    const shown = producer.inbox.received.flatMap(({ event, payload }) =>
      event === 'delta' ? [(payload as { text: string }).text] : [],
    )
    const message = await last(away, id)
    expect(message).toMatchObject({ status: 'interrupted', metadata: { reason_code: 'restarted' } })
    expect(message.content.startsWith(shown.join(''))).toBe(true)
  }, 30_000)
})
