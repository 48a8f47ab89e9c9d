// Bad input of kinds that tests/attacks doesn't send to every route. Nothing may change because of
// it.
import { beforeAll, beforeEach, afterEach, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { userSnapshot } from './user-snapshot.ts'
import { expectProblem } from './http-fixture.ts'

const shared = sharedNodes()
let alice: Person
let conversation: string
let before: unknown

beforeAll(async () => {
  alice = await signUp(shared.node)
  const made = await alice.ask('createConversation', {
    body: { messages: [{ role: 'user', content: 'hello' }] },
  })
  conversation = `/conversations/${made.id}`
  await alice.ask('putPreferences', { body: { theme: 'dark' } })
})
beforeEach(async () => {
  before = await userSnapshot(alice)
})
afterEach(async () => {
  expect(await userSnapshot(alice)).toEqual(before)
})

const message = (fields: object) => ({ messages: [{ role: 'user', content: 'x', ...fields }] })

describe('a body that is nested too deep', () => {
  const places = [
    ['PUT', '/users/me', '{"username":"mallory","id":DEEP}'],
    ['PUT', '/users/me/preferences', '{"a":DEEP}'],
    ['POST', '/conversations', '{"metadata":{"a":DEEP}}'],
    ['PUT', 'CONVERSATION', '{"version":DEEP}'],
    ['PUT', 'CONVERSATION', '{"messages":DEEP}'],
    ['PUT', 'CONVERSATION', '{"messages":[{"role":"user","content":"x","position":DEEP}]}'],
    ['PUT', 'CONVERSATION', '{"messages":[{"role":"user","content":"x","updated_at":DEEP}]}'],
    ['PUT', 'CONVERSATION', '{"nobody":{"knows":[DEEP]}}'],
    ['POST', '/agent-runs', '{"agent":"demo","input":DEEP}'],
  ] as const
  const deep = (open: string, close: string, levels: number) =>
    `${open.repeat(levels)}1${close.repeat(levels)}`

  test.each([
    ['one level more than there may be', deep('[', ']', 101)],
    ['as many as a sign-in may have', deep('{"a":', '}', 2_500)],
    ['more than any stack holds', deep('{"a":', '}', 20_000)],
  ])('is refused wherever it is: %s', async (_, put) => {
    const login = ['POST', '/auth/login', '{"username":DEEP,"password":"x"}'] as const
    for (const [method, path, body] of put.length < 16_000 ? [...places, login] : places) {
      const reply = await alice.rest(
        method,
        path.replace('CONVERSATION', conversation),
        body.replace('DEEP', put),
      )
      expectProblem(reply, 'invalid', 422)
    }
  })
})

test('read-only fields may have any value and are ignored', async () => {
  const bob = await signUp(shared.node)
  const made = await bob.ask('createConversation', { body: message({}) as never })
  const again = {
    ...made,
    version: [[['x']]],
    messages: [{ role: 'user', content: 'y', position: { a: 1 }, updated_at: [] }],
  }
  expect(await bob.rest('PUT', `/conversations/${made.id}`, again)).toMatchObject({
    status: 200,
    body: { message_count: 2 },
  })
})

test('a body with a field of another route or an unknown field is refused', async () => {
  for (const [method, path, body] of [
    ['POST', '/auth/register', { username: 'mallory', password: 'correct horse', admin: true }],
    ['POST', '/auth/login', { username: 'alice', password: 'correct horse', admin: true }],
    ['PUT', '/users/me', { username: 'mallory', password_hash: 'x' }],
    ['POST', '/conversations', { user_id: newId() }],
    ['POST', '/conversations', { version: 7 }],
    ['POST', '/conversations', message({ user_id: newId() })],
    ['PUT', conversation, { owner: newId() }],
    ['POST', '/agent-runs', { agent: 'demo', input: 'x', status: 'complete' }],
  ] as const)
    expectProblem(await alice.rest(method, path, body), 'invalid', 422)
})

describe('a body of the wrong type', () => {
  test('is refused everywhere', async () => {
    for (const [method, path] of [
      ['POST', '/conversations'],
      ['PUT', conversation],
      ['PUT', '/users/me'],
      ['PUT', '/users/me/preferences'],
      ['POST', '/agent-runs'],
      ['DELETE', '/users/me'],
    ] as const)
      for (const body of ['[]', '1', '"x"', 'true', 'null'])
        expectProblem(await alice.rest(method, path, body), 'invalid', 422)
  })

  test('is not JSON', async () => {
    for (const [method, path] of [
      ['POST', '/conversations'],
      ['PUT', '/users/me/preferences'],
    ] as const)
      for (const body of [
        '{',
        '{"title":',
        '{"title":"x"',
        '{"title":"x"}}',
        '{"title":}',
        '\u0000',
        '<xml/>',
        'title=x',
      ])
        expectProblem(await alice.rest(method, path, body), 'invalid', 400)
  })
})

describe('too much', () => {
  test('a message above 256 KB is refused in any script', async () => {
    for (const [method, path, character] of [
      ['POST', '/conversations', 'x'],
      ['PUT', conversation, 'ä'],
      ['POST', '/conversations', '🐎'],
    ] as const) {
      const most = limits.messageBytes / new TextEncoder().encode(character).length
      const reply = await alice.rest(
        method,
        path,
        message({ content: `${character.repeat(most)}x` }),
      )
      expectProblem(reply, 'too_large', 413)
      expect(reply.body.limit_bytes).toBe(limits.messageBytes)
    }
  })

  test('metadata above 64 KB is refused, of a conversation and of a message', async () => {
    const metadata = { a: 'x'.repeat(limits.freeFormBytes) }
    for (const body of [{ metadata }, message({ metadata })])
      expectProblem(await alice.rest('PUT', conversation, body), 'too_large', 413)
  })

  test('501 messages or a title of 501 characters are invalid', async () => {
    const messages = Array.from({ length: 501 }, () => ({ role: 'user', content: 'x' }))
    for (const body of [{ messages }, { title: '🐎'.repeat(501) }])
      expectProblem(await alice.rest('PUT', conversation, body), 'invalid', 422)
  })
})

test('a message of 256 KB, 500 messages and a title of 500 characters are accepted', async () => {
  const bob = await signUp(shared.node)
  const content = '🐎'.repeat(limits.messageBytes / 4)
  const messages = Array.from({ length: 500 }, () => ({ role: 'user', content: 'x' }))
  for (const body of [message({ content }), { messages }, { title: '🐎'.repeat(500) }])
    expect((await bob.rest('POST', '/conversations', body)).status).toBe(201)
})

test('an id in a body that is almost a UUID is refused', async () => {
  for (const id of ['1', `${newId()}x`, newId().slice(1)]) {
    expectProblem(await alice.rest('POST', '/conversations', { id }), 'invalid', 422)
    expectProblem(await alice.rest('PUT', conversation, message({ id })), 'invalid', 422)
  }
})

test('a malformed header is refused', async () => {
  const bad: Record<string, string>[] = [
    { 'idempotency-key': 'again' },
    { 'if-match': '"abc"' },
    { 'if-match': '"-1"' },
  ]
  for (const headers of bad)
    expectProblem(await alice.rest('PUT', conversation, { title: 'x' }, headers), 'invalid', 422)
})
