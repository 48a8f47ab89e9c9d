// Tokens: programs and pages of other sites without a cookie, and the operator's other servers.
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEngine } from '@lockstep/client'
import { newId } from '@lockstep/protocol/ids'
import { routes, type Answer, type Route } from '@lockstep/protocol/rest'
import { createTokens } from '../../realtime/auth/tokens.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { runProgram } from '../../realtime/program.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { insertToken } from '../../realtime/store/tokens.ts'
import { routeRequests } from '../attacks/valid-requests.ts'
import { Device } from '../harness/device.ts'
import { freshDatabase } from '../harness/database.ts'
import { eventually, timeFor } from '../harness/eventually.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { request, signUp, type Person } from '../harness/person.ts'
import { TestRedis } from '../harness/redis.ts'

const serviceKey = `lsk_${randomBytes(32).toString('base64url')}`
const digest = createHash('sha256').update(serviceKey).digest('hex')

const fresh = freshDatabase()
let redis: TestRedis
let node: TestNode
let other: TestNode
let alice: Person
beforeAll(async () => {
  redis = await TestRedis.start()
  const settings = {
    redisUrls: [redis.url],
    serviceKeys: [digest],
    trustedProxy: { userHeader: 'x-user', secrets: ['a secret of the proxy, 32 and more'] },
    withoutPasswords: false,
  }
  node = await startNode(fresh, settings)
  other = await startNode(fresh, settings)
  alice = await signUp(node, 'alice')
})
afterAll(async () => {
  await Promise.all([node.stop(), other.stop()])
  await redis[Symbol.asyncDispose]()
  await fresh[Symbol.asyncDispose]()
})

const make = (body: { name: string; scopes?: ('read' | 'write')[]; expires_at?: string }) =>
  alice.ask('createToken', { body })
const by = <Body = Record<string, unknown>>(
  ...[token, method, path, body, headers = {}]: [string, string, string, unknown?, object?]
) => request<Body>(node.url + path, method, body, { authorization: `Bearer ${token}`, ...headers })
const join = (token: string, at = node, user_id?: string) =>
  Device.open(at.url, undefined, 'conversations', { auth: { token }, user_id })
/** Much shorter than the 25 s between two checks of all sessions (ms). */
const SOON_MS = 8_000
const sha = (text: string) => createHash('sha256').update(text).digest('hex')

