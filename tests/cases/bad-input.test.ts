// Bad input gets an error of the contract and changes nothing. The server keeps running, and its
// log doesn't repeat what was sent.
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { storedState } from '../harness/follower.ts'
import { eventually } from '../harness/eventually.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { request, signUp, type Person, type HttpResponse } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const { lines, logger } = recordingLogger()
const shared = sharedNodes(1, { options: { logger } })
let alice: Person
let id: string
let before: unknown
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
  id = (await alice.ask('createConversation', { body: { title: 'Untouched' } })).id
  before = await storedState(alice, 'conversations')
})

afterEach(async () => {
  expect(await storedState(alice, 'conversations')).toEqual(before)
})

function refuses(reply: HttpResponse, status: number, code: string) {
  expect(reply).toMatchObject({
    status,
    body: { type: expect.any(String), title: expect.any(String), status, code },
  })
  expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json/)
}

describe('a request is refused', () => {
  test('if it has another content type', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ])
      refuses(
        await alice.rest('PUT', `/conversations/${id}`, 'title=x', { 'content-type': type }),
        415,
        'invalid',
      )
  })

  test('if it doesn’t match its route’s schema, or is too large', async () => {
    const message = { role: 'user', content: '' }
    for (const body of [
      { title: 5 },
      { title: null },
      { metadata: [] },
      { messages: {} },
      { messages: [1, 2].map(() => ({ id: '0190a0a0-0000-7000-8000-000000000000', ...message })) },
      '{"title":"\\ud83d"}', // half of a surrogate pair
    ])
      refuses(await alice.rest('PUT', `/conversations/${id}`, body), 422, 'invalid')
    const tooLarge = { messages: [{ ...message, content: 'x'.repeat(10 * 1024 * 1024) }] }
    refuses(await alice.rest('PUT', `/conversations/${id}`, tooLarge), 413, 'too_large')
  })

  test('also over a socket, if it contains a BSON type or is nested too deep', async () => {
    await using device = await alice.device('conversations')
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)])
    for (const bad of [
      { metadata: { _bsontype: 'ObjectId' } },
      { metadata: { _bsontype: null } },
      { messages: [{ role: 'user', content: 'x', metadata: { a: { _bsontype: 'Long' } } }] },
      { messages: [{ role: 'user', content: 'x', position: deep(200) }] },
      { nobody: deep(200) },
    ])
      expect(await device.refused('update', { conversation_id: id, ...bad })).toMatchObject({
        code: 'invalid',
      })
    expect(await storedState(alice, 'conversations')).toEqual(before)
  })

  test('if an id in its path is not a UUID', async () => {
    for (const bad of ['x', '%24ne', `${id}x`, '..%2f..', '[object Object]'])
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const reply = await alice.rest(
          method,
          `/conversations/${encodeURI(bad)}`,
          method === 'PUT' ? {} : undefined,
        )
        expect([404, 422]).toContain(reply.status)
        refuses(reply, reply.status, reply.status === 404 ? 'not_found' : 'invalid')
      }
  })

  test('if its query has unknown parameters', async () => {
    for (const query of [
      'limit=0',
      'limit=201',
      'limit=x',
      'state=all',
      'cursor=x',
      'q[$ne]=1',
      'unknown=1',
      'limit=1&limit=2',
    ])
      refuses(await alice.rest('GET', `/conversations?${query}`), 422, 'invalid')
  })
})

test('bad input doesn’t stop the server, and its log repeats no text, cookie or password', async () => {
  const eve = await signUp(shared.node, 'eve')
  const secret = 'a-text-that-nobody-may-log'
  const body = { title: secret, messages: [{ role: 'user' as const, content: secret }] }
  await eve.ask('createConversation', { body })
  for (const bad of [
    `{"${secret}`,
    { [secret]: 1 },
    { title: { [secret]: 1 } },
    { messages: [{ content: secret }] },
    { metadata: { [`$${secret}`]: 1 } },
  ])
    expect((await eve.rest('POST', '/conversations', bad)).status).toBeGreaterThanOrEqual(400)
  await request(`${shared.node.url}/auth/login`, 'POST', {
    username: eve.user.username,
    password: `${secret}!`,
  })
  await using device = await eve.device('conversations')
  await device.refused('create', { [secret]: 1 })
  await device.send(secret, body)
  device.socket.emit('create', body)
  await expect(
    eve.device('conversations', { auth: { protocol: 99, [secret]: secret } }),
  ).rejects.toThrow()

  expect((await eve.rest('GET', '/readyz')).status).toBe(200)
  await eventually(() => lines.some((line) => line.includes('a handshake was refused')))
  const sender = { user_id: eve.user.id, session_id: eve.session.id }
  for (const said of [
    { level: 30, msg: 'request', route: '/conversations', status: 400, user_id: eve.user.id },
    { level: 30, msg: 'request', route: '/conversations', status: 422, user_id: eve.user.id },
    { level: 30, msg: 'request', route: '/auth/login', status: 401 },
    {
      level: 30,
      msg: 'a command was refused',
      topic: 'conversations',
      event: 'create',
      code: 'invalid',
      ...sender,
    },
    {
      level: 30,
      msg: 'a command was refused',
      topic: 'conversations',
      event: 'unknown',
      code: 'invalid',
      ...sender,
    },
    {
      level: 30,
      msg: 'an event without an ack was ignored',
      topic: 'conversations',
      session_id: eve.session.id,
    },
    {
      level: 30,
      msg: 'a handshake was refused',
      topic: 'conversations',
      code: 'protocol_unsupported',
    },
  ])
    expect(lines.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining(said),
    )
  for (const hidden of [secret, eve.password, eve.cookie.split('=')[1]!])
    expect(lines.join('\n')).not.toContain(hidden)
})
