import { beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})
const head = async () => (await alice.ask('listConversations')).seq

test('a repeated create with the same id changes nothing and gets the same answer', async () => {
  const body = {
    id: newId(),
    title: 'Once',
    messages: [{ role: 'user' as const, content: 'hello' }],
  }
  const first = await alice.rest('POST', '/conversations', body)
  const seq = await head()
  const second = await alice.rest('POST', '/conversations', body)
  expect([first.status, second.status]).toEqual([201, 200])
  expect(second.body).toEqual(first.body)

  await using device = await alice.device('conversations')
  const { data, version } = await device.done('create', { ...body, title: 'Another title' })
  expect(data).toMatchObject({ id: body.id, title: 'Once', message_count: 1 })
  expect(version).toBe(1)
  expect(await head()).toBe(seq)
})

test('a create with an id from the trash is refused', async () => {
  const { id } = await alice.ask('createConversation')
  await alice.ask('deleteConversation', { params: { id } })
  expect(await alice.rest('POST', '/conversations', { id })).toMatchObject({
    status: 409,
    body: { code: 'id_taken' },
  })
  await alice.ask('purgeConversation', { params: { id } })
  expect(await alice.rest('POST', '/conversations', { id })).toMatchObject({
    status: 409,
    body: { code: 'id_taken' },
  })
})

test('a repeated append with the same message id changes nothing and gets the same answer', async () => {
  const { id } = await alice.ask('createConversation')
  await using device = await alice.device('conversations')
  const payload = { conversation_id: id, message: { id: newId(), role: 'user', content: 'once' } }
  const first = await device.done('append', payload)
  const second = await device.done('append', payload)
  expect(second.data).toEqual(first.data)
  expect(second.version).toBe(first.version)
  const { messages, version } = await alice.ask('getConversation', { params: { id } })
  expect(messages).toMatchObject([{ id: payload.message.id, content: 'once', version: 1 }])
  expect(version).toBe(2)
})

test('several messages are appended as one change, and those that are known stay as they are', async () => {
  const { id } = await alice.ask('createConversation')
  await using device = await alice.device('conversations')
  const [first, second, third] = ['first', 'second', 'third'].map((content) => ({
    ...{ id: newId(), role: 'user' as const, content },
  })) as [Said, Said, Said]
  await device.done('append', { conversation_id: id, messages: [first, second] })
  const messages = [{ ...first, content: 'edited' }, third]
  const answer = await alice.ask('appendMessages', { params: { id }, body: { messages } })
  expect(answer).toMatchObject({ messages: [first, second, third], version: 3 })
  expect(await alice.ask('appendMessages', { params: { id }, body: { messages } })).toEqual(answer)
})
interface Said {
  id: string
  role: 'user'
  content: string
}

test('repeating a delete or a restore changes nothing', async () => {
  const { id } = await alice.ask('createConversation')
  const twice = async (method: string, path: string) => {
    const replies = [await alice.rest(method, path), await alice.rest(method, path)]
    return replies.map(({ status }) => status)
  }
  expect(await twice('DELETE', `/conversations/${id}`)).toEqual([204, 204])
  expect((await alice.rest('GET', `/conversations/${id}`)).status).toBe(404)
  const trash = await alice.ask('listConversations', { query: { state: 'trash' } })
  expect(trash.items.filter((item) => item.id === id)).toMatchObject([{ version: 2 }])
  expect(await twice('POST', `/conversations/${id}/restore`)).toEqual([200, 200])
  expect(await alice.ask('getConversation', { params: { id } })).toMatchObject({
    version: 3,
    deleted_at: null,
  })
})

test('repeating a request with its Idempotency-Key returns the first outcome', async () => {
  const headers = { 'idempotency-key': newId() }
  const body = { title: 'Without an id' }
  const first = await alice.rest('POST', '/conversations', body, headers)
  const second = await alice.rest('POST', '/conversations', body, headers)
  expect(first.status).toBe(201)
  expect(second.body).toMatchObject({ id: first.body.id })
  const other = await alice.rest('POST', '/conversations', { title: 'Other' }, headers)
  expect(other).toMatchObject({ status: 422, body: { code: 'invalid' } })
  const all = await alice.ask('listConversations', { query: { q: 'Without an id' } })
  expect(all.items).toHaveLength(1)
})
