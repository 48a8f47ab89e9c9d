// Somebody at a device that was left open, somebody who guesses, and passwords that are guessed
// first.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { networkOf } from '../../realtime/auth/rate-limits.ts'
import { createProxyTrust } from '../../realtime/auth/proxy-trust.ts'
import { createSessions } from '../../realtime/auth/sessions.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { Device } from '../harness/device.ts'
import { cookieOf, request, signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes(2)
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

const MINUTE_MS = 60_000
/** Moves the sign-in of a person into the past. */
const signedInAgo = ({ session }: Person, ms: number) =>
  database.sessions.updateOne(
    { _id: session.id },
    { $set: { created_at: new Date(Date.now() - ms) } },
  )
const rename = (person: Person, username = `n-${newId()}`) =>
  person.rest('PUT', '/users/me', { username })

describe('a rename', () => {
  test('needs a sign-in within the last 10 minutes', async () => {
    const alice = await signUp(shared.node)
    await signedInAgo(alice, 11 * MINUTE_MS)
    expect(await rename(alice)).toMatchObject({
      status: 401,
      body: {
        code: 'invalid_credentials',
        detail: expect.stringMatching(/Sign in again/) as string,
      },
    })
    expect((await alice.ask('getMe')).user.username).toBe(alice.user.username)
    expect((await rename(await alice.signIn())).status).toBe(200)
  })

  test('can be allowed by proving the password again, in this session only, for 10 minutes', async () => {
    const alice = await signUp(shared.node)
    const elsewhere = await alice.signIn()
    for (const each of [alice, elsewhere]) await signedInAgo(each, 20 * MINUTE_MS)
    const confirm = (password: string) => alice.rest('POST', '/auth/confirm', { password })
    expect(await confirm('a wrong guess')).toMatchObject({
      status: 401,
      body: { code: 'invalid_credentials' },
    })
    expect((await rename(alice)).status).toBe(401)
    const before = Date.now()
    const { until } = await alice.ask('confirm', { body: { password: alice.password } })
    expect(Date.parse(until)).toBeGreaterThanOrEqual(before + 10 * MINUTE_MS)
    expect(Date.parse(until)).toBeLessThanOrEqual(Date.now() + 10 * MINUTE_MS)
    expect((await rename(alice)).status).toBe(200)
    expect((await rename(elsewhere)).status).toBe(401)
    await database.sessions.updateOne(
      { _id: alice.session.id },
      { $set: { confirmed_at: new Date(Date.now() - 11 * MINUTE_MS) } },
    )
    expect((await rename(alice)).status).toBe(401)
  })

  test('is not allowed by guessing: guesses there count as guesses at a sign-in', async () => {
    const alice = await signUp(shared.node)
    const confirm = (password: string) => alice.rest('POST', '/auth/confirm', { password })
    for (let n = 0; n < 10; n++) expect((await confirm(`wrong guess ${n}`)).status).toBe(401)
    expect((await confirm(alice.password)).status).toBe(429)
    const login = await request(`${shared.node.url}/auth/login`, 'POST', {
      username: alice.user.username,
      password: 'one more guess',
    })
    expect(login.status).toBe(429)
  })

  test('is possible five times a day; repeating one, or keeping the name, doesn’t count', async () => {
    const alice = await signUp(shared.nodes[0]!)
    // another node counts the same, also without a Redis, and so does one that has started anew
    const elsewhere = alice.at(shared.nodes[1]!)
    const key = { 'idempotency-key': newId() }
    const first = { username: `n-${newId()}` }
    for (let n = 0; n < 4; n++)
      expect((await alice.rest('PUT', '/users/me', first, key)).status).toBe(200)
    for (let n = 0; n < 4; n++) {
      expect((await rename(n % 2 ? alice : elsewhere)).status).toBe(200)
      const { username } = (await alice.ask('getMe')).user
      expect((await rename(alice, username)).status).toBe(200)
    }
    expect((await rename(elsewhere)).status).toBe(429)
    const refused = await rename(alice)
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
    expect(refused.headers.has('retry-after')).toBe(true)
  })
})

describe('a password', () => {
  const register = (username: string, password: string) =>
    request(`${shared.node.url}/auth/register`, 'POST', { username, password })
  const name = () => `u${newId().slice(-10)}`

  test.each<[string, (name: string) => string]>([
    ['one of the most common ones', () => 'password'],
    ['one of them in capitals', () => 'PassWord'],
    ['of digits that everybody uses', () => '123456789'],
    ['the name', (name) => name],
    ['the name in capitals', (name) => name.toUpperCase()],
    ['the name reversed', (name) => [...name].reverse().join('')],
    ['the name doubled', (name) => name + name],
    ['the name and digits', (name) => `${name}2026`],
  ])('that is %s is refused at a sign-up and at a change, and named', async (_what, of) => {
    const username = name()
    const weak = {
      status: 422,
      body: {
        code: 'invalid',
        issues: [{ path: 'password', message: expect.any(String) as string }],
      },
    }
    expect(await register(username, of(username))).toMatchObject(weak)
    const alice = await signUp(shared.node)
    const change = await alice.rest('PUT', '/users/me/password', {
      current_password: alice.password,
      new_password: of(alice.user.username),
    })
    expect(change).toMatchObject(weak)
    expect((await alice.signIn()).user.id).toBe(alice.user.id)
  })

  test.each(['correct horse battery staple', 'my dog eats blue bicycles', 'pässwörter sind läng'])(
    'of several words is fine: %s',
    async (password) => {
      expect((await register(name(), password)).status).toBe(201)
    },
  )

  test('is not judged by a sign-in', async () => {
    const { status, body } = await request(`${shared.node.url}/auth/login`, 'POST', {
      username: name(),
      password: 'password',
    })
    expect([status, body.code]).toEqual([401, 'invalid_credentials'])
  })

  test('can’t be tried by changing it to itself, and tries at a change count as tries at a sign-in', async () => {
    const alice = await signUp(shared.node)
    const change = (current_password: string, new_password: string) =>
      alice.rest('PUT', '/users/me/password', { current_password, new_password })
    // the right one as the new one proves nothing
    expect((await change('a wrong guess', alice.password)).body.code).toBe('invalid_credentials')
    for (let n = 0; n < 9; n++)
      expect((await change(`wrong guess ${n}`, 'battery staple')).status).toBe(401)
    expect((await change('one more guess', 'battery staple')).status).toBe(429)
    const login = await request(`${shared.node.url}/auth/login`, 'POST', {
      username: alice.user.username,
      password: 'yet another guess',
    })
    expect(login.status).toBe(429)
  })
})

describe('a session', () => {
  test('gets a new id at a change of the password: a copy of its cookie is worth nothing, and its devices go on', async () => {
    const alice = await signUp(shared.node)
    const copy = alice.cookie
    await using device = await alice.device('account')
    await device.next('sync')
    const body = { current_password: alice.password, new_password: 'battery staple' }
    const { headers } = await alice.rest('PUT', '/users/me/password', body)
    expect(headers.getSetCookie()[0]).toMatch(/^lockstep_session=./)
    expect(alice.cookie).not.toBe(copy)
    const session = (await alice.ask('getMe')).session!
    expect(session).toEqual({ ...alice.session, id: expect.not.stringMatching(alice.session.id) })
    const created = await device.until('change', ({ op }) => op === 'session_created')
    expect(created.data).toEqual({ session, replaces: alice.session.id })
    const revoked = await device.until('change', ({ op }) => op === 'session_revoked')
    expect(revoked.data).toEqual({ session_id: alice.session.id, replaced_by: session.id })

    // a device that has the new cookie goes on; one that doesn't is told to come again, and gets
    // nothing
    await device.next('draining')
    await device.disconnected(6_000)
    const stale = await request(`${shared.node.url}/users/me`, 'GET', undefined, { cookie: copy })
    expect(stale).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated', retry_after_ms: expect.any(Number) as number },
    })
    for (const topic of ['account', 'conversations'] as const)
      await expect(Device.open(shared.node.url, copy, topic, {})).rejects.toMatchObject({
        data: { code: 'unauthenticated', retry_after_ms: expect.any(Number) as number },
      })
    await using again = await alice.device('account')
    await again.next('sync')
    expect((await alice.ask('listSessions')).items).toMatchObject([
      { id: session.id, current: true, online: true },
    ])
    await database.sessions.updateOne(
      { _id: alice.session.id },
      { $set: { expires_at: new Date() } },
    )
    const late = await request(`${shared.node.url}/users/me`, 'GET', undefined, { cookie: copy })
    expect([late.status, late.body.retry_after_ms]).toEqual([401, undefined])
  })

  test('ends when its browser signs in again, whoever that is; the cookie keeps its name', async () => {
    const [alice, bob] = [await signUp(shared.node), await signUp(shared.node)]
    const elsewhere = await alice.signIn()
    await using device = await elsewhere.device('account')
    const signIn = ({ user, password }: Person, cookie: string) =>
      request<{ session: { id: string } }>(
        `${shared.node.url}/auth/login`,
        'POST',
        { username: user.username, password },
        { cookie },
      )
    const again = await signIn(alice, alice.cookie)
    const { id } = again.body.session
    expect(cookieOf(again.headers)).toMatch(/^lockstep_session=./)
    const created = await device.until('change', ({ entity_id }) => entity_id === id)
    expect(created).toMatchObject({ op: 'session_created', data: { replaces: alice.session.id } })
    expect((await alice.rest('GET', '/users/me')).status).toBe(401)
    const ids = async () => (await elsewhere.ask('listSessions')).items.map(({ id }) => id)
    expect(await ids()).toEqual([id, elsewhere.session.id])

    const asBob = await signIn(bob, cookieOf(again.headers))
    expect(asBob.status).toBe(200)
    const ended = await device.until(
      'change',
      ({ op, entity_id }) => op === 'session_revoked' && entity_id === id,
    )
    expect(ended.data).toEqual({ session_id: id })
    expect(await ids()).toEqual([elsewhere.session.id])
    expect((await bob.ask('getMe')).user.id).toBe(bob.user.id) // another browser of his
  })

  test('a wrong password, or a cookie that is worth nothing, ends none', async () => {
    const alice = await signUp(shared.node)
    const login = (cookie: string, password: string) =>
      request(
        `${shared.node.url}/auth/login`,
        'POST',
        { username: alice.user.username, password },
        { cookie },
      )
    expect((await login(alice.cookie, 'a wrong guess')).status).toBe(401)
    expect((await login('lockstep_session=Fe26.2*forged', alice.password)).status).toBe(200)
    expect((await alice.ask('listSessions')).items).toHaveLength(2)
  })

  test('is listed with its device and the address from which it began, and told to the others', async () => {
    const alice = await signUp(shared.node)
    await using device = await alice.device('account')
    const phone = await alice.signIn()
    const told = await device.until('change', ({ op }) => op === 'session_created')
    const session = { id: phone.session.id, device: 'Node', address: '127.0.0.1' }
    expect(told.data).toMatchObject({ session })
    expect((await alice.ask('listSessions')).items[0]).toMatchObject(session)
    const { items } = await alice.ask('listActivity', { query: { topic: 'account' } })
    expect(items[0]).toMatchObject({ op: 'session_created', summary: 'Signed in on Node' })
  })
})

