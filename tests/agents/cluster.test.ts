// Replies on more than one node: stopped from another node, abandoned by a dead or paused node, and
// ended by a node that stops.
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Message } from '@lockstep/protocol/message'
import type { Delta } from '@lockstep/protocol/sync'
import { freshDatabase, type TestDatabase } from '../harness/database.ts'
import type { Device } from '../harness/device.ts'
import { atBest, eventually } from '../harness/eventually.ts'
import { spawnNode, startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { TestRedis } from '../harness/redis.ts'
import { OpenAiServer, type Answer } from './openai-server.ts'

/** The promise (ms). The best of some turns counts, because the test machine may be busy. */
const AT_ONCE = 500
const TURNS = 8
/** Much shorter than the life of a lease (ms). */
const SOON = 5_000

const last = async (person: Person, id: string): Promise<Message> =>
  (await person.ask('getConversation', { params: { id } })).messages.at(-1)!

/** A new conversation on this node that ends with this text. */
async function asking(node: { url: string }, words: string) {
  const person = await signUp(node)
  const { id } = await person.ask('createConversation', {
    body: { messages: [{ role: 'user', content: words }] },
  })
  return { person, id }
}

/** Two nodes on a fresh database. The first one runs in its own process, which can be killed. */
async function pair(database: TestDatabase) {
  const other = await startNode(database)
  const node = await spawnNode(database, {
    ASSISTANT_BASE_URL: undefined,
    ASSISTANT_MODEL: undefined,
  })
  return { node, other }
}

/** Thinks, then sends a hundred words per second until the request is aborted. */
async function talk(answer: Answer): Promise<void> {
  let over = false
  void answer.closed.then(() => (over = true))
  answer.thinking('Let me see…')
  for (let n = 1; !over; n++) {
    answer.text(`${n} `)
    await pause(10)
  }
}

/** All text that a device was shown, in order. */
const shownOn = ({ inbox }: Device): string =>
  inbox.received
    .flatMap(({ event, payload }) => (event === 'delta' ? [payload as Delta] : []))
    .map(({ text, part_id }) => (part_id === undefined ? text : ''))
    .join('')

describe.each(['each node with a tail of its own', 'one tail, and Redis'])(
  'a stop on another node, %s',
  (how) => {
    async function nodes() {
      const stack = new AsyncDisposableStack()
      const redis = how.includes('Redis') ? stack.use(await TestRedis.start()) : undefined
      const server = stack.use(await OpenAiServer.start())
      const database = stack.use(freshDatabase())
      const settings = {
        assistant: { baseUrl: server.url, model: 'tiny' },
        redisUrls: redis && [redis.url],
      }
      const one = stack.use(await startNode(database, settings))
      const two = stack.use(await startNode(database, settings))
      return { server, one, two, [Symbol.asyncDispose]: () => stack.disposeAsync() }
    }

    test('ends a reply without text within half a second', async () => {
      await using cluster = await nodes()
      const { server } = cluster
      const took = await atBest(
        AT_ONCE,
        async () => {
          const hungUp = Promise.withResolvers<number>()
          server.answerWith(async (answer) => {
            answer.thinking('Let me see…') // and not a word: no write is there to be refused
            await answer.closed
            hungUp.resolve(performance.now())
          })
          const asked = server.questions.length
          const { person, id } = await asking(cluster.one, 'Hi')
          await using device = await person.device('conversations')
          await using elsewhere = await person.at(cluster.two).device('conversations')
          await device.done('reply', { conversation_id: id })
          await eventually(() => server.questions.length > asked)
          const { id: message_id } = await last(person, id)
          const began = performance.now()
          await elsewhere.done('stop', { conversation_id: id, message_id })
          await device.until('change', ({ op }) => op === 'finished')
          const finished = performance.now()
          const closed = await hungUp.promise
          expect(await last(person, id)).toMatchObject({ status: 'stopped', content: '' })
          return Math.max(finished, closed) - began
        },
        TURNS,
      )
      expect(took).toBeLessThan(AT_ONCE)
    })

    test('keeps all text that was shown, and the thinking', async () => {
      await using cluster = await nodes()
      cluster.server.answerWith(talk)
      for (const [producing, other] of [
        [cluster.one, cluster.two],
        [cluster.two, cluster.one],
      ] as const) {
        const took = await atBest(AT_ONCE, () => stopped(producing, other), TURNS)
        expect(took).toBeLessThan(AT_ONCE)
      }
      async function stopped(producing: TestNode, other: TestNode): Promise<number> {
        const { person, id } = await asking(producing, 'Hi')
        await using device = await person.device('conversations')
        await using elsewhere = await person.at(other).device('conversations')
        await device.done('reply', { conversation_id: id })
        await device.until('delta', ({ offset }) => offset > 200)
        const { id: message_id } = await last(person, id)
        const stop = { conversation_id: id, message_id, mutation_id: newId() }
        const began = performance.now()
        const outcome = await elsewhere.done('stop', stop)
        const ms = performance.now() - began
        for (const each of [device, elsewhere])
          await each.until('change', ({ op }) => op === 'finished')
        const { content, status, metadata } = await last(person, id)
        expect(status).toBe('stopped')
        expect(shownOn(device).length).toBeGreaterThan(200)
        for (const each of [device, elsewhere]) expect(content.startsWith(shownOn(each))).toBe(true)
        expect(metadata).toMatchObject({ thinking: 'Let me see…', thinking_ms: expect.any(Number) })
        // repeated on the node that produced the reply
        expect(await device.done('stop', stop)).toEqual(outcome)
        return ms
      }
    })

    test('reaches a producer whose node has no device of the user', async () => {
      await using cluster = await nodes()
      cluster.server.answerWith(talk)
      const person = await signUp(cluster.two)
      await using device = await person.at(cluster.one).device('agents')
      const took = await atBest(
        AT_ONCE,
        async () => {
          const shownBefore = shownOn(device).length
          const { id } = await person.ask('createRun', {
            body: { agent: 'assistant', input: 'Hi' },
          })
          const output = async () => (await person.ask('getRun', { params: { id } })).output
          await eventually(async () => (await output()) !== '')
          const began = performance.now()
          const stopped = await person.at(cluster.one).ask('stopRun', { params: { id } })
          const ms = performance.now() - began
          expect(stopped).toMatchObject({
            status: 'stopped',
            metadata: { thinking: 'Let me see…' },
          })
          expect(stopped.output.startsWith(shownOn(device).slice(shownBefore))).toBe(true)
          expect(await output()).toBe(stopped.output)
          return ms
        },
        TURNS,
      )
      expect(took).toBeLessThan(AT_ONCE)
    })
  },
)

test('a stop doesn’t wait for a producer that doesn’t respond', async () => {
  await using database = freshDatabase()
  const { node, other } = await pair(database)
  await using _other = other
  await using _node = node
  const { person, id } = await asking(node, '/demo long silent rate 40')
  await using device = await person.at(other).device('conversations')
  const producer = await person.device('conversations')
  await producer.done('reply', { conversation_id: id })
  await device.until('change', ({ op }) => op === 'extended')
  const { id: message_id } = await last(person, id)
  node.process.signal('SIGSTOP')
  const began = performance.now()
  await device.done('stop', { conversation_id: id, message_id })
  expect(performance.now() - began).toBeLessThan(SOON)
  const stopped = await last(person.at(other), id)
  expect(stopped.status).toBe('stopped')
  node.process.signal('SIGCONT')
  await producer.until('change', ({ op }) => op === 'finished')
  expect(await last(person.at(other), id)).toEqual(stopped)
})

test('two nodes that are asked at the same moment give one reply and one refusal', async () => {
  await using database = freshDatabase()
  await using one = await startNode(database)
  await using two = await startNode(database)
  const { person, id } = await asking(one, '/demo rate 20')
  await using device = await person.device('conversations')
  await using elsewhere = await person.at(two).device('conversations')
  for (let round = 0; round < 5; round++) {
    const acks = await Promise.all(
      [device, elsewhere].map((each) => each.command('reply', { conversation_id: id })),
    )
    expect(acks.filter(({ ok }) => ok)).toHaveLength(1)
    expect(acks.find(({ ok }) => !ok)).toMatchObject({ error: { code: 'already_replying' } })
    const { id: message_id, status } = await last(person, id)
    expect(status).toBe('streaming')
    await elsewhere.done('stop', { conversation_id: id, message_id })
  }
  const { messages } = await person.ask('getConversation', { params: { id } })
  expect(messages.filter(({ role }) => role === 'assistant')).toHaveLength(5)
})

describe.concurrent('a dead or stopping node', () => {
  test('a killed node’s reply is interrupted within 15 s, keeps its text and can be regenerated', async () => {
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
    const extended = (topicId: string) =>
      device.until('change', ({ op, entity_id }) => op === 'extended' && entity_id === topicId)
    await extended(id)
    await extended(run.id)
    await node.process.kill()
    for (const entity of [id, run.id])
      await device.until(
        'change',
        ({ op, entity_id }) => op === 'finished' && entity_id === entity,
        15_000,
      )

    const message = await last(away, id)
    expect(message).toMatchObject({
      status: 'interrupted',
      metadata: { reason_code: 'lost', reason: expect.any(String) },
    })
    expect(message.content).toMatch(/^# A long reply/)
    const ended = await away.ask('getRun', { params: { id: linked.id } })
    expect(ended).toMatchObject({ status: 'interrupted' })
    expect(await last(away, run.id)).toMatchObject({ status: 'interrupted', content: ended.output })

    const again = await device.done<{ message_count: number }>('reply', {
      conversation_id: id,
      replaces: message.id,
    })
    expect(again.data.message_count).toBe(3)
  }, 40_000)

  test('a node that slept past the end of its lease writes nothing after it wakes', async () => {
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
    expect(messages.map(({ status }) => status)).toEqual([
      'complete',
      'interrupted',
      'complete',
      'complete',
    ])
  }, 50_000)

  test('a node that stops interrupts its replies and keeps all their text', async () => {
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
