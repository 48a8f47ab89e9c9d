// A client that sends too many requests is told to wait, and nobody else notices.
import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { MAX_IN_MEMORY_BYTES } from '../../realtime/commands/import/import-body.ts'
import type { Handlers } from '../../realtime/http/route-handler.ts'
import type { HttpDeps } from '../../realtime/http/http.ts'
import { httpSettings, type HttpSettings } from '../../realtime/http/settings.ts'
import { eventually } from '../harness/eventually.ts'
import { request } from '../harness/person.ts'
import { alice, echo, expectProblem, serveHttp, sessionsFor, signedIn } from './http-fixture.ts'

const bob = { ...alice, user_id: newId(), username: 'bob' }
const asBob = { cookie: 'bob' }
const carol = { ...alice, user_id: newId(), username: 'carol' }
const dave = { ...alice, user_id: newId(), username: 'dave' }
const sessions: HttpDeps['sessions'] = {
  ...sessionsFor(alice),
  identify: (cookie) => Promise.resolve({ alice, bob, carol, dave }[cookie ?? '']),
}
const result = { created: 1, updated: 0, skipped: 0, failed: [] }
const handlers: Handlers = { ...echo, importMe: () => Promise.resolve(result) }
const serveWith = (settings: Partial<HttpSettings>, served = handlers) =>
  serveHttp(served, {
    sessions,
    config: { publicOrigins: [], trustProxy: true },
    settings: {
      ...httpSettings,
      ...settings,
      timings: { ...httpSettings.timings, ...settings.timings },
    },
  })

describe('requests', () => {
  const few = { rate: 0.1, burst: 3 }

  test('of one user are limited from all addresses together, and those of others are not', async () => {
    await using http = await serveWith({ userRate: few, addressRate: few })
    const ask = (headers: Record<string, string>, from = '10.0.0.1') =>
      request(`${http.url}/users/me/preferences`, 'GET', undefined, {
        ...headers,
        'x-forwarded-for': from,
      })
    for (let i = 0; i < 3; i++) expect((await ask(signedIn, `10.0.0.${i}`)).status).toBe(200)
    const refused = await ask(signedIn, '10.0.0.9')
    expectProblem(refused, 'rate_limited', 429)
    expect(refused.body.retry_after_ms).toBeGreaterThan(1_000)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1)
    expectProblem(await ask({ ...signedIn, 'lockstep-user': newId() }), 'rate_limited', 429)
    expect((await ask(asBob)).status).toBe(200)
  })

  test('without a sign-in are limited by address, and keep out nobody who is signed in there', async () => {
    await using http = await serveWith({ userRate: few, addressRate: few })
    const ask = (
      method: string,
      path: string,
      headers: Record<string, string> = {},
      from = '2001:db8::1',
    ) => request(http.url + path, method, undefined, { ...headers, 'x-forwarded-for': from })
    expectProblem(await ask('GET', '/users/me'), 'unauthenticated', 401)
    expectProblem(await ask('GET', '/conversations', { cookie: 'forged' }), 'unauthenticated', 401)
    expectProblem(await ask('POST', '/auth/login'), 'invalid', 422)
    expectProblem(await ask('GET', '/users/me', {}, '2001:db8::2'), 'rate_limited', 429)
    expectProblem(await ask('POST', '/auth/login'), 'rate_limited', 429)
    expectProblem(await ask('GET', '/users/me', {}, '2001:db8:1::1'), 'unauthenticated', 401)
    expect((await ask('GET', '/users/me/preferences', signedIn)).status).toBe(200)
    expect((await ask('GET', '/healthz')).status).toBe(200)
  })

  test('at the rate of a busy page are not limited', async () => {
    await using http = await serveWith({})
    const asked = Array.from({ length: 500 }, () =>
      request(`${http.url}/users/me/preferences`, 'GET', undefined, signedIn),
    )
    for (const { status } of await Promise.all(asked)) expect(status).toBe(200)
  })
})

