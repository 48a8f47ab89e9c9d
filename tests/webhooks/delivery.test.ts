// What a webhook is sent: which changes, in which order, how signed, and how often.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { WebhookDelivery } from '@lockstep/protocol/webhooks'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { listedWebhook, makeWebhook, operate, serviceKeys } from './operator.ts'
import { expectInOrder, isSigned, Receiver } from './receiver.ts'

/** What a receiver says must not get into lists and logs. */
const SAID = 'a secret of the receiver'
const shared = sharedNodes(2, {
  serviceKeys,
  webhookAllow: ['127.0.0.0/8'],
  options: { webhooks: { settings: { attemptMs: 3_000, retryMs: [100, 2_000] } } },
})
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

const made: string[] = []
afterEach(async () => {
  for (const id of made.splice(0)) await operate(shared.node, 'DELETE', `/webhooks/${id}`)
})
const hook = async (...args: Parameters<typeof makeWebhook>) => {
  const webhook = await makeWebhook(...args)
  made.push(webhook.id)
  return webhook
}
const write = (person: Person, title: string) =>
  person.ask('createConversation', { body: { title } })

test('WEBHOOK-1: a webhook is sent the changes made after it, in order, as devices receive them, and signed', async () => {
  await using receiver = await Receiver.start()
  const alice = await signUp(shared.node, 'alice')
  await write(alice, 'before')
  const { id, secret } = await hook(shared.node, receiver.url, ['conversations', 'records'])
  await using device = await alice.device('conversations')
  for (let i = 0; i < 5; i++) await write(i % 2 ? alice.at(shared.nodes[1]!) : alice, `chat ${i}`)
  await alice.ask('putRecord', { params: { kind: 'note', id: newId() }, body: { data: { a: 1 } } })
  await alice.ask('putPreferences', { body: { theme: 'dark' } })
  await eventually(() => receiver.of(alice.user).length >= 6)
  expect(receiver.seqs(alice.user, 'conversations')).toEqual([2, 3, 4, 5, 6])
  expect(receiver.seqs(alice.user, 'records')).toEqual([1])
  expect(receiver.seqs(alice.user, 'preferences')).toEqual([])
  for (const received of receiver.received) {
    expect(isSigned(received, secret)).toBe(true)
    expect(isSigned(received, `${secret}x`)).toBe(false)
    const [, t] = /^t=(\d+),/.exec(String(received.headers['lockstep-signature']))!
    expect(Math.abs(Number(t) - Date.now() / 1000)).toBeLessThan(60)
    expect(received.headers['content-type']).toBe('application/json')
    expect(WebhookDelivery.parse(JSON.parse(received.body))).toEqual(JSON.parse(received.body))
  }
  const seen = await device.until('change', ({ seq }) => seq === 6)
  expect(receiver.of(alice.user, 'conversations').at(-1)?.change).toEqual(seen)
  await eventually(async () => (await listedWebhook(shared.node, id)).delivered_at !== null)
  expect(await listedWebhook(shared.node, id)).toMatchObject({
    failing_since: null,
    last_error: null,
  })
})

test('WEBHOOK-2: what isn’t taken is tried again with growing waits; only that user’s topic waits for it', async () => {
  await using receiver = await Receiver.start()
  await using elsewhere = await Receiver.start()
  await using other = await Receiver.start()
  const [alice, bob] = [await signUp(shared.node, 'alice'), await signUp(shared.node, 'bob')]
  const { id } = await hook(shared.node, `${receiver.url}?key=in-the-address`)
  await hook(shared.node, other.url)
  // a redirect, a refusal, a cut connection, and no answer at all
  const faults: Receiver['behave'][] = [
    (_, response) => void response.writeHead(307, { location: elsewhere.url }).end(),
    (_, response) => void response.writeHead(500).end(SAID),
    (_, response) => void response.destroy(),
    () => undefined,
  ]
  let isMended = false
  receiver.behave = (received, response) => {
    const fault = received.user_id === alice.user.id && !isMended ? faults.shift() : undefined
    if (fault) fault(received, response)
    else response.writeHead(isMended || received.user_id !== alice.user.id ? 200 : 304).end()
  }
  for (const title of ['first', 'second', 'third']) await write(alice, title)
  await eventually(() => receiver.of(alice.user).length > 1)
  await write(bob, 'not waiting')
  await eventually(() => receiver.of(bob.user).length === 1)
  expect(receiver.seqs(alice.user, 'conversations')).not.toContain(2)
  await eventually(() => other.of(alice.user).length === 3)
  await eventually(async () => {
    const { failing_since, last_error } = await listedWebhook(shared.node, id)
    expect(failing_since).not.toBeNull()
    expect(last_error!.reason).toMatch(/^(the answer was|the connection was|there was no answer)/)
    expect(last_error!.reason).not.toContain(SAID)
    return true
  })
  await eventually(() => receiver.of(alice.user).length > 5)
  isMended = true
  await eventually(() => receiver.seqs(alice.user, 'conversations').includes(3))
  const seqs = receiver.seqs(alice.user, 'conversations')
  expect(seqs).toEqual([...seqs.slice(2).fill(1), 2, 3])
  const times = receiver.of(alice.user).map(({ at }) => at)
  const waits = times.slice(1, 4).map((time, index) => time - times[index]!)
  for (const [index, least] of [100, 200, 400].entries())
    expect(waits[index]).toBeGreaterThanOrEqual(least - 5)
  expect(elsewhere.received).toEqual([])
  await eventually(async () => (await listedWebhook(shared.node, id)).failing_since === null)
})

