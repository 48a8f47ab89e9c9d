// Users whom a trusted proxy names. Its headers count only with its secret, and then they outrank
// any cookie.
import { once } from 'node:events'
import { request as rawRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { topics } from '@lockstep/protocol/topics'
import { createTrustedProxy } from '../../realtime/auth/trusted-proxy.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import type { UserDocument } from '../../realtime/store/documents.ts'
import { eventually } from '../harness/eventually.ts'
import { Device } from '../harness/device.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { startNode } from '../harness/node.ts'
import { cookieOf, Person, request, signIn, signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { alice as alone, expectProblem, serveHttp, sessionsFor } from '../rest/http-fixture.ts'
import { by, proxySecret } from './proxy-headers.ts'

const next = 'the one after it, during a rotation of them'
const trustedProxy = { userHeader: 'x-user', nameHeader: 'x-name', secrets: [next, proxySecret] }
const { lines, logger } = recordingLogger()
const shared = sharedNodes(2, {
  ...{ trustedProxy, trustProxy: 1, withoutPasswords: true },
  options: { logger },
})
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

const ask = (headers: Record<string, string>, path = '/users/me') =>
  request(shared.node.url + path, 'GET', undefined, headers)

/** A new user whose browser has begun a session through the proxy. */
async function brought(subject = `subject-${newId()}`): Promise<Person & { subject: string }> {
  const cookie = cookieOf((await ask(by(subject))).headers)
  const reply = await ask(by(subject, { cookie }))
  expect(reply.status).toBe(200)
  const signedIn = reply.body as unknown as ConstructorParameters<typeof Person>[1]
  return Object.assign(new Person(shared.node.url, signedIn, cookie, ''), { subject })
}

/** The visitor that a proxy names as the one before it. */
const visitor = { 'x-forwarded-for': '203.0.113.7' }
const securityLines = (from: number): Record<string, unknown>[] =>
  lines
    .slice(from)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ log }) => log === 'security')

/** Sends one header line per value. */
async function askRaw(headers: OutgoingHttpHeaders): Promise<Record<string, unknown>> {
  const [response] = (await once(
    rawRequest(`${shared.node.url}/users/me`, { headers }).end(),
    'response',
  )) as [IncomingMessage]
  return { ...((await json(response)) as object), status: response.statusCode }
}

