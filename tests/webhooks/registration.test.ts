// Who may make webhooks, where they may lead, and what is shown and stored of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import type { Answer } from '@lockstep/protocol/rest'
import { createOwnNetwork } from '../../realtime/auth/own-network.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { createPoster, signatureOf } from '../../realtime/webhooks/post.ts'
import { waitAfter, webhookSettings } from '../../realtime/webhooks/settings.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { request, signUp } from '../harness/person.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { listedWebhook, makeWebhook, operate, serviceKeys } from './operator.ts'
import { Receiver } from './receiver.ts'

const { logger, lines } = recordingLogger()
const settings = { attemptMs: 1_500, retryMs: [50, 400], leaseMs: 1_500, renewMs: 200 } as const
const shared = sharedNodes(1, { serviceKeys, options: { logger, webhooks: { settings } } })
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

const make = (body: object) => operate(shared.node, 'POST', '/webhooks', body)
const url = 'https://hooks.example.org/lockstep?key=in-the-address'
const topics = ['conversations']

test('WEBHOOK-5: only a service key makes, lists, replays and removes webhooks, and names no user', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { token } = await alice.ask('createToken', { body: { name: 'Script' } })
  const asked = [
    ['GET', '/webhooks'],
    ['POST', '/webhooks', { url, topics }],
    ['DELETE', `/webhooks/${newId()}`],
    ['POST', `/webhooks/${newId()}/replay`, { from: { seq: 1 } }],
  ] as const
  for (const [method, path, body] of asked) {
    const by = (headers: Record<string, string>) =>
      request(shared.node.url + path, method, body, headers)
    const forbidden = { status: 403, body: { code: 'forbidden_scope' } }
    expect(await by({ cookie: alice.cookie })).toMatchObject(forbidden)
    expect(await by({ authorization: `Bearer ${token}` })).toMatchObject(forbidden)
    const unknown = { status: 401, body: { code: 'unauthenticated' } }
    expect(await by({ authorization: `Bearer lsk_${'x'.repeat(43)}` })).toMatchObject(unknown)
    expect(await by({})).toMatchObject(unknown)
  }
  expect(
    (await operate<Answer<'listWebhooks'>>(shared.node, 'GET', '/webhooks')).body.items,
  ).toEqual([])
})

test('its secret is shown once and stored sealed; the log names it without address or secret', async () => {
  const given = 'given by the operator: geheim'
  const { body: own } = await make({ url, topics, secret: given })
  const { body: generated } = await make({ url, topics: ['records', 'account', 'records'] })
  expect(own).toEqual({
    id: expect.any(String),
    url,
    topics,
    secret: given,
    created_at: expect.any(String),
  })
  expect(generated).toMatchObject({
    topics: ['records', 'account'],
    secret: expect.stringMatching(/^whsec_[\w-]{43}$/),
  })
  const listed = await operate(shared.node, 'GET', '/webhooks')
  expect(listed.body).toMatchObject({ items: [{ id: own.id, url, topics }, { id: generated.id }] })
  const stored = JSON.stringify(await database.webhooks.find().toArray())
  for (const secret of [given, String(generated.secret)])
    for (const text of [JSON.stringify(listed.body), stored, lines.join('')])
      expect(text).not.toContain(secret)
  expect(lines.join('')).not.toContain('in-the-address')
  for (const { id } of [own, generated]) {
    const removed = await operate(shared.node, 'DELETE', `/webhooks/${String(id)}`)
    expect(removed.status).toBe(204)
    expect((await operate(shared.node, 'DELETE', `/webhooks/${String(id)}`)).status).toBe(404)
    const noted = lines.filter((line) => line.includes(String(id)) && line.includes('"security"'))
    expect(noted.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
      ...['webhook_made', 'webhook_removed', 'webhook_removal_refused'],
    ])
  }
})

test('a faulty one is invalid: address, topics, secret, number', async () => {
  const bad: [string, object][] = [
    ['url', { url: 'ftp://example.org/', topics }],
    ['url', { url: 'example.org', topics }],
    ['url', { url: 'https://user@example.org/', topics }],
    ['url', { url: 'https://:word@example.org/', topics }],
    ['url', { url: `https://example.org/${'x'.repeat(2_000)}`, topics }],
    ['topics', { url, topics: [] }],
    ['topics.0', { url, topics: ['everything'] }],
    ['topics', { url }],
    ['secret', { url, topics, secret: 'x'.repeat(15) }],
    ['secret', { url, topics, secret: 'x'.repeat(257) }],
    ['', { url, topics, more: true }],
  ]
  for (const [path, body] of bad) {
    const reply = await make(body)
    expect(reply, JSON.stringify(body)).toMatchObject({ status: 422, body: { code: 'invalid' } })
    expect(JSON.stringify(reply.body.issues)).toContain(`"path":"${path}"`)
  }
  const ids: string[] = []
  for (let i = 0; i < limits.webhooks; i++) ids.push(String((await make({ url, topics })).body.id))
  expect(await make({ url, topics })).toMatchObject({ status: 422 })
  for (const id of ids) await operate(shared.node, 'DELETE', `/webhooks/${id}`)
})

