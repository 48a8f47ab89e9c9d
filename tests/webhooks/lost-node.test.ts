// Webhooks when something dies: the node that delivers, the stream's position, a clock, a receiver
// for more than a day. Nothing is lost, and the order of a user's changes stays.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openDatabase } from '../../realtime/store/database.ts'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { TestRedis } from '../harness/redis.ts'
import { listedWebhook, makeWebhook, operate, serviceKeys } from './operator.ts'
import { expectInOrder, isSigned, Receiver } from './receiver.ts'

const allowed = { serviceKeys, webhookAllow: ['127.0.0.1'] }
const soon = { attemptMs: 1_000, retryMs: [50, 400], leaseMs: 1_500, renewMs: 200 } as const
const write = (person: Person, title: string) =>
  person.ask('createConversation', { body: { title } })

test.each(['without Redis', 'with Redis'])(
  'WEBHOOK-7: a killed node’s deliveries go on at another node, in order and without a gap, %s',
  async (way) => {
    await using redis = way === 'with Redis' ? await TestRedis.start() : undefined
    await using database = freshDatabase()
    await using receiver = await Receiver.start()
    await using mortal = await spawnNode(database, {
      SERVICE_KEYS: serviceKeys[0],
      WEBHOOK_ALLOW: '127.0.0.1',
      REDIS_URL: redis?.url,
    })
    const { secret } = await makeWebhook(mortal, receiver.url)
    await using steady = await startNode(database, {
      ...allowed,
      ...(redis && { redisUrls: [redis.url] }),
      options: { webhooks: { settings: { ...soon, attemptMs: 10_000 } } },
    })
    const [alice, bob] = [await signUp(steady, 'alice'), await signUp(steady, 'bob')]
    // the node dies while a delivery is on its way, with more waiting
    receiver.behave = (_, response) => {
      if (receiver.received.length !== 5) return void response.writeHead(204).end()
      receiver.behave = (_, later) => void later.writeHead(204).end()
      mortal.process.signal('SIGKILL')
    }
    for (let i = 0; i < 10; i++) await Promise.all([write(alice, `${i}`), write(bob, `${i}`)])
    await mortal.process.exited
    for (let i = 10; i < 15; i++) await write(alice, `${i}`)
    await eventually(() => receiver.seqs(alice.user, 'conversations').includes(15), {
      within: 40_000,
    })
    await eventually(() => receiver.seqs(bob.user, 'conversations').includes(10))
    expectInOrder(receiver.seqs(alice.user, 'conversations'), 15)
    expectInOrder(receiver.seqs(bob.user, 'conversations'), 10)
    expect(receiver.received.every((received) => isSigned(received, secret))).toBe(true)
    // one node delivers: nothing comes twice, except what was on its way when the node died
    expect(receiver.received.length).toBeLessThanOrEqual(25 + 10)
  },
)