test('large answers of one user wait when they are too much, read or not, and nobody else’s do', async () => {
  const gate = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  const answer = { preferences: { note: 'x'.repeat(100_000) }, version: 1, epoch: '1', seq: 1 }
  await using http = await serveWith(
    { answerBytes: { rate: 1, burst: 150_000 } },
    {
      ...echo,
      getPreferences: () => Promise.resolve(answer),
      listSessions: async (_input, { response }) => {
        response.abandoned().addEventListener('abort', () => left.resolve())
        asked.resolve()
        await gate.promise
        return { items: [{ device: 'x'.repeat(300_000) }] } as never
      },
    },
  )
  const ask = (headers: Record<string, string>, signal?: AbortSignal) =>
    fetch(`${http.url}/users/me/preferences`, { headers, ...(signal && { signal }) })
  for (let n = 0; n < 2; n++)
    expect((await (await ask(signedIn)).json()) as unknown).toEqual(answer)
  const waiting = new AbortController()
  const third = ask(signedIn, waiting.signal).then(
    () => 'answered',
    () => 'gave up',
  )
  for (let n = 0; n < 2; n++) expect((await ask(asBob)).status).toBe(200)
  waiting.abort()
  expect(await third).toBe('gave up')

  // what is made for somebody who has left counts as well
  const asCarol = { cookie: 'carol' }
  const leaving = new AbortController()
  const gone = fetch(`${http.url}/users/me/sessions`, { headers: asCarol, signal: leaving.signal })
  const ended = gone.catch(() => undefined)
  await asked.promise
  leaving.abort()
  await Promise.all([ended, left.promise])
  gate.resolve()
  const later = new AbortController()
  const next = ask(asCarol, later.signal).then(
    () => 'answered',
    () => 'gave up',
  )
  for (let n = 0; n < 2; n++) expect((await ask({ cookie: 'dave' })).status).toBe(200)
  later.abort()
  expect(await next).toBe('gave up')
})

test('an answer that is made while it is read counts too, and comes as slowly as the user’s budget allows', async () => {
  let made = 0
  let isEnded = false
  async function* pieces() {
    try {
      for (; made < 10; made++) yield 'x'.repeat(100_000)
    } finally {
      isEnded = true
    }
  }
  await using http = await serveWith(
    { answerBytes: { rate: 1, burst: 150_000 } },
    { ...echo, exportMe: () => Promise.resolve(Readable.from(pieces())) },
  )
  const leaving = new AbortController()
  const { body } = await fetch(`${http.url}/users/me/export`, {
    headers: signedIn,
    signal: leaving.signal,
  })
  let bytes = 0
  for await (const chunk of body!) if ((bytes += (chunk as Uint8Array).length) >= 200_000) break
  expect(made).toBeLessThan(6)
  leaving.abort()
  await eventually(() => isEnded)
  expect(made).toBeLessThan(6)
})

describe('large bodies', () => {
  const body = JSON.stringify({ source: 'lockstep', data: 'x'.repeat(MAX_IN_MEMORY_BYTES) })
  const send = (url: string, headers: Record<string, string>) =>
    request(`${url}/users/me/import`, 'POST', body, {
      ...headers,
      'content-type': 'application/json',
    })
  /** Begins a request and stalls; returns the response in the end. */
  async function beginning({ port }: { port: number }) {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let answer = ''
    socket.on('error', () => undefined).on('data', (data) => (answer += String(data)))
    socket.write(
      `POST /users/me/import HTTP/1.1\r\nHost: x\r\nCookie: alice\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n{`,
    )
    await once(socket, 'connect')
    return { answer: () => answer, socket, [Symbol.dispose]: () => void socket.destroy() }
  }

  test('of one user take one turn: the next one is refused at once, and other users’ go on', async () => {
    await using http = await serveWith({})
    using _first = await beginning(http)
    await eventually(async () => expect((await send(http.url, signedIn)).status).toBe(429))
    expectProblem(await send(http.url, signedIn), 'rate_limited', 429)
    for (let i = 0; i < 3; i++)
      expect(await send(http.url, asBob)).toMatchObject({ status: 200, body: result })
  })

  test('that stall are ended and give their turn back', async () => {
    await using http = await serveWith({
      spooledBytes: 1.5 * MAX_IN_MEMORY_BYTES,
      timings: { ...httpSettings.timings, body: 300 },
    })
    using slow = await beginning(http)
    await once(slow.socket, 'end')
    expect(slow.answer()).toMatch(/^HTTP\/1.1 408 /)
    for (const headers of [asBob, signedIn])
      await eventually(async () => expect((await send(http.url, headers)).status).toBe(200))
  })

  test('whose sender disconnects give their turn back', async () => {
    await using http = await serveWith({ spooledBytes: 1.5 * MAX_IN_MEMORY_BYTES })
    const gone = await beginning(http)
    await eventually(async () => expect((await send(http.url, signedIn)).status).toBe(429))
    gone.socket.destroy()
    await eventually(async () => expect((await send(http.url, signedIn)).status).toBe(200))
  })
})

test('a small body that stalls ends its connection', async () => {
  await using http = await serveWith({ timings: { ...httpSettings.timings, body: 200 } })
  const socket = connect({ port: http.port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.write(
    'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"user',
  )
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(String(answer)).toMatch(/^HTTP\/1.1 408 /)
  await once(socket, 'close')
})
