// What an operator's tools get, and what others get of it: logs, metrics, readiness.
import { MongoBulkWriteError, MongoServerError } from 'mongodb'
import { describe, expect, test } from 'vitest'
import { safeError } from '../../realtime/observability/safe-error.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode } from '../harness/node.ts'
import { request, signUp } from '../harness/person.ts'
import { expectProblem, serveHttp } from '../rest/http-fixture.ts'

const SECRET = 'what a person wrote'

describe('a log', () => {
  const written = new MongoBulkWriteError(
    {
      message: `E11000 duplicate key error collection: lockstep.messages dup key: { content: "${SECRET}" }`,
      code: 11_000,
      writeErrors: [{ err: { op: { content: SECRET } } }] as never,
    },
    { insertedIds: { 0: SECRET } } as never,
  )
  const refused = new MongoServerError({
    message: `Cannot apply $inc to a value of non-numeric type {content: '${SECRET}'}`,
    errorResponse: { value: SECRET },
    keyValue: { username: SECRET },
    code: 14,
  })
  const caused = new Error('the projection failed', { cause: written })
  const own = Object.assign(new Error('broken inside'), { body: SECRET, code: 'EBROKEN' })

  test.each([written, refused, caused, own])('has no text of a person: %#', (error) => {
    const { lines, logger } = recordingLogger()
    logger.error({ err: error, request_id: 'r' }, 'it failed')
    const line = lines.join('')
    expect(line).not.toContain(SECRET)
    expect(line).toContain('it failed')
    expect(line).toContain('operators.test.ts') // where it happened
  })

  test('says what kind of error it was, with its code and causes, and no more of what isn’t an error', () => {
    expect(safeError(written)).toMatchObject({ type: 'MongoBulkWriteError', code: 11_000 })
    expect(safeError(written).message).toMatch(/^E11000 duplicate key error/)
    expect(safeError(own)).toMatchObject({
      type: 'Error',
      message: 'broken inside',
      code: 'EBROKEN',
    })
    expect(safeError(caused)).toMatchObject({ cause: { type: 'MongoBulkWriteError' } })
    expect(safeError({ secret: SECRET })).toEqual({ type: 'object', message: 'not an error' })
  })
})

describe('the security log', () => {
  test('has a line for every sign-in, refusal and change of rights, with account and address, and no secret', async () => {
    const { lines, logger } = recordingLogger()
    logger.level = 'error'
    await using database = freshDatabase()
    await using node = await startNode(database, { options: { logger } })
    const security = () =>
      lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ log }) => log === 'security')
    const last = () => security().at(-1)
    const login = (username: string, password: string) =>
      request(`${node.url}/auth/login`, 'POST', { username, password })
    const alice = await signUp(node, 'alice')
    const { username, id: user_id } = alice.user
    const who = { account: username, user_id, address: '127.0.0.1' }
    expect(last()).toMatchObject({ event: 'signed_up', ...who, session_id: alice.session.id })
    await login(username, 'a wrong guess of hers')
    expect(last()).toMatchObject({
      event: 'sign_in_refused',
      account: username,
      address: '127.0.0.1',
      reason: 'invalid_credentials',
    })
    await login('her-password-in-the-wrong-field', 'x')
    expect(last()).toMatchObject({ event: 'sign_in_refused', account: null })
    const again = await alice.signIn()
    expect(last()).toMatchObject({ event: 'signed_in', ...who, session_id: again.session.id })
    await alice.rest('POST', '/auth/confirm', { password: 'a wrong guess of hers' })
    expect(last()).toMatchObject({ event: 'confirm_refused', ...who })
    await alice.ask('confirm', { body: { password: alice.password } })
    expect(last()).toMatchObject({ event: 'confirmed', ...who })
    await alice.ask('revokeSession', { params: { id: again.session.id } })
    expect(last()).toMatchObject({ event: 'session_ended', ...who })
    await alice.rest('PUT', '/users/me', { username: `${username}-2` })
    expect(last()).toMatchObject({ event: 'renamed', ...who })
    await again.rest('GET', '/users/me')
    expect(last()).toMatchObject({ event: 'request_refused', reason: 'unauthenticated' })
    await expect(again.device('account')).rejects.toThrow()
    expect(last()).toMatchObject({ event: 'handshake_refused', address: '127.0.0.1' })
    await alice.rest('PUT', '/users/me/preferences', {}, { origin: 'https://evil.example' })
    expect(last()).toMatchObject({ event: 'request_refused', reason: 'forbidden_origin' })
    const token = `${user_id}.a-secret-of-a-link`
    await request(`${node.url}/auth/reset`, 'POST', { token, password: 'battery staple' })
    expect(last()).toMatchObject({ event: 'password_reset_refused', address: '127.0.0.1' })
    const body = { current_password: alice.password, new_password: 'battery staple' }
    await alice.rest('PUT', '/users/me/password', body)
    expect(last()).toMatchObject({ event: 'password_changed', user_id })
    await alice.ask('deleteMe', { body: { password: 'battery staple' } })
    expect(last()).toMatchObject({ event: 'account_deleted', user_id })
    const all = lines.join('')
    for (const secret of [
      alice.password,
      'battery staple',
      'wrong guess',
      'wrong-field',
      'a-secret-of-a-link',
      alice.cookie.split('=')[1]!,
    ])
      expect(all).not.toContain(secret)
    for (const line of lines) expect(line.trim()).not.toContain('\n')
  })
})

describe('/metrics', () => {
  const config = {
    publicOrigins: [],
    trustProxy: false as const,
    metricsToken: 'a token of operators',
  }

  test('asks for a token where one is set, and the other routes don’t', async () => {
    await using http = await serveHttp({}, { config })
    const ask = (authorization?: string) =>
      request(`${http.url}/metrics`, 'GET', undefined, authorization ? { authorization } : {})
    for (const wrong of [undefined, 'Bearer', 'Bearer a token', 'Basic a token of operators']) {
      const reply = await ask(wrong)
      expectProblem(reply, 'unauthenticated', 401)
      expect(reply.headers.get('www-authenticate')).toBe('Bearer')
    }
    expect((await ask('Bearer a token of operators')).status).toBe(200)
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/asyncapi.json'])
      expect((await request(http.url + path, 'GET')).status).toBe(200)
  })

  test('and the other routes for operators are limited by address, except /healthz', async () => {
    await using http = await serveHttp(
      {},
      { settings: { ...httpSettings, addressRate: { rate: 0.1, burst: 4 } } },
    )
    const ask = (path: string) => request(http.url + path, 'GET')
    for (const path of ['/metrics', '/readyz', '/openapi.json', '/asyncapi.json'])
      expect((await ask(path)).status).toBe(200)
    for (const path of ['/metrics', '/readyz', '/openapi.json', '/asyncapi.json'])
      expectProblem(await ask(path), 'rate_limited', 429)
    expect((await ask('/healthz')).status).toBe(200)
  })
})