describe('WEBHOOK-6: the server’s own network', () => {
  const own = [
    ...['http://localhost:9/', 'http://LOCALHOST./', 'http://a.localhost/', 'http://127.0.0.1/'],
    ...['http://127.1/', 'http://2130706433/', 'http://0x7f.0.0.1/', 'http://0/', 'http://[::1]/'],
    ...[
      'http://[::]/',
      'http://[::ffff:127.0.0.1]/',
      'http://[::ffff:7f00:1]/',
      'http://10.1.2.3/',
    ],
    ...['http://172.16.0.1/', 'http://172.31.255.255/', 'http://192.168.1.1/', 'http://[fd00::1]/'],
    ...['http://169.254.169.254/latest/meta-data', 'http://[fe80::1]/', 'http://100.64.0.1/'],
    ...['http://[64:ff9b::7f00:1]/', 'http://[2002:7f00:1::]/', 'http://[2001:0:1::]/'],
    ...['http://224.0.0.1/', 'http://255.255.255.255/', 'http://[ff02::1]/', 'http://198.18.0.1/'],
    ...['http://[::127.0.0.1]/', 'http://[::ffff:10.0.0.1]/', 'http://192.0.2.1/'],
  ]
  test('is invalid as a literal address, however it is written', async () => {
    for (const each of own)
      expect(await make({ url: each, topics }), each).toMatchObject({
        status: 422,
        body: { code: 'invalid', issues: [{ path: 'url' }] },
      })
  })

  test('has exceptions, and what is public isn’t part of it', async () => {
    const network = createOwnNetwork(['10.1.0.0/16', '::1'])
    for (const address of ['10.1.2.3', '::1', '8.8.8.8', '172.32.0.1', '2606:4700::1111'])
      expect(network.isReachable(address), address).toBe(true)
    for (const address of ['10.2.0.1', '127.0.0.1', '::2', 'fe80::1%eth0', '::ffff:10.2.0.1', 'x'])
      expect(network.isReachable(address), address).toBe(false)
    expect(network.isReachable('::ffff:10.1.2.3')).toBe(true)
    expect(network.isRefusedHost('localhost')).toBe(false)
    expect(network.isRefusedHost('example.org')).toBe(false)
    // some addresses of a name may be reached: only those are used
    expect(await createOwnNetwork(['127.0.0.1']).resolve('localhost')).toEqual(['127.0.0.1'])
    await expect(createOwnNetwork().resolve('localhost')).rejects.toThrow('own network')
  })

  test('isn’t reached by a name that leads there later, when another node or setting made the webhook', async () => {
    await using receiver = await Receiver.start()
    const allowing = {
      serviceKeys,
      webhookAllow: ['127.0.0.1'],
      options: { webhooks: { settings } },
    }
    const name = receiver.url.replace('127.0.0.1', 'localhost')
    const { id } = await startNode(shared.database, allowing).then(async (node) => {
      const made = await makeWebhook(node, name)
      await node.stop()
      return made
    })
    const alice = await signUp(shared.node, 'alice')
    await alice.ask('createConversation', { body: {} })
    await eventually(async () =>
      (await listedWebhook(shared.node, id)).last_error?.reason.includes('own network'),
    )
    expect(receiver.received).toEqual([])
    await operate(shared.node, 'DELETE', `/webhooks/${id}`)
  })

  test('a connection goes to the address that was checked, whatever the name means by then', async () => {
    await using receiver = await Receiver.start()
    const asked: string[] = []
    const poster = createPoster({
      url: `http://rebinding.invalid:${receiver.port}/hook?a=b`,
      secret: 'a secret of 16 and more',
      network: {
        resolve: (hostname) => {
          asked.push(hostname)
          return Promise.resolve(['127.0.0.1'])
        },
      },
      attemptMs: 5_000,
      now: () => 1_700_000_000_999,
    })
    const body = Buffer.from(JSON.stringify({ user_id: newId(), change: {} }))
    await poster.post(body, new AbortController().signal)
    await poster.post(body, new AbortController().signal)
    poster.close()
    expect(asked).toEqual(['rebinding.invalid', 'rebinding.invalid'])
    expect(receiver.received[1]).toMatchObject({
      path: '/hook?a=b',
      headers: {
        host: `rebinding.invalid:${receiver.port}`,
        'lockstep-signature': signatureOf('a secret of 16 and more', 1_700_000_000, body),
      },
    })
  })
})

test('the waits start at 1 s, double up to 5 minutes, and are an hour after a day', () => {
  const waits = [1, 2, 3, 8, 9, 10, 5_000].map((tries) =>
    waitAfter(webhookSettings, { tries, failingMs: 60_000 }),
  )
  expect(waits).toEqual([1_000, 2_000, 4_000, 128_000, 256_000, 300_000, 300_000])
  expect(webhookSettings.attemptMs).toBe(10_000)
  const day = 24 * 3_600_000
  expect(waitAfter(webhookSettings, { tries: 400, failingMs: day })).toBe(3_600_000)
})
