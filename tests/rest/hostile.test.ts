// Bad input of every kind, and that nothing changed after it.
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from 'vitest'
import { newId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { everythingOf } from './everything-of.ts'
import { expectProblem } from './served.ts'

const database = freshDatabase()
let node: TestNode
let alice: Person
let conversation: string
let before: unknown

beforeAll(async () => {
  node = await startNode(database)
  alice = await signUp(node)
  const made = await alice.ask('createConversation', { body: { messages: [{ role: 'user', content: 'hello' }] } })
  conversation = `/conversations/${made.id}`
  await alice.ask('putPreferences', { body: { theme: 'dark' } })
})
afterAll(async () => {
  await node.stop()
  await database[Symbol.asyncDispose]()
})
beforeEach(async () => {
  before = await everythingOf(alice)
})
afterEach(async () => {
  expect(await everythingOf(alice)).toEqual(before)
})

const message = (fields: object) => ({ messages: [{ role: 'user', content: 'x', ...fields }] })

describe('a body that is nested too deep', () => {
  const places = [
    ['POST', '/auth/login', '{"username":DEEP,"password":"x"}'],
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
  test.each(places)('%s %s %s is refused', async (method, path, body) => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const)
      for (const levels of [101, 10_000, 150_000]) {
        const deep = `${open.repeat(levels)}1${close.repeat(levels)}`
        const sent = body.replace('DEEP', deep)
        expectProblem(await alice.rest(method, path.replace('CONVERSATION', conversation), sent), 'invalid', 422)
      }
  })
})

test('what a GET gave may come back as anything, and is dropped', async () => {
  const bob = await signUp(node)
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

describe('a body with a field that nobody knows', () => {
  test.each([
    ['POST', '/auth/register', { username: 'mallory', password: 'correct horse', admin: true }],
    ['POST', '/auth/login', { username: 'alice', password: 'correct horse', admin: true }],
    ['PUT', '/users/me', { username: 'mallory', password_hash: 'x' }],
    ['POST', '/conversations', { user_id: newId() }],
    ['POST', '/conversations', { version: 7 }],
    ['POST', '/conversations', message({ user_id: newId() })],
    ['PUT', 'CONVERSATION', { owner: newId() }],
    ['POST', '/agent-runs', { agent: 'demo', input: 'x', status: 'complete' }],
  ])('%s %s %j is refused', async (method, path, body) => {
    expectProblem(await alice.rest(method, path.replace('CONVERSATION', conversation), body), 'invalid', 422)
  })
})

describe('a body of the wrong kind', () => {
  test.each(['[]', '1', '"x"', 'true', 'null'])('%s is refused everywhere', async (body) => {
    for (const [method, path] of [
      ['POST', '/conversations'],
      ['PUT', conversation],
      ['PUT', '/users/me'],
      ['PUT', '/users/me/preferences'],
      ['POST', '/agent-runs'],
      ['DELETE', '/users/me'],
    ] as const)
      // prettier-ignore
      expectProblem(await alice.rest(method, path, body), 'invalid', 422)
  })

  test.each(['{', '{"title":', '{"title":"x"', '{"title":"x"}}', '<xml/>', 'title=x'])(
    '%s is not JSON',
    async (body) => {
      for (const [method, path] of [
        ['POST', '/conversations'],
        ['PUT', conversation],
        ['PUT', '/users/me/preferences'],
      ] as const)
        // prettier-ignore
        expectProblem(await alice.rest(method, path, body), 'invalid', 400)
    },
  )
})

describe('too much', () => {
  test.each(['x', 'ä', '🐎'])('a message of %j above 256 KB is refused', async (character) => {
    const most = limits.messageBytes / new TextEncoder().encode(character).length
    for (const [method, path] of [
      ['POST', '/conversations'],
      ['PUT', conversation],
    ] as const) {
      const reply = await alice.rest(method, path, message({ content: `${character.repeat(most)}x` }))
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

test('a message of 256 KB, 500 messages and a title of 500 characters are taken', async () => {
  const bob = await signUp(node)
  const content = '🐎'.repeat(limits.messageBytes / 4)
  const messages = Array.from({ length: 500 }, () => ({ role: 'user', content: 'x' }))
  for (const body of [message({ content }), { messages }, { title: '🐎'.repeat(500) }])
    expect((await bob.rest('POST', '/conversations', body)).status).toBe(201)
})

describe('an id that is not a UUID', () => {
  test.each(['1', 'null', '../users', '%2e%2e', '[object Object]', '{"$ne":1}', `${newId()}x`, newId().slice(1), '*'])(
    '%s is refused',
    async (id) => {
      for (const [method, path] of [
        ['GET', '/conversations/ID'],
        ['PUT', '/conversations/ID'],
        ['DELETE', '/conversations/ID'],
        ['POST', '/conversations/ID/purge'],
        ['DELETE', '/users/me/sessions/ID'],
        ['GET', '/agent-runs/ID'],
      ] as const)
        // prettier-ignore
        expectProblem(await alice.rest(method, path.replace('ID', encodeURIComponent(id))), 'invalid', 422)
      expectProblem(await alice.rest('POST', '/conversations', { id }), 'invalid', 422)
      expectProblem(await alice.rest('PUT', conversation, message({ id })), 'invalid', 422)
    },
  )
})

test('a header that is not what it should be is refused', async () => {
  for (const headers of [{ 'idempotency-key': 'again' }, { 'if-match': '"abc"' }] as Record<string, string>[])
    expectProblem(await alice.rest('PUT', conversation, { title: 'x' }, headers), 'invalid', 422)
})