describe('a user’s own token', () => {
  test('is shown once, listed with its last use, and stored as a hash', async () => {
    const made = await make({ name: 'Backup script' })
    expect(made).toEqual({
      id: expect.any(String),
      name: 'Backup script',
      scopes: ['read', 'write'],
      created_at: expect.any(String),
      last_used_at: null,
      expires_at: null,
      token: expect.stringMatching(/^lsu_[\w-]{43}$/),
    })
    const { token, ...shown } = made
    expect((await alice.ask('listTokens')).items[0]).toEqual(shown)
    expect(await by(token, 'GET', '/users/me')).toMatchObject({
      status: 200,
      body: {
        user: { id: alice.user.id },
        session: null,
        token: { id: made.id, name: 'Backup script', scopes: ['read', 'write'] },
      },
    })
    await eventually(async () => {
      const { items } = await alice.ask('listTokens')
      return items.find(({ id }) => id === made.id)?.last_used_at !== null
    })
    const database = await openDatabase(fresh.url)
    const stored = JSON.stringify(await database.db.collection('tokens').find().toArray())
    await database.close()
    expect(stored).not.toContain(token)
    expect(stored).toContain(sha(token))
  })

  test('makes changes under its name, over HTTP and sockets, from any origin', async () => {
    const { token } = await make({ name: 'Robot' })
    await using watching = await alice.device('conversations')
    const origin = { origin: 'https://elsewhere.example' }
    const created = await by(token, 'POST', '/conversations', { title: 'From afar' }, origin)
    expect(created.status).toBe(201)
    const change = await watching.until('change', ({ op }) => op === 'created')
    expect(change.actor).toEqual({ session_id: null, device: 'Robot' })
    await using device = await Device.open(node.url, undefined, 'conversations', {
      auth: { token },
      headers: origin,
    })
    await device.done('update', { conversation_id: created.body.id, title: 'Nearer' })
    const renamed = await watching.until('change', ({ op }) => op === 'updated')
    expect(renamed.actor).toEqual({ session_id: null, device: 'Robot' })
  })

  test('stops a reply that another node writes, with all of its text', async () => {
    const { token } = await make({ name: 'Remote control' })
    const { id } = await alice.ask('createConversation', {
      body: { messages: [{ role: 'user', content: '/demo rate 50' }] },
    })
    const { message_id } = await alice.ask('startReply', { params: { id }, body: {} })
    await using watching = await alice.device('conversations')
    await watching.until('delta', ({ text }) => text !== '')
    const bearer = { authorization: `Bearer ${token}` }
    const stopUrl = `${other.url}/conversations/${id}/stop`
    const stop = await request(stopUrl, 'POST', { message_id }, bearer)
    expect(stop).toMatchObject({ status: 200 })
    const { messages } = await alice.ask('getConversation', { params: { id } })
    expect(messages.at(-1)).toMatchObject({ id: message_id, status: 'stopped' })
  })

  test('API-10: covers only its scopes', async () => {
    const reader = await make({ name: 'Reader', scopes: ['read', 'read'] })
    const writer = await make({ name: 'Writer', scopes: ['write'] })
    expect(reader.scopes).toEqual(['read'])
    const forbidden = { status: 403, body: { code: 'forbidden_scope' } }
    expect(await by(reader.token, 'GET', '/conversations')).toMatchObject({ status: 200 })
    expect(await by(reader.token, 'POST', '/conversations', {})).toMatchObject(forbidden)
    expect(await by(writer.token, 'POST', '/conversations', {})).toMatchObject({ status: 201 })
    expect(await by(writer.token, 'GET', '/conversations')).toMatchObject(forbidden)
    await expect(join(writer.token)).rejects.toMatchObject({ data: { code: 'forbidden_scope' } })
    await using device = await join(reader.token)
    expect(await device.refused('create', {})).toMatchObject({ code: 'forbidden_scope' })
    expect(await device.range(1, 1)).toMatchObject({ ok: true })
  })

  test('with an unknown scope or none, without a name, or with an end that is over is invalid', async () => {
    for (const body of [
      { name: 'x', scopes: [] },
      { name: 'x', scopes: ['admin'] },
      { name: ' ' },
      { scopes: ['read'] },
      { name: 'x', expires_at: new Date(Date.now() - 1_000).toISOString() },
    ])
      expect(await alice.rest('POST', '/users/me/tokens', body)).toMatchObject({
        status: 422,
        body: { code: 'invalid' },
      })
  })

  test('API-11: never does what needs a session, whatever its scopes', async () => {
    const { token } = await make({ name: 'Intruder' })
    const user = 'intruder'
    const { body: short } = await by<{ token: string }>(serviceKey, 'POST', '/tokens', { user })
    const named = { 'lockstep-user': alice.user.id }
    const needsSession = Object.entries<Route>(routes).filter(
      ([, { access }]) => access !== undefined,
    )
    const ofAccount = Object.entries<Route>(routes).filter(
      ([, { method, path, open }]) =>
        method !== 'GET' && !open && /^\/(auth|users\/me|tokens)/.test(path),
    )
    // whatever else is added there needs a session
    expect(
      ofAccount.flatMap(([name, { access }]) => (access === undefined ? [name] : [])).sort(),
    ).toEqual(['deleteDraft', 'importMe', 'putDraft', 'putPreferences'])
    const bob = await signUp(node, 'bob')
    const forbidden = { status: 403, body: { code: 'forbidden_scope' } }
    for (const [name, { method, path, access }] of needsSession) {
      const { params = {}, body } = (await routeRequests[name as keyof typeof routeRequests](
        bob,
      )) as { params?: Record<string, string>; body?: unknown }
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, key: string) => params[key]!)
      for (const own of [token, short.token])
        expect(await by(own, method, filled, body), name).toMatchObject(forbidden)
      if (access === 'session')
        expect(await by(serviceKey, method, filled, body, named), name).toMatchObject(forbidden)
    }
    const revoke = { session_id: alice.session.id, mutation_id: newId() }
    const revokePath = '/topics/account/commands/revoke'
    expect(await by(token, 'POST', revokePath, revoke)).toMatchObject(forbidden)
    expect(await by(serviceKey, 'POST', revokePath, revoke, named)).toMatchObject(forbidden)
    for (const auth of [{ token }, { token: serviceKey, user_id: alice.user.id }]) {
      await using device = await Device.open(node.url, undefined, 'account', { auth })
      expect(await device.refused('revoke', revoke)).toMatchObject({ code: 'forbidden_scope' })
    }
  })

  test('is judged alone: a bad one is unauthenticated, even beside a good cookie', async () => {
    const { id, token } = await make({ name: 'Short life' })
    const wrong = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')
    for (const authorization of [`Bearer ${wrong}`, 'Bearer x', 'Basic YTpi', 'Bearer']) {
      const headers = { authorization, cookie: alice.cookie }
      const refused = await request(`${node.url}/conversations`, 'GET', undefined, headers)
      expect(refused).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    }
    await expect(
      Device.open(node.url, alice.cookie, 'conversations', { auth: { token: wrong } }),
    ).rejects.toMatchObject({ data: { code: 'unauthenticated' } })
    const bob = await signUp(node, 'bob')
    const named = { 'lockstep-user': bob.user.id }
    expect((await by(token, 'GET', '/conversations', undefined, named)).status).toBe(401)
    expect(await bob.rest('DELETE', `/users/me/tokens/${id}`)).toMatchObject({ status: 404 })
    expect((await bob.ask('listTokens')).items).toEqual([])
  })

  test('API-12: that is revoked ends at once on every node', async () => {
    const { id, token } = await make({ name: 'Lost laptop' })
    await using here = await join(token)
    await using there = await join(token, other)
    await alice.ask('deleteToken', { params: { id } })
    await Promise.all([here, there].map((device) => device.disconnected(SOON_MS)))
    for (const at of [node, other])
      expect(
        await request(`${at.url}/conversations`, 'GET', undefined, {
          authorization: `Bearer ${token}`,
        }),
      ).toMatchObject({ status: 401 })
    expect(await alice.rest('DELETE', `/users/me/tokens/${id}`)).toMatchObject({ status: 404 })
  })

  test('that expires ends its sockets', async () => {
    const joining = await timeFor(async () => join((await make({ name: 'First' })).token), 1_500)
    const end = Date.now() + joining
    const { token } = await make({ name: 'Today', expires_at: new Date(end).toISOString() })
    await using device = await join(token)
    await device.disconnected(joining + SOON_MS)
    expect(Date.now()).toBeGreaterThanOrEqual(end)
    expect(await by(token, 'GET', '/conversations')).toMatchObject({ status: 401 })
  })

  test('a client engine works with it', async () => {
    const { token } = await make({ name: 'Engine' })
    const engine = createEngine({ origin: node.url, token: () => Promise.resolve(token) })
    expect(await engine.start()).toMatchObject({ name: 'ready', user: { id: alice.user.id } })
    const { outcome } = engine.conversations.create({ title: 'By an engine' })
    expect(await outcome).toMatchObject({ ok: true })
    await engine.stop()
  })
})