test('a session ends at its last day, however much it is used, and so do its sockets', async () => {
  let now = Date.now()
  const sessions = createSessions({
    database,
    secrets: ['a secret that only the tests know, 32+'],
    logger: createLogger('silent'),
    maxDays: 40,
    now: () => now,
  })
  const alice = await signUp(shared.node)
  const { _id } = await sessions.open(alice.user.id, { device: 'Node', address: '127.0.0.1' })
  const end = now + 40 * 86_400_000
  for (let day = 0; day < 40; day += 10) {
    const cookie = await sessions.cookie.issue(_id, false)
    const identity = await sessions.identify(cookie)
    expect(identity?.session_id, `on day ${day}`).toBe(_id)
    expect(identity!.expires_at.getTime()).toBeLessThanOrEqual(end)
    expect((await sessions.alive([_id])).get(_id)!.getTime()).toBeLessThanOrEqual(end)
    now += 10 * 86_400_000
    await database.sessions.updateOne({ _id }, { $set: { expires_at: new Date(now + 1e9) } })
  }
  expect(await sessions.identify(await sessions.cookie.issue(_id, false))).toBeUndefined()
  expect(await sessions.alive([_id])).toEqual(new Map())
})

test('a token of one’s own needs a sign-in within the last 10 minutes, because it outlives the session', async () => {
  const alice = await signUp(shared.node)
  await signedInAgo(alice, 11 * MINUTE_MS)
  const make = () => alice.rest('POST', '/users/me/tokens', { name: 'Left behind' })
  expect(await make()).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } })
  expect((await alice.ask('listTokens')).items).toEqual([])
  await alice.ask('confirm', { body: { password: alice.password } })
  expect((await make()).status).toBe(201)
})

