import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { expectProblem } from './http-fixture.ts'

const database = freshDatabase()
let node: TestNode
beforeAll(async () => {
  node = await startNode(database)
})
afterAll(async () => {
  await node.stop()
  await database[Symbol.asyncDispose]()
})

const key = () => ({ 'idempotency-key': newId() })

describe('the same Idempotency-Key', () => {
  test('makes one conversation, however often it is sent, even without an id', async () => {
    const alice = await signUp(node)
    const headers = key()
    const post = () => alice.rest('POST', '/conversations', { title: 'once' }, headers)
    const first = await post()
    const more = await Promise.all(Array.from({ length: 5 }, post))
    for (const reply of more) expect(reply.body).toEqual(first.body)
    expect((await alice.ask('listConversations')).items).toHaveLength(1)
  })

  test('sent twice at once makes one conversation too', async () => {
    const alice = await signUp(node)
    const headers = key()
    const replies = await Promise.all(
      Array.from({ length: 6 }, () =>
        alice.rest('POST', '/conversations', { title: 'once' }, headers),
      ),
    )
    expect(new Set(replies.map(({ body }) => body.id)).size).toBe(1)
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 201])
    expect(await alice.ask('listConversations')).toMatchObject({
      items: [{ title: 'once' }],
      seq: 1,
    })
  })

  test('appends a message once', async () => {
    const alice = await signUp(node)
    const { id } = await alice.ask('createConversation', { body: {} })
    const headers = key()
    const put = () =>
      alice.rest(
        'PUT',
        `/conversations/${id}`,
        { messages: [{ role: 'user', content: 'once' }] },
        headers,
      )
    await put()
    const again = await put()
    expect(again.body).toMatchObject({ message_count: 1, version: 2 })
  })

  test('does not undo later changes', async () => {
    const alice = await signUp(node)
    const headers = key()
    await alice.ask('putPreferences', { body: { theme: 'dark' }, headers })
    await alice.ask('putPreferences', { body: { theme: 'light' } })
    const again = await alice.ask('putPreferences', { body: { theme: 'dark' }, headers })
    expect(again).toMatchObject({ preferences: { theme: 'light' }, version: 3, seq: 2 })
  })

  test('is refused for another command', async () => {
    const alice = await signUp(node)
    const headers = key()
    const { id } = await alice.ask('createConversation', { body: { title: 'one' }, headers })
    expectProblem(
      await alice.rest('POST', '/conversations', { title: 'two' }, headers),
      'invalid',
      422,
    )
    expectProblem(
      await alice.rest('PUT', `/conversations/${id}`, { title: 'two' }, headers),
      'invalid',
      422,
    )
    expectProblem(
      await alice.rest('DELETE', `/conversations/${id}`, undefined, headers),
      'invalid',
      422,
    )
    expect((await alice.ask('listConversations')).items).toMatchObject([
      { title: 'one', version: 1 },
    ])
  })

  test('of another user is a different one', async () => {
    const [alice, bob] = await Promise.all([signUp(node), signUp(node)])
    const headers = key()
    await alice.ask('createConversation', { body: { title: 'of alice' }, headers })
    expect(
      await bob.ask('createConversation', { body: { title: 'of bob' }, headers }),
    ).toMatchObject({
      title: 'of bob',
    })
  })

  test.each([
    ['DELETE', ''],
    ['POST', '/restore'],
    ['POST', '/purge'],
  ])('of %s %s gives the first outcome', async (method, suffix) => {
    const alice = await signUp(node)
    const { id } = await alice.ask('createConversation', { body: {} })
    if (suffix === '/restore') await alice.ask('deleteConversation', { params: { id } })
    const headers = key()
    const first = await alice.rest(method, `/conversations/${id}${suffix}`, undefined, headers)
    const { seq } = await alice.ask('listConversations')
    const again = await alice.rest(method, `/conversations/${id}${suffix}`, undefined, headers)
    expect({ ...again, headers: 0 }).toEqual({ ...first, headers: 0 })
    expect((await alice.ask('listConversations')).seq).toBe(seq)
  })

  test('returns the first outcome even if the conversation has been trashed since', async () => {
    const alice = await signUp(node)
    const headers = key()
    const { id } = await alice.ask('createConversation', { body: { title: 'once' }, headers })
    await alice.ask('deleteConversation', { params: { id } })
    const again = await alice.rest('POST', '/conversations', { title: 'once' }, headers)
    expect(again).toMatchObject({ status: 200, body: { id, title: 'once' } })
  })
})