describe('a user whom the proxy names', () => {
  test('gets an account the first time, and a session that the cookie continues', async () => {
    const name = `Jürgen Müller ${newId()}`
    const header = Buffer.from(name).toString('latin1')
    const reply = await ask(by('cn=4711, dc=example', { 'x-name': header }))
    const username = name.toLowerCase().replaceAll('ü', 'u').replaceAll(' ', '-')
    expect(reply.body).toMatchObject({ user: { username, passwordless: true }, seq: 0 })
    const cookie = cookieOf(reply.headers)
    const again = await ask(by('cn=4711, dc=example', { cookie }))
    expect(again.body).toEqual({ ...reply.body, seq: 1 })
    expect(again.headers.getSetCookie()).toEqual([])
    expect((await ask({ cookie })).body).toEqual(again.body)
    expect(
      (await ask(by('cn=4711, dc=example', { cookie }), '/users/me/sessions')).body.items,
    ).toHaveLength(1)
  })

  test('is the same user in another browser, even under a new name', async () => {
    const alice = await brought()
    const phone = await ask(by(alice.subject, { 'x-name': 'somebody-else' }))
    expect(phone.body).toMatchObject({ user: alice.user })
    expect(phone.body.session).not.toEqual(alice.session)
  })

  test('with many simultaneous requests to all nodes gets one account', async () => {
    const subject = newId()
    const all = shared.nodes.flatMap(({ url }) => Array<string>(6).fill(`${url}/users/me`))
    const replies = await Promise.all(all.map((url) => request(url, 'GET', undefined, by(subject))))
    const [first, ...others] = replies.map(({ body }) => body.user)
    for (const user of others) expect(user).toEqual(first)
    expect(await database.users.countDocuments({ 'host.subject': subject })).toBe(1)
  })

  test('is offered one session by the requests that arrive before there is one', async () => {
    const gate = Promise.withResolvers<void>()
    const usual = sessionsFor(alone)
    const identify = vi.fn(usual.identify)
    const user = { _id: newId(), username: 'alice', created_at: new Date() } as UserDocument
    const recognize = vi.fn(() => gate.promise.then(() => user))
    const never = () => Promise.reject(new Error('nothing begins or ends'))
    const account = { recognize, enter: never, revoke: never }
    const host = {
      account,
      proxy: createTrustedProxy(trustedProxy, { addressOf: () => '', logger }),
    }
    await using http = await serveHttp({}, { sessions: { ...usual, identify }, host })
    const asking = Array.from({ length: 5 }, () =>
      request(`${http.url}/users/me`, 'GET', undefined, by('alice')),
    )
    await eventually(() => identify.mock.results.length === 5)
    gate.resolve()
    const cookies = (await Promise.all(asking)).map(({ headers }) => cookieOf(headers))
    const offered = await Promise.all(cookies.map((cookie) => usual.cookie.read(cookie)))
    expect(new Set(offered.map(([sealed]) => sealed?.session_id)).size).toBe(1)
    expect(recognize).toHaveBeenCalledTimes(1)
  })

  test('works like any other user', async () => {
    const alice = await brought()
    await using device = await alice.device('conversations')
    const headers = by(alice.subject)
    const { id } = await alice.ask('createConversation', { body: { title: 'Hello' }, headers })
    expect(await device.next('change')).toMatchObject({ op: 'created', entity_id: id })
    expect(
      await alice.ask('renameMe', { body: { ...alice.user, username: `renamed-${newId()}` } }),
    ).toBeDefined()
  })

  test('is accepted with either secret during a rotation', async () => {
    const alice = await brought()
    expect((await ask({ ...by(alice.subject), 'lockstep-proxy-secret': next })).body).toMatchObject(
      {
        user: alice.user,
      },
    )
  })
})

describe('a user whom a request names without the proxy', () => {
  const wrong: [string, Record<string, string>][] = [
    ['no secret', {}],
    ['an empty one', { 'lockstep-proxy-secret': '' }],
    ['another one', { 'lockstep-proxy-secret': 'b'.repeat(proxySecret.length) }],
    ['half of it', { 'lockstep-proxy-secret': proxySecret.slice(0, -1) }],
    ['more than it', { 'lockstep-proxy-secret': `${proxySecret},${next}` }],
    ['it elsewhere', { 'x-secret': proxySecret, 'proxy-secret': proxySecret }],
  ]
  test.each(wrong)('with %s is ignored, and the log says so', async (_what, headers) => {
    const alice = await brought()
    const before = await database.sessions.countDocuments({ user_id: alice.user.id })
    const from = lines.length
    const sent = { ...headers, ...visitor }
    expectProblem(await ask({ ...sent, 'x-user': alice.subject }), 'unauthenticated', 401)
    const refusal = { event: 'sign_in_by_host_refused', account: null, reason: 'no secret' }
    expect(securityLines(from)).toMatchObject([{ ...refusal, address: '203.0.113.7' }])
    expectProblem(await ask({ ...sent, 'x-user': newId() }), 'unauthenticated', 401)
    expect(await database.sessions.countDocuments({ user_id: alice.user.id })).toBe(before)
    expect(
      lines
        .slice(from)
        .filter((line) => line.includes("ignored x-user: it came without the proxy's secret")),
    ).toHaveLength(2)
  })

  test('with a cookie is ignored, and the cookie counts', async () => {
    const [alice, bob] = [await brought(), await brought()]
    for (const [, headers] of wrong) {
      const reply = await ask({ ...headers, 'x-user': alice.subject, cookie: bob.cookie })
      expect(reply.body).toMatchObject({ user: bob.user, session: bob.session })
    }
  })

  test('together with the proxy’s own user is nobody, because a proxy must replace the headers', async () => {
    const [alice, mallory] = [await brought(), await brought()]
    const twice = { ...by('', visitor), 'x-user': [alice.subject, mallory.subject] }
    const from = lines.length
    expect(await askRaw(twice)).toMatchObject({ status: 401, code: 'unauthenticated' })
    expect(securityLines(from)[0]).toMatchObject({
      ...{ event: 'sign_in_by_host_refused', account: null, reason: 'unclear user' },
      address: '203.0.113.7',
    })
    const secrets = { ...by(alice.subject), 'lockstep-proxy-secret': ['guess', proxySecret] }
    expect(await askRaw(secrets)).toMatchObject({ status: 401, code: 'unauthenticated' })
    expect(await askRaw(by(alice.subject))).toMatchObject({
      status: 200,
      user: { id: alice.user.id },
    })
  })

  test.each(['', 'x'.repeat(256)])('as %j is nobody, even from the proxy', async (subject) => {
    expectProblem(await ask(by(subject)), 'unauthenticated', 401)
  })
})