test('an address that a visitor puts first in X-Forwarded-For is not believed', () => {
  const from = (trust: boolean | number | string, forwarded: string, remoteAddress = '10.0.0.1') =>
    createProxyTrust(trust).addressOf({
      headers: { 'x-forwarded-for': forwarded },
      socket: { remoteAddress },
    } as never)
  expect(from(true, '6.6.6.6, 203.0.113.7')).toBe('203.0.113.7')
  expect(from(1, '6.6.6.6, 203.0.113.7')).toBe('203.0.113.7')
  expect(from(2, '6.6.6.6, 203.0.113.7, 10.0.0.9')).toBe('203.0.113.7')
  expect(from('10.0.0.0/8', '6.6.6.6, 203.0.113.7, 10.0.0.9')).toBe('203.0.113.7')
  expect(from('10.0.0.0/8', '203.0.113.7', '198.51.100.1')).toBe('198.51.100.1')
  expect(from(false, '203.0.113.7')).toBe('10.0.0.1')
  expect(from(3, '203.0.113.7')).toBe('203.0.113.7')
  expect(from(true, '')).toBe('10.0.0.1')
  // whatever a proxy writes, one visitor is one address
  for (const form of [
    '203.0.113.7:1234',
    '"203.0.113.7:80"',
    '[::ffff:203.0.113.7]:1',
    '::ffff:cb00:7107',
  ])
    expect(networkOf(from(1, form)), form).toBe('203.0.113.7')
  for (const form of ['2001:db8::1', '[2001:DB8::2]:443', '2001:0db8:0:0:0::3', '2001:db8::4%eth0'])
    expect(networkOf(from(1, form)), form).toBe('2001:db8:0:0')
  // what is no address is nobody's: the visitors behind it count together
  for (const form of ['unknown', '_hidden', '1.2.3', '6.6.6.6, unknown', 'x'.repeat(9_000), '[]:1'])
    expect(from(2, form), form).toBe('10.0.0.1')
})

