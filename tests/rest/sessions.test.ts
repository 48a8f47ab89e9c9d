import { parseSetCookie } from 'cookie'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { createSessionCookie } from '../../realtime/auth/session-cookie.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { request, signIn, signUp } from '../harness/person.ts'
import { eventually } from '../harness/eventually.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { expectProblem } from './http-fixture.ts'

const shared = sharedNodes()
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

describe('the list of sessions', () => {
  test('has every device, newest first, with its details', async () => {
    const laptop = await signUp(shared.node)
    const phone = await laptop.signIn()
    await using device = await phone.device('preferences')
    await device.next('sync')
    const { items, seq } = await laptop.ask('listSessions')
    expect(items).toMatchObject([
      { ...phone.session, current: false, online: true },
      { ...laptop.session, current: true, online: false },
    ])
    expect(seq).toBe(2)
  })

  test('is pushed to the other devices when it grows', async () => {
    const laptop = await signUp(shared.node)
    await using device = await laptop.device('account')
    await device.next('sync')
    const phone = await laptop.signIn()
    expect(await device.next('change')).toMatchObject({
      op: 'session_created',
      entity_id: phone.session.id,
      version: 1,
      actor: { session_id: phone.session.id },
      data: { session: phone.session },
    })
  })
})

describe('logging out', () => {
  test('ends this session and its sockets, and clears the cookie', async () => {
    const laptop = await signUp(shared.node)
    const phone = await laptop.signIn()
    await using lost = await phone.device('conversations')
    await using told = await laptop.device('account')
    await told.next('sync')
    const reply = await phone.rest('POST', '/auth/logout')
    expect(reply.status).toBe(204)
    expect(parseSetCookie(reply.headers.getSetCookie()[0]!)).toMatchObject({
      value: '',
      maxAge: 0,
      path: '/',
    })
    await lost.disconnected()
    expect(await told.next('change')).toMatchObject({
      op: 'session_revoked',
      entity_id: phone.session.id,
      version: 2,
    })
    expectProblem(await phone.rest('GET', '/users/me'), 'unauthenticated', 401)
    expectProblem(await phone.rest('POST', '/auth/logout'), 'unauthenticated', 401)
    expect((await laptop.ask('getMe')).user).toEqual(laptop.user)
  })
})

describe('DELETE /users/me/sessions/{id}', () => {
  test('signs a device out at once', async () => {
    const laptop = await signUp(shared.node)
    const phone = await laptop.signIn()
    await using lost = await phone.device('conversations')
    await laptop.ask('revokeSession', { params: { id: phone.session.id } })
    expectProblem(await phone.rest('GET', '/conversations'), 'unauthenticated', 401)
    await lost.disconnected()
    await expect(phone.device('conversations')).rejects.toMatchObject({
      data: { code: 'unauthenticated' },
    })
    expect((await laptop.ask('listSessions')).items).toMatchObject([{ id: laptop.session.id }])
  })

  test('is done once, and only a repeated request finds the session again', async () => {
    const laptop = await signUp(shared.node)
    const phone = await laptop.signIn()
    const path = `/users/me/sessions/${phone.session.id}`
    const headers = { 'idempotency-key': newId() }
    expect((await laptop.rest('DELETE', path, undefined, headers)).status).toBe(204)
    const { seq } = await laptop.ask('getMe')
    expect((await laptop.rest('DELETE', path, undefined, headers)).status).toBe(204)
    expectProblem(await laptop.rest('DELETE', path), 'not_found', 404)
    expect((await laptop.ask('getMe')).seq).toBe(seq)
  })

  test('of one’s own session is a logout', async () => {
    const alice = await signUp(shared.node)
    const reply = await alice.rest('DELETE', `/users/me/sessions/${alice.session.id}`)
    expect(reply.headers.getSetCookie()).toHaveLength(1)
    expectProblem(await alice.rest('GET', '/users/me'), 'unauthenticated', 401)
  })

  test('of another user’s session changes nothing', async () => {
    const [alice, bob] = await Promise.all([signUp(shared.node), signUp(shared.node)])
    await using device = await alice.device('preferences')
    expectProblem(
      await bob.rest('DELETE', `/users/me/sessions/${alice.session.id}`),
      'not_found',
      404,
    )
    expect((await alice.ask('getMe')).user).toEqual(alice.user)
    expect(device.connected).toBe(true)
  })

  test('works as a command of a socket too', async () => {
    const laptop = await signUp(shared.node)
    const phone = await laptop.signIn()
    await using device = await laptop.device('account')
    await device.done('revoke', { session_id: phone.session.id })
    expectProblem(await phone.rest('GET', '/users/me'), 'unauthenticated', 401)
    expect(await device.refused('revoke', { session_id: phone.session.id })).toMatchObject({
      code: 'not_found',
    })
    expect(await device.refused('revoke', { session_id: newId() })).toMatchObject({
      code: 'not_found',
    })
  })
})