describe('a browser that another user has used', () => {
  test('shows the user whom the proxy names and ends the previous session', async () => {
    const [alice, bob] = [await brought(), await brought()]
    await using device = await alice.device('conversations')
    const from = lines.length
    const reply = await ask(by(bob.subject, { cookie: alice.cookie, ...visitor }))
    expect(reply.body).toMatchObject({ user: bob.user })
    const address = '203.0.113.7'
    expect(securityLines(from)).toMatchObject([
      { event: 'signed_in_by_host', user_id: bob.user.id, address },
      { event: 'session_ended', user_id: alice.user.id, address },
    ])
    await device.disconnected()
    expectProblem(await ask({ cookie: alice.cookie }), 'unauthenticated', 401)
    expect((await ask({ cookie: cookieOf(reply.headers) })).body).toEqual(reply.body)
  })

  test('does so in many simultaneous requests too', async () => {
    const [alice, bob] = [await brought(), await brought()]
    const asking = Array.from({ length: 8 }, () => ask(by(bob.subject, { cookie: alice.cookie })))
    for (const { body } of await Promise.all(asking)) expect(body).toMatchObject({ user: bob.user })
  })

  test('refuses a page that holds the previous user’s state', async () => {
    const [alice, bob] = [await brought(), await brought()]
    const held = { cookie: alice.cookie, 'lockstep-user': alice.user.id }
    expectProblem(await ask(by(bob.subject, held)), 'unauthenticated', 401)
  })

  test('shows nothing if the proxy says that nobody is signed in', async () => {
    const alice = await brought()
    const nobody = { 'lockstep-proxy-secret': proxySecret, cookie: alice.cookie }
    expectProblem(await ask(nobody), 'unauthenticated', 401)
    expectProblem(await ask({ ...nobody, 'x-user': '' }), 'unauthenticated', 401)
  })
})

describe('a socket', () => {
  const join = (cookie: string | undefined, headers: Record<string, string>) =>
    Device.open(shared.node.url, cookie, 'conversations', { headers }).then(
      (device) => device.close(),
      ({ data }: { data?: { code: string } }) => data?.code,
    )

  test.each(topics)(
    'at /%s goes by the cookie, unless the proxy names another user, or nobody',
    async (topic) => {
      const [alice, bob] = [await brought(), await brought()]
      const headersOf = {
        alice: by(alice.subject),
        nobodyElse: {},
        forged: { 'x-user': bob.subject },
      }
      for (const headers of Object.values(headersOf)) {
        await using device = await alice.device(topic, { headers })
        expect(device.connected).toBe(true)
      }
      for (const headers of [by(bob.subject), by(newId()), by('')])
        await expect(alice.device(topic, { headers })).rejects.toMatchObject({
          data: { code: 'unauthenticated' },
        })
    },
  )

  test('without a cookie has no user, whomever the proxy names', async () => {
    const alice = await brought()
    expect(await join(undefined, by(alice.subject))).toBe('unauthenticated')
    const from = lines.length
    expect(await join(undefined, { 'x-user': alice.subject, ...visitor })).toBe('unauthenticated')
    expect(lines.slice(from).join('')).not.toContain('127.0.0.1')
    expect(securityLines(from)).toContainEqual(
      expect.objectContaining({ event: 'handshake_refused', address: '203.0.113.7' }),
    )
  })
})

