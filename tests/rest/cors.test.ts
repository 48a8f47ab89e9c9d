// Pages of other origins: those in PUBLIC_ORIGIN may read responses, and no others may.
import { beforeAll, describe, expect, test } from 'vitest'
import { routes } from '@lockstep/protocol/rest'
import { request, signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { echo, serveHttp } from './http-fixture.ts'

const [first, second] = ['https://chat.example.org', 'http://second.example:8080']
const shared = sharedNodes(1, { publicOrigins: [first, second] })
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})

/** The headers by which a browser lets a page read a response. */
const corsOf = (headers: Headers) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')))
const readable = (origin: string) => ({
  'access-control-allow-origin': origin,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'ETag, Retry-After',
})

/** A request for every kind of response: a success, faults of each layer, pages and tools. */
const requests: [status: number, method: string, path: string, body?: string][] = [
  [200, 'GET', '/users/me/preferences'],
  [200, 'PUT', '/users/me/preferences', '{}'],
  [201, 'POST', '/conversations', '{}'],
  [400, 'POST', '/conversations', '{'],
  [422, 'POST', '/conversations', '{"x":1}'],
  [404, 'GET', '/conversations/00000000-0000-7000-8000-000000000000'],
  [404, 'GET', '/nothing'],
  [404, 'OPTIONS', '/nothing'],
  [422, 'GET', '/conversations/%E0%A4%A'],
  [422, 'GET', `/conversations/${'x'.repeat(1_000)}`],
  [413, 'POST', '/auth/login', `"${'x'.repeat(2_100_000)}"`],
  [200, 'GET', '/healthz'],
  [200, 'GET', '/openapi.json'],
]

describe.each([first, second])('a page of %s in PUBLIC_ORIGIN', (origin) => {
  test.each(requests)('may read a %i response to %s %s', async (status, method, path, body) => {
    const reply = await alice.rest(method, path, body, { origin })
    expect(reply.status).toBe(status)
    expect(corsOf(reply.headers)).toEqual(readable(origin))
    expect(reply.headers.get('vary')).toMatch(/\bOrigin\b/)
  })

  test('may read that it isn’t signed in', async () => {
    const reply = await request(`${shared.node.url}/users/me`, 'GET', undefined, { origin })
    expect(reply.status).toBe(401)
    expect(corsOf(reply.headers)).toEqual(readable(origin))
  })

  test('gets a 204 to the preflight of every route, without a sign-in', async () => {
    for (const { method, path } of Object.values(routes)) {
      const { status, headers, body } = await request(
        shared.node.url + path,
        'OPTIONS',
        undefined,
        {
          origin,
          'access-control-request-method': method,
          'access-control-request-headers':
            'authorization,content-type,idempotency-key,if-match,if-none-match,lockstep-user',
        },
      )
      expect(status, path).toBe(204)
      expect(body).toBe('')
      const cors = corsOf(headers)
      expect(cors).toMatchObject(readable(origin))
      expect(cors['access-control-allow-methods']!.split(', ')).toContain(method)
      expect(cors['access-control-allow-headers']!.split(', ').toSorted()).toEqual([
        'authorization',
        'content-type',
        'idempotency-key',
        'if-match',
        'if-none-match',
        'lockstep-user',
      ])
    }
  })
})

describe.each([
  'https://evil.example',
  'https://chat.example.org.evil.example',
  'https://sub.chat.example.org',
  'http://chat.example.org',
  'null',
  '*',
])('a page of %s', (origin) => {
  test.each(requests)(
    'gets no header beside the %i response to %s %s',
    async (_status, ...asked) => {
      const [method, path, body] = asked
      const reply = await alice.rest(method, path, body, { origin })
      expect(corsOf(reply.headers)).toEqual({})
      expect(reply.headers.get('vary')).toMatch(/\bOrigin\b/)
    },
  )

  test('gets nothing from a preflight', async () => {
    const reply = await alice.rest('OPTIONS', '/users/me/preferences', undefined, {
      origin,
      'access-control-request-method': 'PUT',
    })
    expect(reply.status).toBe(404)
    expect(corsOf(reply.headers)).toEqual({})
  })
})

test('without PUBLIC_ORIGIN no origin gets a header', async () => {
  await using http = await serveHttp(echo)
  const { headers } = await request(`${http.url}/users/me`, 'GET', undefined, { origin: http.url })
  expect(corsOf(headers)).toEqual({})
})

test('FRAME_ANCESTORS names the origins that may show the page in a frame', async () => {
  const frameAncestors = ['https://intranet.example.org', 'https://wiki.example.org']
  const config = { publicOrigins: [], trustProxy: false, frameAncestors }
  await using http = await serveHttp(echo, { config })
  const { headers } = await request(`${http.url}/`, 'GET')
  expect(headers.get('content-security-policy')).toContain(
    'frame-ancestors https://intranet.example.org https://wiki.example.org',
  )
  expect(headers.get('x-frame-options')).toBeNull()
})
