// What happens to every request before and after its handler.
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { request } from '../harness/person.ts'
import {
  alice,
  echo,
  expectProblem,
  json,
  serveHttp,
  sessionsFor,
  signedIn,
} from './http-fixture.ts'

describe('API-8: the origin of a request', () => {
  test.each(['https://evil.example', 'null', 'http://127.0.0.1:1'])(
    '%s may change nothing',
    async (origin) => {
      await using http = await serveHttp(echo)
      const headers = { ...json, origin }
      expectProblem(
        await request(`${http.url}/users/me/preferences`, 'PUT', '{}', headers),
        'forbidden_origin',
        403,
      )
      expectProblem(
        await request(`${http.url}/auth/login`, 'POST', '{}', headers),
        'forbidden_origin',
        403,
      )
      expectProblem(
        await request(`${http.url}/nothing`, 'POST', '{}', headers),
        'forbidden_origin',
        403,
      )
      expect(
        (await request(`${http.url}/users/me/preferences`, 'GET', undefined, headers)).status,
      ).toBe(200)
    },
  )

  test('of the server’s own host with either scheme, or of a program, is allowed', async () => {
    await using http = await serveHttp(echo)
    for (const origin of [http.url, http.url.replace('http:', 'https:'), undefined]) {
      const headers: Record<string, string> = { ...json, ...(origin && { origin }) }
      expect((await request(`${http.url}/users/me/preferences`, 'PUT', '{}', headers)).status).toBe(
        200,
      )
    }
  })

  test('must be listed if origins are configured', async () => {
    const config = { publicOrigins: ['https://chat.example.org'], trustProxy: false }
    await using http = await serveHttp(echo, { config })
    const put = async (origin: string) =>
      (await request(`${http.url}/users/me/preferences`, 'PUT', '{}', { ...json, origin })).status
    expect(await put('https://chat.example.org')).toBe(200)
    expect(await put(http.url)).toBe(403)
  })

  test('must have the scheme that a trusted proxy reports', async () => {
    await using http = await serveHttp(echo, { config: { publicOrigins: [], trustProxy: true } })
    const put = async (origin: string) => {
      const headers = { ...json, origin, 'x-forwarded-proto': 'https' }
      return (await request(`${http.url}/users/me/preferences`, 'PUT', '{}', headers)).status
    }
    expect(await put(http.url.replace('http:', 'https:'))).toBe(200)
    expect(await put(http.url)).toBe(403)
  })
})

describe('API-9: the user of a request', () => {
  test('must be signed in before anything else is checked', async () => {
    await using http = await serveHttp(echo)
    for (const cookie of ['', 'bob', 'lockstep_session=x'])
      expectProblem(
        await request(`${http.url}/users/me/preferences`, 'PUT', '{', { ...json, cookie }),
        'unauthenticated',
        401,
      )
  })

  test('must be the user whose state the client holds', async () => {
    await using http = await serveHttp(echo)
    const get = (holder: string) =>
      request(`${http.url}/users/me/preferences`, 'GET', undefined, {
        ...signedIn,
        'lockstep-user': holder,
      })
    expect((await get(alice.user_id)).status).toBe(200)
    expectProblem(await get(newId()), 'unauthenticated', 401)
  })

  test('gets a new cookie if the old one is a day old', async () => {
    await using http = await serveHttp(echo, {
      sessions: sessionsFor({ ...alice, stale_cookie: true }),
    })
    const { headers } = await request(
      `${http.url}/users/me/preferences`,
      'GET',
      undefined,
      signedIn,
    )
    expect(headers.getSetCookie()).toEqual([
      expect.stringMatching(/^lockstep_session=.+HttpOnly.+SameSite=Lax/),
    ])
  })

  test('gets no new cookie otherwise', async () => {
    await using http = await serveHttp(echo)
    const { headers } = await request(
      `${http.url}/users/me/preferences`,
      'GET',
      undefined,
      signedIn,
    )
    expect(headers.getSetCookie()).toEqual([])
  })

  test('gets a Secure cookie behind a trusted proxy that speaks https', async () => {
    const deps = { sessions: sessionsFor({ ...alice, stale_cookie: true }) }
    const forwarded = { ...signedIn, 'x-forwarded-proto': 'https' }
    for (const trustProxy of [true, false]) {
      await using http = await serveHttp(echo, {
        ...deps,
        config: { publicOrigins: [], trustProxy },
      })
      const { headers } = await request(
        `${http.url}/users/me/preferences`,
        'GET',
        undefined,
        forwarded,
      )
      expect(/; Secure/.test(headers.getSetCookie()[0]!)).toBe(trustProxy)
    }
  })
})