describe('an account without a password', () => {
  test('can be given none', async () => {
    const alice = await brought()
    const body = { current_password: '', new_password: 'correct horse' }
    const reply = await alice.rest('PUT', '/users/me/password', body)
    expectProblem(reply, 'invalid', 422)
    expect(reply.body.detail).toBe('This account has no password: its sign-in is elsewhere')
  })

  test.each([[{}], [{ password: '' }], [undefined]])(
    'is deleted with %j right after a sign-in',
    async (body) => {
      const alice = await brought()
      const late = { created_at: new Date(Date.now() - 11 * 60_000) }
      await database.sessions.updateOne({ _id: alice.session.id }, { $set: late })
      const reply = await alice.rest('DELETE', '/users/me', body)
      expectProblem(reply, 'invalid_credentials', 401)
      expect(reply.body.detail).toBe('Sign in again, and delete the account within 10 minutes')
      const without = await request(
        `${shared.node.url}/users/me`,
        'DELETE',
        body,
        by(alice.subject),
      )
      expectProblem(without, 'invalid_credentials', 401)
      const again = cookieOf(without.headers)
      expect((await alice.rest('DELETE', '/users/me', body, { cookie: again })).status).toBe(204)
      expectProblem(await ask({ cookie: alice.cookie }), 'unauthenticated', 401)
    },
  )

  test('is followed by an empty one if its owner returns after a deletion', async () => {
    const alice = await brought()
    await alice.ask('createConversation', { body: { title: 'gone' } })
    await alice.ask('deleteMe', { body: {} })
    const after = await brought(alice.subject)
    expect(after.user.id).not.toBe(alice.user.id)
    expect((await after.ask('listConversations')).items).toEqual([])
  })

  test('can’t be used with a password, and its name can’t be taken', async () => {
    const alice = await brought()
    await using both = await startNode(shared.database, { trustedProxy })
    for (const password of ['', 'undefined', 'correct horse'])
      await expect(signIn(both, alice.user.username, password)).rejects.toThrow(
        'invalid_credentials',
      )
    const credentials = { username: alice.user.username, password: 'correct horse' }
    expectProblem(
      await request(`${both.url}/auth/register`, 'POST', credentials),
      'username_taken',
      409,
    )
  })
})

describe('passwords', () => {
  test('are off if the proxy signs users in', async () => {
    const credentials = { username: `someone-${newId()}`, password: 'correct horse' }
    for (const path of ['/auth/register', '/auth/login'])
      expectProblem(await request(shared.node.url + path, 'POST', credentials), 'not_found', 404)
    expect((await ask({}, '/auth/methods')).body).toEqual({
      ...{ password: false, passkeys: false, providers: [], sign_up: 'open' },
    })
  })

  test('may be on with the proxy: then a password session lasts while the proxy names nobody', async () => {
    await using both = await startNode(shared.database, { trustedProxy })
    const carol = await signUp(both, 'carol')
    const nobody = { 'lockstep-proxy-secret': proxySecret }
    expect(await carol.ask('getMe', { headers: nobody })).toMatchObject({ user: carol.user })
    const named = await carol.rest('GET', '/users/me', undefined, by(newId()))
    expect(named.body).toMatchObject({ user: { passwordless: true } })
  })
})

test('by default the proxy’s headers are ignored', async () => {
  const alice = await brought()
  await using usual = await startNode(shared.database)
  expectProblem(
    await request(`${usual.url}/users/me`, 'GET', undefined, by(alice.subject)),
    'unauthenticated',
    401,
  )
  const carol = await signUp(usual, 'carol')
  expect((await carol.rest('GET', '/users/me', undefined, by(alice.subject))).body).toMatchObject({
    user: carol.user,
  })
  await using device = await carol.device('account', { headers: by(alice.subject) })
  expect(device.connected).toBe(true)
})

test('no secret is ever logged', () => {
  expect(lines.length).toBeGreaterThan(0)
  for (const hidden of [proxySecret, proxySecret.slice(0, -1), next])
    expect(lines.join('')).not.toContain(hidden)
})