test('a forgotten position is made up for from the log, and a restore and a new SESSION_SECRET are survived', async () => {
  await using receiver = await Receiver.start()
  await using own = freshDatabase()
  const settings = { ...allowed, options: { webhooks: { settings: soon } } }
  const [before, after] = ['an earlier secret of 32 characters', 'a later secret of 32 characters.']
  const first = await startNode(own, { ...settings, sessionSecrets: [before] })
  const [alice, bob] = [await signUp(first, 'alice'), await signUp(first, 'bob')]
  const { id, secret } = await makeWebhook(first, receiver.url)
  await write(alice, 'first')
  await eventually(() => receiver.of(alice.user).length === 1)
  const database = await openDatabase(own.url)
  await eventually(async () => {
    const position = await database.feed.findOne({ _id: 'tail:webhooks' })
    return position?.webhook_ids?.includes(id)
  })
  await first.stop()
  const token = { _data: '82000000000000000000000000' }
  await database.feed.updateOne({ _id: 'tail:webhooks' }, { $set: { token } })
  // another node seems to hold the lease while changes are made
  const expires_at = new Date(Date.now() + 2_500)
  const taken = { $set: { owner: 'somebody', expires_at } }
  await database.feed.updateOne({ _id: 'lease:webhooks' }, taken)
  await using second = await startNode(own, { ...settings, sessionSecrets: [after, before] })
  await write(alice.at(second), 'second')
  await write(bob.at(second), 'first')
  await write(bob.at(second), 'second')
  await eventually(() => receiver.seqs(bob.user, 'conversations').length === 2)
  await write(alice.at(second), 'third')
  await eventually(() => receiver.seqs(alice.user, 'conversations').length === 3)
  expect(receiver.seqs(alice.user, 'conversations')).toEqual([1, 2, 3])
  expect(receiver.seqs(bob.user, 'conversations')).toEqual([1, 2])
  // after a restore, the logs have another epoch and fewer changes than were delivered
  await database.heads.updateMany({}, { $set: { epoch: 'restored' } })
  await second.stop()
  const cursor = { user_id: alice.user.id, topic: 'conversations' as const }
  await database.webhook_cursors.updateOne(cursor, { $set: { delivered: 9, seen: 9 } })
  await using third = await startNode(own, { ...settings, sessionSecrets: [after] })
  const service = { 'lockstep-user': alice.user.id }
  await operate(third, 'POST', '/conversations', { title: 'fourth' }, service)
  await eventually(() => receiver.seqs(alice.user, 'conversations').at(-1) === 4)
  // the secret was sealed anew while both of SESSION_SECRET were known
  expect(receiver.received.every((received) => isSigned(received, secret))).toBe(true)
  await database.close()
})

test('WEBHOOK-8: after a day of failures the operator is told, nothing is dropped, and a wrong clock delays nothing', async () => {
  const port = await Receiver.start().then(async (receiver) => {
    const { port } = receiver
    await receiver[Symbol.asyncDispose]()
    return port
  })
  const { logger, lines } = recordingLogger()
  let ahead = 0
  await using database = freshDatabase()
  await using node = await startNode(database, {
    ...allowed,
    options: {
      logger,
      webhooks: { settings: { ...soon, reportMs: 200 }, now: () => Date.now() + ahead },
    },
  })
  const alice = await signUp(node, 'alice')
  const text = 'what only Alice knows'
  const url = `http://127.0.0.1:${port}/hook?key=in-the-address`
  const { id, secret } = await makeWebhook(node, url)
  await write(alice, text)
  await eventually(async () => (await listedWebhook(node, id)).failing_since !== null)
  const told = () => lines.filter((line) => line.includes('has not taken changes for a day'))
  expect(told()).toEqual([])
  const day = 24 * 3_600_000
  ahead = day + 60_000
  await eventually(() => told().length > 0)
  expect(JSON.parse(told()[0]!)).toMatchObject({
    webhook: id,
    level: 50,
    reason: expect.stringMatching(/connection was refused|own network/),
  })
  const metrics = await (await fetch(`${node.url}/metrics`)).text()
  expect(metrics).toMatch(/lockstep_webhook_failing_seconds\{webhook="[\w-]+"\} 8\d{4}/)
  expect(metrics).toMatch(/lockstep_webhook_attempts_total\{result="failed"\} [1-9]/)
  await write(alice, 'a day later')
  await using stack = new AsyncDisposableStack()
  const store = stack.adopt(await openDatabase(database.url), (opened) => opened.close())
  const halfAnHourOn = () => new Date(Date.now() + ahead + 1_800_000)
  await eventually(() => store.webhook_cursors.findOne({ due_at: { $gt: halfAnHourOn() } }))
  // it waits for an hour; the clock is set right, and the receiver is back
  await using receiver = await Receiver.start(port)
  await pause(600)
  expect(receiver.received).toEqual([])
  ahead = 0
  await eventually(() => receiver.of(alice.user).length === 2)
  expect(receiver.seqs(alice.user, 'conversations')).toEqual([1, 2])
  await eventually(async () => (await listedWebhook(node, id)).failing_since === null)
  for (const said of [text, secret, 'in-the-address']) expect(lines.join('')).not.toContain(said)
  expect((await operate(node, 'DELETE', `/webhooks/${id}`)).status).toBe(204)
})