describe('responses', () => {
  test('with an entity have its version as ETag, and are never stored', async () => {
    await using http = await serveHttp(echo)
    const { headers } = await request(
      `${http.url}/users/me/preferences`,
      'GET',
      undefined,
      signedIn,
    )
    expect(headers.get('etag')).toBe('"3"')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('content-type')).toMatch(/^application\/json/)
  })

  test('to HEAD equal those to GET without the body', async () => {
    await using http = await serveHttp(echo)
    const head = (headers: Record<string, string>) =>
      fetch(`${http.url}/users/me/preferences`, { method: 'HEAD', headers })
    const answer = await head(signedIn)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('')
    expect(answer.headers.get('etag')).toBe('"3"')
    expect((await head({})).status).toBe(401)
  })

  test('reveal nothing of an internal error', async () => {
    const broken = () => Promise.reject(new Error('password=hunter2 at mongodb://10.0.0.1'))
    await using http = await serveHttp({ getPreferences: broken })
    const reply = await request(`${http.url}/users/me/preferences`, 'GET', undefined, signedIn)
    expectProblem(reply, 'internal', 500)
    expect(JSON.stringify(reply.body)).not.toMatch(/hunter2|mongodb|stack|Error/)
  })

  test.each([
    ['rate_limited', 429],
    ['unavailable', 503],
  ] as const)('that say %s say when to come back', async (code, status) => {
    await using http = await serveHttp({
      getPreferences: () => Promise.reject(new Fault(code, { retry_after_ms: 2_100 })),
    })
    const reply = await request(`${http.url}/users/me/preferences`, 'GET', undefined, signedIn)
    expectProblem(reply, code, status)
    expect(reply.headers.get('retry-after')).toBe('3')
    expect(reply.body.retry_after_ms).toBe(2_100)
  })
})

describe('addresses', () => {
  test.each([
    ['GET', '/nothing'],
    ['POST', '/users/me'],
    ['PATCH', '/users/me/preferences'],
    ['OPTIONS', '/users/me/preferences'],
    ['GET', '/users/me/preferences/'],
    ['GET', '/conversations'],
    ['GET', '/app.html'],
    ['GET', '/assets/../../package.json'],
  ])('%s %s is not there', async (method, path) => {
    await using http = await serveHttp(echo)
    expectProblem(await request(http.url + path, method, undefined, signedIn), 'not_found', 404)
  })

  test.each([
    'x',
    '1',
    '%00',
    '../me',
    `${newId()}0`,
    'x'.repeat(1_000),
    '%E0%A4%A',
    '%7B%22$ne%22:1%7D',
  ])('with an id like %s are invalid or nothing, and never more', async (id) => {
    await using http = await serveHttp(echo)
    const reply = await request(`${http.url}/conversations/${id}`, 'GET', undefined, signedIn)
    if (id === '../me') expectProblem(reply, 'not_found', 404)
    else expectProblem(reply, 'invalid', 422)
  })

  test('with a query that the route does not have are invalid', async () => {
    await using http = await serveHttp(echo)
    for (const query of ['?x=1', '?limit=5', '?__proto__=1', '?q[$ne]=1'])
      expectProblem(
        await request(`${http.url}/users/me/preferences${query}`, 'GET', undefined, signedIn),
        'invalid',
        422,
      )
    for (const query of [
      '?limit=0',
      '?limit=501',
      '?limit=x',
      '?limit=',
      '?limit=1&limit=2',
      '?before=0',
      '?state=all',
    ])
      expectProblem(
        await request(`${http.url}/conversations/${newId()}${query}`, 'GET', undefined, signedIn),
        'invalid',
        422,
      )
  })
})

/** The response to a raw TCP client. */
async function raw(port: number, sent: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(sent)
  return text(socket)
}

describe('input that is not HTTP', () => {
  test('gets a problem, and its connection is closed', async () => {
    await using http = await serveHttp(echo)
    const answer = await raw(http.port, 'GARBAGE\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('"code":"invalid"')
  })

  test('is too large if its headers exceed 16 KB', async () => {
    await using http = await serveHttp(echo)
    const answer = await raw(
      http.port,
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
    expect(answer).toContain('"code":"too_large"')
  })
})
