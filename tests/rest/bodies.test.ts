// Which bodies are accepted, before any handler sees them.
import { describe, expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import { request } from '../harness/person.ts'
import { echo, expectProblem, json, serveHttp, signedIn } from './http-fixture.ts'

describe('bodies', () => {
  test.each([
    'application/json',
    'application/merge-patch+json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
  ])('come as %s', async (type) => {
    await using http = await serveHttp(echo)
    const reply = await request(`${http.url}/users/me/preferences`, 'PUT', '{"a":"ä"}', {
      ...signedIn,
      'content-type': type,
    })
    expect(reply).toMatchObject({ status: 200, body: { preferences: { a: 'ä' } } })
  })

  test.each([
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    'application/json; charset=latin1',
    'nonsense',
  ])('as %s are refused', async (type) => {
    await using http = await serveHttp(echo)
    const reply = await request(`${http.url}/users/me/preferences`, 'PUT', '{"a":1}', {
      ...signedIn,
      'content-type': type,
    })
    expectProblem(reply, 'invalid', 415)
  })

  test('without a content type are refused', async () => {
    await using http = await serveHttp(echo)
    const body = new TextEncoder().encode('{"a":1}')
    const response = await fetch(`${http.url}/users/me/preferences`, {
      method: 'PUT',
      body,
      headers: signedIn,
    })
    expect(response.status).toBe(415)
  })

  test.each(['{', '{"a":1}}', '{a:1}', "{'a':1}", 'NaN', '{"a":1,}', '\u0000'])(
    'of malformed JSON (%j) are refused',
    async (body) => {
      await using http = await serveHttp(echo)
      expectProblem(
        await request(`${http.url}/users/me/preferences`, 'PUT', body, json),
        'invalid',
        400,
      )
    },
  )

  test('that are not UTF-8 are refused', async () => {
    await using http = await serveHttp(echo)
    const latin = new Uint8Array([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xe4, 0x22, 0x7d])
    const response = await fetch(`${http.url}/users/me/preferences`, {
      method: 'PUT',
      body: latin,
      headers: json,
    })
    expect(response.status).toBe(400)
  })

  test.each([
    '[]',
    '1',
    '"a"',
    'null',
    'true',
    '{"__proto__":{"admin":true}}',
    '{"a":{"__proto__":null}}',
  ])('of another shape (%s) are refused', async (body) => {
    await using http = await serveHttp(echo)
    expectProblem(
      await request(`${http.url}/users/me/preferences`, 'PUT', body, json),
      'invalid',
      422,
    )
  })

  test('that are empty count as none, whatever their content type', async () => {
    await using http = await serveHttp(echo)
    for (const headers of [signedIn, json]) {
      expect((await request(`${http.url}/auth/logout`, 'POST', undefined, headers)).status).toBe(
        204,
      )
      const reply = await request(`${http.url}/auth/login`, 'POST', undefined, headers)
      expectProblem(reply, 'invalid', 422)
      expect(reply.body.issues).toMatchObject([{ path: 'username' }, { path: 'password' }])
    }
  })

  test('may only be an empty object if the route takes none', async () => {
    await using http = await serveHttp(echo)
    expect((await request(`${http.url}/auth/logout`, 'POST', '{}', json)).status).toBe(204)
    expectProblem(
      await request(`${http.url}/auth/logout`, 'POST', '{"everywhere":true}', json),
      'invalid',
      422,
    )
  })

  test('nested a hundred thousand levels deep are refused', async () => {
    await using http = await serveHttp(echo)
    const body = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    expectProblem(
      await request(`${http.url}/users/me/preferences`, 'PUT', body, json),
      'invalid',
      422,
    )
  })
})

describe('bodies that are too large', () => {
  const large = JSON.stringify({ a: 'x'.repeat(10 * 1024 * 1024) })

  test('are refused with their limit, and the connection stays open', async () => {
    await using http = await serveHttp(echo)
    for (let i = 0; i < 3; i++) {
      const reply = await request(`${http.url}/users/me/preferences`, 'PUT', large, json)
      expectProblem(reply, 'too_large', 413)
      expect(reply.body).toMatchObject({ limit_bytes: limits.bodyBytes })
      expect(reply.headers.get('connection')).not.toBe('close')
    }
    expect(
      (await request(`${http.url}/users/me/preferences`, 'GET', undefined, signedIn)).status,
    ).toBe(200)
  })

  test('are refused even without a Content-Length', async () => {
    await using http = await serveHttp(echo)
    const body = new Blob([large]).stream()
    const response = await fetch(`${http.url}/users/me/preferences`, {
      method: 'PUT',
      body,
      headers: json,
      duplex: 'half',
    } as RequestInit)
    expect(response.status).toBe(413)
  })

  test('are not even read if nobody is signed in', async () => {
    await using http = await serveHttp(echo)
    const { status } = await request(`${http.url}/users/me/preferences`, 'PUT', large, {
      ...json,
      cookie: 'bob',
    })
    expect(status).toBe(401)
  })

  test('are refused from one byte above the limit', async () => {
    await using http = await serveHttp({
      login: ({ body }) =>
        Promise.reject(new Fault('invalid_credentials', { detail: body.username })),
    })
    const at = (bytes: number) => {
      const frame = '{"username":"a","password":"b"}'
      return frame.slice(0, -1) + ' '.repeat(bytes - frame.length) + '}'
    }
    expect(
      (await request(`${http.url}/auth/login`, 'POST', at(limits.signInBytes), json)).status,
    ).toBe(401)
    expect(
      (await request(`${http.url}/auth/login`, 'POST', at(limits.signInBytes + 1), json)).status,
    ).toBe(413)
  })
})
