import { parseSetCookie } from 'cookie'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { cookieOf, request, signIn, signUp } from '../harness/person.ts'
import { expectProblem } from './http-fixture.ts'

const database = freshDatabase()
let node: TestNode
beforeAll(async () => {
  node = await startNode(database)
})
afterAll(async () => {
  await node.stop()
  await database[Symbol.asyncDispose]()
})

const register = (body: unknown, headers?: Record<string, string>) =>
  request(`${node.url}/auth/register`, 'POST', body, headers)
const login = (body: unknown, headers?: Record<string, string>) =>
  request(`${node.url}/auth/login`, 'POST', body, headers)

describe('POST /auth/register', () => {
  test('makes an account and signs it in', async () => {
    const username = `carol.${newId()}`
    const reply = await register(
      { username, password: 'correct horse' },
      { 'user-agent': 'curl/8.1' },
    )
    expect(reply.status).toBe(201)
    expect(reply.body).toMatchObject({ user: { username }, session: { device: 'curl' } })
    const [cookie] = reply.headers.getSetCookie().map((value) => parseSetCookie(value))
    expect(cookie).toMatchObject({
      name: 'lockstep_session',
      httpOnly: true,
      sameSite: 'lax',
      path: '/',
    })
    expect(cookie!.secure).toBeUndefined()
    const me = await request(`${node.url}/users/me`, 'GET', undefined, {
      cookie: cookieOf(reply.headers),
    })
    expect(me.body).toMatchObject({ ...reply.body, seq: 1, epoch: expect.any(String) })
  })

  test('folds the name, which is then taken in upper and lower case', async () => {
    const name = newId().slice(-12)
    const { body } = await register({ username: `DAVE-${name}`, password: 'correct horse' })
    expect(body).toMatchObject({ user: { username: `dave-${name}` } })
    const again = await register({ username: `Dave-${name}`, password: 'another one' })
    expectProblem(again, 'username_taken', 409)
    expect(again.headers.getSetCookie()).toEqual([])
  })

  test('gives a name to only one of many simultaneous requests', async () => {
    const username = `erin-${newId()}`
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => register({ username, password: newId() })),
    )
    expect(replies.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)])
  })

  test.each([
    ['ab', 'username'],
    ['a'.repeat(65), 'username'],
    ['with space', 'username'],
    ['sneaky$ne', 'username'],
    ['ümlaut', 'username'],
    ['new\nline', 'username'],
  ])('refuses the name %j', async (username) => {
    const reply = await register({ username, password: 'correct horse' })
    expectProblem(reply, 'invalid', 422)
    expect(reply.body.issues).toMatchObject([{ path: 'username' }])
  })

  test('takes passwords of 8 to 256 characters of any kind', async () => {
    const with_ = (password: unknown) => register({ username: `p-${newId()}`, password })
    for (const bad of [
      '1234567',
      '🐎'.repeat(7),
      'x'.repeat(257),
      '',
      12345678,
      null,
      '\ud800aaaaaaaa',
    ])
      expectProblem(await with_(bad), 'invalid', 422)
    for (const good of ['7!kq0%pw', '🐎'.repeat(8), '🐎'.repeat(256), '        ', '$gt.__proto__'])
      expect((await with_(good)).status).toBe(201)
  })

  test('is not repeated with the same Idempotency-Key and returns the first outcome', async () => {
    const username = `frank-${newId()}`
    const key = { 'idempotency-key': newId() }
    const first = await register({ username, password: 'correct horse' }, key)
    const again = await register({ username, password: 'correct horse' }, key)
    expect(again.status).toBe(201)
    expect(again.body).toEqual(first.body)
    const wrong = await register({ username, password: 'wrong horse' }, key)
    expect(wrong.status).toBe(401)
    expectProblem(
      await register({ username, password: 'correct horse' }, { 'idempotency-key': newId() }),
      'username_taken',
      409,
    )
  })
})