test('WEBHOOK-3: an endpoint that hangs, answers without end or gets very much delays no other and takes bounded room', async () => {
  await using hanging = await Receiver.start()
  await using endless = await Receiver.start()
  await using healthy = await Receiver.start()
  hanging.behave = () => undefined
  endless.behave = (_, response) => {
    response.writeHead(200)
    const more = () => {
      while (response.write(Buffer.alloc(16_384)));
    }
    response.on('drain', more)
    more()
  }
  for (const { url } of [hanging, endless, healthy]) await hook(shared.node, url)
  const busy = await signUp(shared.node, 'busy')
  const text = 'x'.repeat(60_000)
  const people = await Promise.all(Array.from({ length: 9 }, () => signUp(shared.node)))
  await Promise.all(
    [busy, busy, busy, ...people].map((person) =>
      person.ask('createConversation', {
        body: {
          messages: Array.from({ length: 4 }, () => ({ role: 'user' as const, content: text })),
        },
      }),
    ),
  )
  for (let i = 0; i < 20; i++) await write(busy, `chat ${i}`)
  await write(people[0]!, 'the last one')
  await eventually(() => healthy.seqs(busy.user, 'conversations').length >= 23)
  await eventually(() => healthy.seqs(people[0]!.user, 'conversations').length === 2)
  expectInOrder(healthy.seqs(busy.user, 'conversations'), 23)
  await eventually(() => people.every(({ user }) => endless.of(user).length > 0))
  // a body without end isn't read to its end, and its change counts as taken
  await eventually(() => endless.seqs(people[0]!.user, 'conversations').includes(2))
  expect(healthy.mostAtOnce).toBeLessThanOrEqual(8)
  expect(hanging.mostAtOnce).toBeLessThanOrEqual(8)
  expect(hanging.received.length).toBeGreaterThan(1)
})

test('WEBHOOK-4: a replay delivers again from a `seq`, for one user or for all', async () => {
  await using receiver = await Receiver.start()
  const [alice, bob] = [await signUp(shared.node, 'alice'), await signUp(shared.node, 'bob')]
  await write(alice, 'before the webhook')
  const { id } = await hook(shared.node, receiver.url)
  const replay = (from: object, of = id) =>
    operate(shared.nodes[1]!, 'POST', `/webhooks/${of}/replay`, { from })
  for (const title of ['second', 'third']) await write(alice, title)
  await write(bob, 'first')
  await eventually(() => receiver.received.length === 3)
  expect(await replay({ user: alice.user.id, seq: 2 })).toMatchObject({ status: 202, body: { id } })
  await eventually(() => receiver.received.length === 5)
  expect(receiver.seqs(alice.user, 'conversations')).toEqual([2, 3, 2, 3])
  await replay({ seq: 1 })
  await eventually(() => receiver.of(alice.user).length === 7 && receiver.of(bob.user).length === 2)
  expect(receiver.seqs(alice.user, 'conversations').slice(4)).toEqual([1, 2, 3])
  expect(receiver.seqs(bob.user, 'conversations')).toEqual([1, 1])
  // beyond the head there is nothing, and what comes later is still sent
  await replay({ user: alice.user.id, seq: 50 })
  await write(alice, 'fourth')
  await eventually(() => receiver.seqs(alice.user, 'conversations').at(-1) === 4)
  expect(await replay({ user: newId(), seq: 1 })).toMatchObject({ status: 404 })
  expect(await replay({ seq: 1 }, newId())).toMatchObject({ status: 404 })
  expect(await replay({ user: alice.user.id })).toMatchObject({ status: 422 })
})

test('a deleted account’s last change is delivered, and nothing of its place is kept', async () => {
  await using receiver = await Receiver.start()
  const alice = await signUp(shared.node, 'alice')
  await hook(shared.node, receiver.url, ['conversations', 'account'])
  await write(alice, 'soon gone')
  await eventually(() => receiver.of(alice.user, 'conversations').length === 1)
  await alice.ask('deleteMe', { body: { password: alice.password } })
  const closed = (topic: string) =>
    receiver.of(alice.user, topic).filter(({ change }) => change.op === 'closed').length
  await eventually(() => closed('conversations') === 1 && closed('account') === 1)
  const user_id = alice.user.id
  await eventually(async () => (await database.webhook_cursors.countDocuments({ user_id })) === 0)
})

test('a removed webhook gets nothing more, not even what waited', async () => {
  await using receiver = await Receiver.start()
  const alice = await signUp(shared.node, 'alice')
  receiver.behave = (_, response) => void response.writeHead(503).end()
  const { id } = await makeWebhook(shared.node, receiver.url)
  await write(alice, 'refused')
  await eventually(() => receiver.received.length > 0)
  expect(await operate(shared.node, 'DELETE', `/webhooks/${id}`)).toMatchObject({ status: 204 })
  expect(await operate(shared.node, 'DELETE', `/webhooks/${id}`)).toMatchObject({ status: 404 })
  await using after = await Receiver.start()
  await hook(shared.node, after.url)
  const until = receiver.received.length + 1 // one may have been on its way
  await write(alice, 'later')
  await eventually(() => after.received.length === 1)
  await eventually(
    async () => (await database.webhook_cursors.countDocuments({ webhook_id: id })) === 0,
  )
  expect(receiver.received.length).toBeLessThanOrEqual(until)
})