describe('a service key', () => {
  const forUser = (user: string, body: object = {}) =>
    request<Answer<'createUserToken'>>(
      `${node.url}/tokens`,
      'POST',
      { user, ...body },
      { authorization: `Bearer ${serviceKey}` },
    )

  test('makes short-lived tokens for the host’s users, and no session', async () => {
    const first = await forUser('zoë@host', { ttl_s: 60, name: 'Widget' })
    expect(first).toMatchObject({
      status: 201,
      body: { token: expect.stringMatching(/^lst_[\w-]{43}$/), user: { username: 'zoe' } },
    })
    const { user, token, expires_at } = first.body
    expect(Object.keys(user).sort()).toEqual(['created_at', 'id', 'username'])
    expect(Date.parse(expires_at) - Date.now()).toBeLessThanOrEqual(60_000)
    expect((await forUser('zoë@host')).body.user.id).toBe(user.id)
    expect((await by(token, 'POST', '/conversations', {})).status).toBe(201)
    const { body: reader } = await forUser('zoë@host', { scopes: ['read'] })
    expect((await by(reader.token, 'POST', '/conversations', {})).status).toBe(403)
    const { body: sessions } = await by(token, 'GET', '/users/me/sessions')
    expect(sessions.items).toEqual([])
    // the proxy that signs the same user in gets the same account
    const proxied = await request(`${node.url}/users/me`, 'GET', undefined, {
      'x-user': Buffer.from('zoë@host').toString('latin1'),
      'lockstep-proxy-secret': 'a secret of the proxy, 32 and more',
    })
    expect(proxied).toMatchObject({ status: 200, body: { user: { id: user.id } } })
  })

  test('never leads to an account that signs in by password', async () => {
    const { body } = await forUser(alice.user.username)
    expect(body.user.id).not.toBe(alice.user.id)
  })

  test('acts for the user that is named, without a session', async () => {
    const { id } = alice.user
    const named = { 'lockstep-user': id }
    const made = await by(serviceKey, 'POST', '/conversations', { title: 'Served' }, named)
    expect(made).toMatchObject({ status: 201, body: { user_id: id } })
    for (const headers of [{}, { 'lockstep-user': newId() }])
      expect(await by(serviceKey, 'GET', '/conversations', undefined, headers)).toMatchObject({
        status: 401,
      })
    await using device = await join(serviceKey, node, id)
    await device.done('update', { conversation_id: made.body.id, title: 'Served again' })
    await expect(join(serviceKey)).rejects.toMatchObject({ data: { code: 'unauthenticated' } })
  })

  test('is refused what only it may do when somebody else asks', async () => {
    const { token } = await make({ name: 'Not a service' })
    const body = { user: 'mallory' }
    expect(await by(token, 'POST', '/tokens', body)).toMatchObject({ status: 403 })
    expect(await alice.rest('POST', '/tokens', body)).toMatchObject({
      status: 403,
      body: { code: 'forbidden_scope' },
    })
    const unknown = `lsk_${randomBytes(32).toString('base64url')}`
    expect(await by(unknown, 'POST', '/tokens', body)).toMatchObject({ status: 401 })
    expect(await request(`${node.url}/tokens`, 'POST', body)).toMatchObject({ status: 401 })
  })

  test.each([{ ttl_s: 0 }, { ttl_s: 86_401 }, { ttl_s: 1.5 }, { scopes: [] }, { user: '' }])(
    'with %j it makes no token',
    async (body) => {
      expect(await forUser('somebody', body)).toMatchObject({ status: 422 })
    },
  )

  test('a short-lived token ends with its time', async () => {
    const { token } = (await forUser('brief', { ttl_s: 1 })).body
    await using device = await join(token)
    await device.disconnected(10_000)
    expect(await by(token, 'GET', '/users/me')).toMatchObject({ status: 401 })
  })
})

