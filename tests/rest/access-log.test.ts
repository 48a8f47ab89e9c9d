import { expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { recordingLogger } from '../harness/recording-logger.ts'
import { request } from '../harness/person.ts'
import { alice, serveHttp } from './http-fixture.ts'

test('the access log has the user, the route and the status of a request, and nothing of its content', async () => {
  const { lines, logger } = recordingLogger()
  {
    await using http = await serveHttp(
      {
        listConversations: () =>
          Promise.resolve({ items: [], next_cursor: null, epoch: 'e', seq: 0 }),
        login: () => Promise.reject(new Fault('invalid_credentials')),
        getPreferences: () => Promise.reject(new Error('broken inside')),
      },
      { logger },
    )
    const signedIn = { cookie: 'alice', 'user-agent': 'curl/8' }
    await request(`${http.url}/conversations?q=hunter2`, 'GET', undefined, signedIn)
    await request(`${http.url}/auth/login`, 'POST', { username: 'someone', password: 'hunter2' })
    await request(`${http.url}/users/me/preferences`, 'GET', undefined, signedIn)
    await request(`${http.url}/nothing/hunter2`, 'GET', undefined, signedIn)
    await request(`${http.url}/conversations/hunter2`, 'GET', undefined, signedIn)
  }
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  const answered = entries.filter(({ msg }) => msg === 'request')
  expect(answered).toMatchObject([
    {
      method: 'GET',
      route: '/conversations',
      status: 200,
      user_id: alice.user_id,
    },
    { method: 'POST', route: '/auth/login', status: 401 },
    { method: 'GET', route: '/users/me/preferences', status: 500, user_id: alice.user_id },
    { method: 'GET', route: 'none', status: 404 },
    { method: 'GET', route: '/conversations/:id', status: 404 },
  ])
  for (const entry of answered)
    expect(entry).toMatchObject({ request_id: expect.any(String), ms: expect.any(Number) })
  const failure = entries.find(({ msg }) => msg === 'request failed')
  expect(failure).toMatchObject({
    request_id: answered[2]!.request_id,
    err: { message: 'broken inside' },
  })
  expect(lines.join('')).not.toMatch(/hunter2|cookie|someone/)
})
