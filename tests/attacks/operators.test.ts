// What an operator's tools get, and what others get of it: logs, metrics, readiness.
import { MongoBulkWriteError, MongoServerError } from 'mongodb'
import { describe, expect, test } from 'vitest'
import { safeError } from '../../realtime/observability/safe-error.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { request } from '../harness/person.ts'
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

  test('and the other routes for operators are limited by address; whether the process lives is not', async () => {
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