test('a locked account: no token or service key acts for it, and open sockets end at once on every node', async () => {
  const operator = async (...args: string[]) => {
    const env = { MONGODB_URL: fresh.url, NODE_ENV: 'test' }
    const terminal = {
      print: () => undefined,
      tell: () => undefined,
      readInput: () => Promise.resolve(''),
      onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
    }
    expect(await runProgram(['users', ...args], env, terminal)).toBe(0)
  }
  const forUser = () =>
    by<Answer<'createUserToken'>>(serviceKey, 'POST', '/tokens', { user: 'eve' })
  const { token: short, user } = (await forUser()).body
  const proof = { 'x-user': 'eve', 'lockstep-proxy-secret': 'a secret of the proxy, 32 and more' }
  const name = { name: 'Own' }
  const url = `${node.url}/users/me/tokens`
  const { token: own } = (await request<{ token: string }>(url, 'POST', name, proof)).body
  const joins = [
    () => join(own, other),
    () => join(short, node),
    () => join(serviceKey, other, user.id),
  ]
  for (const command of ['end-sessions', 'lock']) {
    const devices = await Promise.all(joins.map((open) => open()))
    await operator(command, user.id)
    await Promise.all(devices.map((device) => device.disconnected(5_000)))
    if (command === 'end-sessions') joins.splice(1, 1) // the short-lived token has ended with them
  }
  for (const open of joins)
    await expect(open()).rejects.toMatchObject({ data: { code: 'unauthenticated' } })
  expect(await forUser()).toMatchObject({
    status: 401,
    body: { code: 'unauthenticated', reason: 'locked' },
  })
  const named = { 'lockstep-user': user.id }
  expect((await by(serviceKey, 'GET', '/users/me', undefined, named)).status).toBe(401)
  expect((await by(own, 'GET', '/users/me')).status).toBe(401)
  // sockets that nobody told are found by the regular check
  const database = await openDatabase(fresh.url)
  const tokens = createTokens({ database, serviceKeys: [digest], logger: createLogger('silent') })
  await operator('unlock', user.id)
  const ids = [
    await tokens.identify(own, undefined),
    await tokens.identify(serviceKey, user.id),
  ].map((identity) => identity!.session_id)
  expect((await tokens.alive(ids)).size).toBe(2)
  await operator('lock', user.id)
  expect((await tokens.alive(ids)).size).toBe(0)
  await database.close()
})

test('a change of the password ends short-lived tokens, and the user’s own stay; the end of the account ends all', async () => {
  const bob = await signUp(node, 'bob')
  const own = (await bob.ask('createToken', { body: { name: 'Own' } })).token
  const short = `lst_${randomBytes(32).toString('base64url')}`
  const database = await openDatabase(fresh.url)
  await insertToken(database, {
    ...{ _id: newId(), hash: sha(short), user_id: bob.user.id, kind: 'short', name: 'Short' },
    ...{ scopes: ['read'], created_at: new Date(), last_used_at: null },
    expires_at: new Date(Date.now() + 60_000),
  })
  await using device = await join(short)
  expect(await by(short, 'GET', '/users/me')).toMatchObject({ status: 200 })
  await bob.ask('changePassword', {
    body: { current_password: bob.password, new_password: 'a battery staple' },
  })
  await device.disconnected(5_000)
  expect(await by(short, 'GET', '/users/me')).toMatchObject({ status: 401 })
  expect(await by(own, 'GET', '/users/me')).toMatchObject({ status: 200 })
  await using mine = await join(own)
  await bob.ask('deleteMe', { body: { password: 'a battery staple' } })
  await mine.disconnected(5_000)
  expect(await by(own, 'GET', '/users/me')).toMatchObject({ status: 401 })
  const left = await database.db.collection('tokens').countDocuments({ user_id: bob.user.id })
  await database.close()
  expect(left).toBe(0)
})
