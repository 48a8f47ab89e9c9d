import { beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})

const conversationOf = async (...contents: string[]) => {
  const messages = contents.map((content) => ({ role: 'user' as const, content }))
  return alice.ask('createConversation', { body: { title: 'Stale', messages } })
}
const read = (id: string) => alice.ask('getConversation', { params: { id } })
const path = (id: string) => `/conversations/${id}`

test('API-6: a PUT with an old copy of the messages erases nothing', async () => {
  const old = await conversationOf('one', 'two')
  const { id } = old
  const [one] = old.messages
  await alice.ask('putConversation', {
    params: { id },
    body: { messages: [{ ...one!, content: 'one, edited' }] },
  })
  await alice.ask('putConversation', {
    params: { id },
    body: { messages: [{ role: 'user', content: 'three' }] },
  })
  const before = await read(id)

  const reply = await alice.rest('PUT', path(id), { messages: old.messages })
  expect(reply.status).toBe(200)
  expect(await read(id)).toEqual(before)
  expect(before.messages.map(({ content }) => content)).toEqual(['one, edited', 'two', 'three'])
})

test('a PUT with an old copy and a new message adds the message and leaves the rest', async () => {
  const old = await conversationOf('one')
  const { id } = old
  await alice.ask('putConversation', {
    params: { id },
    body: { messages: [{ role: 'user', content: 'two' }] },
  })
  const mine = { id: newId(), role: 'user' as const, content: 'three' }
  await alice.ask('putConversation', {
    params: { id },
    body: { messages: [...old.messages, mine] },
  })
  expect((await read(id)).messages.map(({ content }) => content)).toEqual(['one', 'two', 'three'])
})

test('API-2: a PUT of what a GET returned changes nothing', async () => {
  const { id } = await conversationOf('one')
  const got = await alice.rest('GET', path(id))
  const put = await alice.rest('PUT', path(id), got.body)
  expect(put.status).toBe(200)
  expect(put.body).toEqual(got.body)
})

test.each([
  (version: number) => `"${version}"`,
  (version: number) => `${version}`,
  (version: number) => `W/"${version}"`,
])('a PUT with a stale If-Match gets 409 with the entity as it is now (%s)', async (tag) => {
  const { id, version } = await conversationOf('one')
  await alice.ask('putConversation', { params: { id }, body: { title: 'Newer' } })
  const current = await alice.rest('GET', path(id))

  const refused = await alice.rest(
    'PUT',
    path(id),
    { title: 'Too late' },
    { 'if-match': tag(version) },
  )
  expect(refused.status).toBe(409)
  expect(refused.headers.get('content-type')).toMatch('application/problem+json')
  const { epoch: _epoch, seq: _seq, ...now } = current.body
  expect(refused.body).toMatchObject({ code: 'version_conflict', current: now })
  expect((await alice.rest('GET', path(id))).body).toEqual(current.body)

  const etag = current.headers.get('etag')!
  const accepted = await alice.rest('PUT', path(id), { title: 'In time' }, { 'if-match': etag })
  expect(accepted).toMatchObject({ status: 200, body: { title: 'In time', version: version + 2 } })
})

test('API-7: preferences with a stale If-Match get 409 with the preferences as they are now', async () => {
  const { version } = await alice.ask('putPreferences', { body: { theme: 'dark' } })
  await alice.ask('putPreferences', { body: { theme: 'light' } })
  const headers = { 'if-match': `"${version}"` }
  const refused = await alice.rest('PUT', '/users/me/preferences', { theme: 'blue' }, headers)
  expect(refused.status).toBe(409)
  const current = { preferences: { theme: 'light' }, version: version + 1 }
  expect(refused.body).toMatchObject({ code: 'version_conflict', current })
})

test('a stale if_version on a socket gets the same error', async () => {
  const { id, version } = await conversationOf('one')
  await alice.ask('putConversation', { params: { id }, body: { title: 'Newer' } })
  await using device = await alice.device('conversations')
  const problem = await device.refused('update', {
    conversation_id: id,
    title: 'Too late',
    if_version: version,
  })
  expect(problem).toMatchObject({
    status: 409,
    code: 'version_conflict',
    current: { id, title: 'Newer', version: 2 },
  })
  expect(problem.current).toHaveProperty('messages')
})