test('a request that a browser calls cross-site changes nothing, unless its Origin is allowed or it has a token', async () => {
  const alice = await signUp(shared.node)
  const put = (headers: Record<string, string>) =>
    alice.rest('PUT', '/users/me/preferences', { note: newId() }, headers)
  const crossSite = { 'sec-fetch-site': 'cross-site' }
  expect(await put(crossSite)).toMatchObject({ status: 403, body: { code: 'forbidden_origin' } })
  expect((await put({ ...crossSite, origin: shared.node.url })).status).toBe(200)
  for (const site of ['same-origin', 'none'])
    expect((await put({ 'sec-fetch-site': site })).status).toBe(200)
  // what no browser says of a page of this server, however it is written
  const odd = [
    'same-site',
    'Cross-Site',
    'cross-site, same-origin',
    'same-origin, cross-site',
    'x',
    '',
  ]
  for (const site of odd) {
    expect(await put({ 'sec-fetch-site': site }), site).toMatchObject({ status: 403 })
    expect((await put({ 'sec-fetch-site': site, origin: shared.node.url })).status).toBe(200)
  }
  expect((await alice.rest('GET', '/users/me', undefined, crossSite)).status).toBe(200)
  // no page of another site has a token, so nothing is done in the name of somebody who visits it
  const { token } = await alice.ask('createToken', { body: { name: 'Program' } })
  const byToken = { ...crossSite, cookie: '', authorization: `Bearer ${token}` }
  expect((await put(byToken)).status).toBe(200)
  expect((await put({ ...byToken, origin: 'https://evil.example' })).status).toBe(200)
})