describe('POST /auth/login', () => {
  test('signs another device in', async () => {
    const alice = await signUp(node)
    const reply = await login({
      username: alice.user.username.toUpperCase(),
      password: alice.password,
    })
    expect(reply.status).toBe(200)
    expect(reply.body).toMatchObject({ user: alice.user })
    const other = await signIn(node, alice.user.username, alice.password)
    expect(other.session.id).not.toBe(alice.session.id)
    expect((await other.ask('getMe')).user).toEqual(alice.user)
  })

  test('does not tell an unknown user from a wrong password', async () => {
    const alice = await signUp(node)
    const wrong = await login({ username: alice.user.username, password: 'wrong horse' })
    const unknown = await login({ username: `nobody-${newId()}`, password: 'wrong horse' })
    const short = await login({ username: 'a', password: '' })
    for (const reply of [wrong, unknown, short]) {
      expectProblem(reply, 'invalid_credentials', 401)
      expect(reply.body).toEqual(wrong.body)
      expect(reply.headers.getSetCookie()).toEqual([])
    }
  })

  test('rejects a lone surrogate in a name and in a password, as nobody can have registered it', async () => {
    for (const half of [
      '{"username":"alice","password":"\\ud83d"}',
      '{"username":"\\ud83d","password":"correct horse"}',
    ])
      for (const path of ['/auth/register', '/auth/login'])
        expectProblem(await request(node.url + path, 'POST', half), 'invalid', 422)
  })

  test('sets a Secure cookie if every page is served over https, even if the request was not', async () => {
    await using secure = await startNode(database, { publicOrigins: ['https://chat.example.org'] })
    const body = { username: `secure-${newId()}`, password: 'correct horse' }
    const { headers } = await request(`${secure.url}/auth/register`, 'POST', body)
    expect(headers.getSetCookie()[0]).toMatch(/; Secure/)
  })

  test('is limited after ten wrong passwords and says when to try again', async () => {
    const alice = await signUp(node)
    const guess = () => login({ username: alice.user.username, password: 'wrong horse' })
    for (let i = 0; i < 10; i++) expect((await guess()).status).toBe(401)
    const refused = await guess()
    expectProblem(refused, 'rate_limited', 429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(refused.body.retry_after_ms).toBeGreaterThan(0)
    const right = await login({ username: alice.user.username, password: alice.password })
    expectProblem(right, 'rate_limited', 429)
    const bob = await signUp(node)
    expect((await bob.signIn()).user).toEqual(bob.user)
  })

  test('is not repeated with the same Idempotency-Key', async () => {
    const alice = await signUp(node)
    const key = { 'idempotency-key': newId() }
    const credentials = { username: alice.user.username, password: alice.password }
    const [one, two] = await Promise.all([login(credentials, key), login(credentials, key)])
    const three = await login(credentials, key)
    expect(one.body).toEqual(two.body)
    expect(three.body).toEqual(two.body)
    expect((await alice.ask('listSessions')).items).toHaveLength(2)
  })
})

describe('GET and PUT /users/me', () => {
  test('need a session', async () => {
    for (const [method, body] of [
      ['GET', undefined],
      ['PUT', { username: 'x-y-z' }],
    ] as const)
      expectProblem(await request(`${node.url}/users/me`, method, body), 'unauthenticated', 401)
  })

  test('a new name is shown and pushed to the devices', async () => {
    const alice = await signUp(node)
    await using device = await alice.device('account')
    await device.next('sync')
    const username = `renamed-${newId()}`
    const { user } = await alice.ask('renameMe', { body: { username } })
    expect(user).toEqual({ ...alice.user, username })
    const me = await alice.ask('getMe')
    expect(me.user).toEqual(user)
    const change = await device.next('change')
    expect(change).toMatchObject({
      op: 'renamed',
      entity_id: alice.user.id,
      version: 2,
      seq: me.seq,
      data: { username },
    })
    expect((await login({ username, password: alice.password })).status).toBe(200)
    expect((await login({ username: alice.user.username, password: alice.password })).status).toBe(
      401,
    )
  })

  test('the result of GET can be PUT and changes nothing', async () => {
    const alice = await signUp(node)
    const before = await alice.ask('getMe')
    expect(await alice.ask('renameMe', { body: before.user })).toEqual({ user: before.user })
    expect(await alice.ask('getMe')).toEqual(before)
  })

  test('a name that is taken is refused', async () => {
    const [alice, bob] = await Promise.all([signUp(node), signUp(node)])
    expectProblem(
      await alice.rest('PUT', '/users/me', { username: bob.user.username }),
      'username_taken',
      409,
    )
    expect((await alice.ask('getMe')).user).toEqual(alice.user)
  })

  test('a repeated rename returns the first outcome and does not undo a later one', async () => {
    const alice = await signUp(node)
    const [one, two] = [`one-${newId()}`, `two-${newId()}`]
    const headers = { 'idempotency-key': newId() }
    await alice.ask('renameMe', { body: { username: one }, headers })
    await alice.ask('renameMe', { body: { username: two } })
    const { seq } = await alice.ask('getMe')
    expect(await alice.ask('renameMe', { body: { username: one }, headers })).toMatchObject({
      user: { username: two },
    })
    expect(await alice.ask('getMe')).toMatchObject({ seq, user: { username: two } })
    expectProblem(
      await alice.rest('PUT', '/users/me', { username: `x-${newId()}` }, headers),
      'invalid',
      422,
    )
  })
})