describe('a new password', () => {
  const change = { current_password: '', new_password: 'a new horse' }

  test('takes effect at once and ends the other sessions', async () => {
    const laptop = await signUp(shared.node)
    const phone = await laptop.signIn()
    await using lost = await phone.device('conversations')
    await using told = await laptop.device('account')
    await told.next('sync')
    const body = { ...change, current_password: laptop.password }
    expect((await laptop.rest('PUT', '/users/me/password', body)).status).toBe(204)
    await lost.disconnected()
    expectProblem(await phone.rest('GET', '/users/me'), 'unauthenticated', 401)
    expect((await laptop.ask('listSessions')).items).toHaveLength(1)
    expect(await told.next('change')).toMatchObject({
      op: 'session_revoked',
      entity_id: phone.session.id,
    })
    expect(await told.next('change')).toMatchObject({
      op: 'password_changed',
      entity_id: laptop.user.id,
      data: {},
    })
    await expect(signIn(shared.node, laptop.user.username, laptop.password)).rejects.toThrow(
      'invalid_credentials',
    )
    await signIn(shared.node, laptop.user.username, change.new_password)
  })

  test('needs the current one', async () => {
    const alice = await signUp(shared.node)
    const phone = await alice.signIn()
    const reply = await alice.rest('PUT', '/users/me/password', {
      ...change,
      current_password: 'wrong horse',
    })
    expectProblem(reply, 'invalid_credentials', 401)
    expect((await phone.ask('getMe')).user).toEqual(alice.user)
    await alice.signIn()
  })

  test('is changed once by a repeated request', async () => {
    const alice = await signUp(shared.node)
    const body = { ...change, current_password: alice.password }
    const headers = { 'idempotency-key': newId() }
    expect((await alice.rest('PUT', '/users/me/password', body, headers)).status).toBe(204)
    const { seq } = await alice.ask('getMe')
    const other = { ...body, new_password: 'yet another one' }
    expectProblem(await alice.rest('PUT', '/users/me/password', other, headers), 'invalid', 422)
    expect((await alice.rest('PUT', '/users/me/password', body, headers)).status).toBe(204)
    expect((await alice.ask('getMe')).seq).toBe(seq)
    const later = { current_password: change.new_password, new_password: 'the newest horse' }
    await alice.ask('changePassword', { body: later })
    expect((await alice.rest('PUT', '/users/me/password', body, headers)).status).toBe(204)
    await signIn(shared.node, alice.user.username, later.new_password)
  })

  test('needs the current one, and guessing is limited as at a sign-in', async () => {
    const alice = await signUp(shared.node)
    const guess = () =>
      alice.rest('PUT', '/users/me/password', { ...change, current_password: 'wrong horse' })
    for (let i = 0; i < 10; i++) expect((await guess()).status).toBe(401)
    expectProblem(await guess(), 'rate_limited', 429)
    expectProblem(
      await alice.rest('DELETE', '/users/me', { password: alice.password }),
      'rate_limited',
      429,
    )
  })
})

describe('a session', () => {
  const seal = (secret: string, session_id: string) =>
    createSessionCookie([secret]).issue(session_id, false)

  test('is not found by a cookie of another secret', async () => {
    const alice = await signUp(shared.node)
    const forged = (await seal('a secret that nobody here ever used', alice.session.id)).split(
      ';',
    )[0]!
    expectProblem(
      await request(`${shared.node.url}/users/me`, 'GET', undefined, { cookie: forged }),
      'unauthenticated',
      401,
    )
    const body = { title: 'forged' }
    expectProblem(
      await request(`${shared.node.url}/conversations`, 'POST', body, { cookie: forged }),
      'unauthenticated',
      401,
    )
    expect((await alice.ask('listConversations')).items).toEqual([])
  })

  test('is found after junk cookies of the same name and cookies of ended sessions', async () => {
    const alice = await signUp(shared.node)
    const phone = await alice.signIn()
    await phone.ask('logout')
    const cookie = `lockstep_session=junk; ${phone.cookie}; lockstep_session=; ${alice.cookie}`
    const { status, body } = await request(`${shared.node.url}/users/me`, 'GET', undefined, {
      cookie,
    })
    expect([status, (body.session as { id: string }).id]).toEqual([200, alice.session.id])
  })

  test('that has expired is dead even before the database removes it', async () => {
    const alice = await signUp(shared.node)
    await database.sessions.updateOne(
      { _id: alice.session.id },
      { $set: { expires_at: new Date(Date.now() - 1) } },
    )
    expectProblem(await alice.rest('GET', '/users/me'), 'unauthenticated', 401)
    const other = await alice.signIn()
    expect((await other.ask('listSessions')).items).toMatchObject([{ id: other.session.id }])
  })

  test('is renewed by use, at most once a minute', async () => {
    const alice = await signUp(shared.node)
    const read = () => database.sessions.findOne({ _id: alice.session.id })
    const set = (last_seen_at: Date) =>
      database.sessions.updateOne({ _id: alice.session.id }, { $set: { last_seen_at } })
    const fresh = await read()
    const long = new Date(Date.now() - 61_000)
    await set(long)
    await alice.ask('getMe')
    const renewed = await eventually(async () => {
      const now = await read()
      return now !== null && now.last_seen_at > long && now
    })
    expect(renewed.expires_at.getTime()).toBeGreaterThan(fresh!.expires_at.getTime())
    const recent = new Date(Date.now() - 50_000)
    await set(recent)
    for (let i = 0; i < 3; i++) await alice.ask('getMe')
    expect((await read())!.last_seen_at).toEqual(recent)
  })

  test('is not revived by its renewal', async () => {
    const alice = await signUp(shared.node)
    const phone = await alice.signIn()
    await database.sessions.updateOne(
      { _id: phone.session.id },
      { $set: { last_seen_at: new Date(0) } },
    )
    await Promise.all([
      phone.rest('GET', '/users/me'),
      alice.ask('revokeSession', { params: { id: phone.session.id } }),
    ])
    expectProblem(await phone.rest('GET', '/users/me'), 'unauthenticated', 401)
    expect(await database.sessions.findOne({ _id: phone.session.id })).toBeNull()
  })
})
