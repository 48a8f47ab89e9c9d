import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { expectProblem } from './http-fixture.ts'

const database = freshDatabase()
let node: TestNode
let alice: Person
beforeAll(async () => {
  node = await startNode(database)
  alice = await signUp(node)
})
afterAll(async () => {
  await node.stop()
  await database[Symbol.asyncDispose]()
})

const say = (content: string) => ({ role: 'user' as const, content })
const create = (body: object = {}) => alice.ask('createConversation', { body })
const get = (id: string) => alice.ask('getConversation', { params: { id } })

describe('POST /conversations', () => {
  test('keeps metadata under names that every object has', async () => {
    const names = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf']
    const metadata = Object.fromEntries(names.map((name) => [name, [{}, { [name]: [{ a: 1 }] }]]))
    const { id } = await create({ metadata })
    expect((await get(id)).metadata).toEqual(metadata)
  })

  test('makes a whole conversation', async () => {
    const reply = await alice.rest('POST', '/conversations', {
      title: 'Plans',
      metadata: { color: 'red' },
      messages: [
        say('Hello'),
        { role: 'assistant', content: 'Hi!', metadata: { thinking_ms: 1200 } },
      ],
    })
    expect(reply.status).toBe(201)
    expect(reply.headers.get('etag')).toBe('"1"')
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string
    const message = {
      position: 1,
      version: 1,
      status: 'complete',
      replaces: null,
      created_at: time,
      updated_at: time,
      metadata: {},
    }
    expect(reply.body).toEqual({
      id: expect.any(String),
      user_id: alice.user.id,
      title: 'Plans',
      messages: [
        { id: expect.any(String), role: 'user', content: 'Hello', ...message },
        {
          id: expect.any(String),
          role: 'assistant',
          content: 'Hi!',
          ...message,
          position: 2,
          metadata: { thinking_ms: 1200 },
        },
      ],
      message_count: 2,
      preview: 'Hi!',
      has_more: false,
      created_at: time,
      updated_at: time,
      metadata: { color: 'red' },
      pinned: false,
      archived: false,
      deleted_at: null,
      version: 1,
      epoch: expect.any(String),
      seq: expect.any(Number),
    })
    expect(await get(reply.body.id as string)).toEqual(reply.body)
  })

  test('of nothing makes an empty one', async () => {
    for (const body of [{}, undefined]) {
      const { status, body: made } = await alice.rest('POST', '/conversations', body)
      expect(status).toBe(201)
      expect(made).toMatchObject({
        title: 'New conversation',
        messages: [],
        message_count: 0,
        preview: '',
      })
    }
  })

  test('with an id chosen by the client is done once', async () => {
    const id = newId()
    const first = await alice.rest('POST', '/conversations', {
      id: id.toUpperCase(),
      title: 'Mine',
    })
    expect(first).toMatchObject({ status: 201, body: { id, title: 'Mine' } })
    const again = await alice.rest('POST', '/conversations', { id, title: 'Another' })
    expect(again).toMatchObject({
      status: 200,
      body: { id, title: 'Mine', version: 1, seq: first.body.seq },
    })
  })

  test('with the id of a trashed or purged conversation is refused', async () => {
    const { id } = await create()
    for (const route of ['deleteConversation', 'purgeConversation'] as const) {
      await alice.ask(route, { params: { id } })
      expectProblem(await alice.rest('POST', '/conversations', { id }), 'id_taken', 409)
    }
  })

  test('with another user’s id makes another conversation', async () => {
    const bob = await signUp(node)
    const { id } = await create({ title: 'of alice' })
    const his = await bob.rest('POST', '/conversations', { id, title: 'of bob' })
    expect(his).toMatchObject({ status: 201, body: { id, user_id: bob.user.id, title: 'of bob' } })
    expect((await get(id)).title).toBe('of alice')
  })
})

describe('GET /conversations/{id}', () => {
  test('returns the newest messages, and older ones page by page', async () => {
    const { id } = await create({
      messages: Array.from({ length: 250 }, (_, i) => say(`message ${i + 1}`)),
    })
    const window = (query: Record<string, unknown>) =>
      alice.ask('getConversation', { params: { id }, query })
    const positions = async (query: Record<string, unknown>) => {
      const { messages, has_more, message_count } = await window(query)
      expect(message_count).toBe(250)
      return [messages.at(0)?.position, messages.at(-1)?.position, messages.length, has_more]
    }
    expect(await positions({})).toEqual([151, 250, 100, true])
    expect(await positions({ limit: 500 })).toEqual([1, 250, 250, false])
    expect(await positions({ before: 151 })).toEqual([51, 150, 100, true])
    expect(await positions({ before: 51 })).toEqual([1, 50, 50, false])
    expect(await positions({ before: 51, limit: 50 })).toEqual([1, 50, 50, false])
    expect(await positions({ before: 1 })).toEqual([undefined, undefined, 0, false])
    expect(await positions({ before: 9999, limit: 1 })).toEqual([250, 250, 1, true])
  })

  test('is not found if it never existed', async () => {
    expectProblem(await alice.rest('GET', `/conversations/${newId()}`), 'not_found', 404)
  })
})

describe('PUT /conversations/{id}', () => {
  test('accepts the result of GET and changes nothing', async () => {
    const { id } = await create({
      title: 'Round',
      messages: [say('one'), say('two')],
      metadata: { a: { b: [1] } },
    })
    const before = await get(id)
    const reply = await alice.rest('PUT', `/conversations/${id}`, before)
    expect(reply).toMatchObject({ status: 200, body: before })
    expect(await get(id)).toEqual(before)
  })

  test('changes fields one by one and updates version, ETag and updated_at', async () => {
    const { id, updated_at } = await create({ title: 'Old', metadata: { keep: 1, drop: 2 } })
    const put = (body: object) =>
      alice.rest<Record<string, unknown>>('PUT', `/conversations/${id}`, body)
    const flags = await put({
      pinned: true,
      archived: true,
      metadata: { drop: null, add: { x: 1 } },
    })
    expect(flags.body).toMatchObject({
      pinned: true,
      archived: true,
      title: 'Old',
      version: 2,
      updated_at,
    })
    expect(flags.body.metadata).toEqual({ keep: 1, add: { x: 1 } })
    expect(flags.headers.get('etag')).toBe('"2"')
    const titled = await put({ title: 'New' })
    expect(titled.body).toMatchObject({ title: 'New', pinned: true, version: 3 })
    expect(Date.parse(titled.body.updated_at as string)).toBeGreaterThanOrEqual(
      Date.parse(updated_at),
    )
    expect(await get(id)).toEqual(titled.body)
  })

  test('merges messages by id: new ones are appended, named ones edited, and others stay', async () => {
    const { id, messages } = await create({ messages: [say('one'), say('two'), say('three')] })
    const [, two] = messages
    const fresh = newId()
    const put = await alice.ask('putConversation', {
      params: { id },
      body: {
        messages: [
          { id: fresh, ...say('four') },
          { ...two!, content: 'two, edited' },
        ],
      },
    })
    expect(
      put.messages.map(({ content, position, version }) => [content, position, version]),
    ).toEqual([
      ['one', 1, 1],
      ['two, edited', 2, 2],
      ['three', 3, 1],
      ['four', 4, 1],
    ])
    expect(put).toMatchObject({ message_count: 4, preview: 'four', version: 2 })
    expect(put.messages[3]!.id).toBe(fresh)
  })

  test('with a stale copy of a message leaves the message unchanged', async () => {
    const { id, messages } = await create({ messages: [say('one')] })
    const put = (message: object) =>
      alice.ask('putConversation', { params: { id }, body: { messages: [message as never] } })
    await put({ ...messages[0]!, content: 'newer' })
    const after = await put({ ...messages[0]!, content: 'stale' })
    expect(after.messages[0]).toMatchObject({ content: 'newer', version: 2 })
    expect(after.version).toBe(2)
  })

  test('with If-Match changes that version only, and the refusal shows the current one', async () => {
    const { id } = await create({ title: 'One', messages: [say('hello')] })
    const put = (title: string, etag: string) =>
      alice.rest('PUT', `/conversations/${id}`, { title }, { 'if-match': etag })
    expect((await put('Two', '"1"')).status).toBe(200)
    const refused = await put('Three', 'W/"1"')
    expectProblem(refused, 'version_conflict', 409)
    expect(refused.body.current).toEqual(await get(id))
    expectProblem(await put('Four', '"one"'), 'invalid', 422)
    expect((await put('Five', '2')).body).toMatchObject({ title: 'Five', version: 3 })
  })

  test('from many devices at once loses nothing', async () => {
    const { id } = await create()
    const texts = Array.from({ length: 25 }, (_, i) => `message ${i}`)
    await Promise.all(
      texts.map((content) =>
        alice.ask('putConversation', { params: { id }, body: { messages: [say(content)] } }),
      ),
    )
    const { messages, version, message_count } = await get(id)
    expect(messages.map(({ content }) => content).sort()).toEqual(texts.sort())
    expect(messages.map(({ position }) => position)).toEqual(texts.map((_, i) => i + 1))
    expect({ version, message_count }).toEqual({ version: 26, message_count: 25 })
  })

  test.each([
    { messages: [{ role: 'user', content: 'a', status: 'streaming' }] },
    { messages: [{ role: 'user', content: 'a', replaces: newId() }] },
    { messages: [{ role: 'robot', content: 'a' }] },
    { messages: [{ role: 'user' }] },
    { messages: [{ role: 'user', content: 1 }] },
    { messages: [{ role: 'user', content: 'a', extra: 1 }] },
    {
      messages: [
        '11111111-1111-4111-8111-111111111111',
        '11111111-1111-4111-8111-111111111111',
      ].map((id) => ({ id, role: 'user', content: 'a' })),
    },
    { title: 1 },
    { title: null },
    { title: '\ud800' },
    { pinned: 'yes' },
    { metadata: [] },
    { metadata: { $where: '1' } },
    { color: 'red' },
  ])('refuses %j', async (body) => {
    const before = await create({ title: 'Same' })
    expectProblem(await alice.rest('PUT', `/conversations/${before.id}`, body), 'invalid', 422)
    expect(await get(before.id)).toEqual(before)
  })

  test('of an unknown conversation is not found', async () => {
    const { id } = await create()
    await alice.ask('deleteConversation', { params: { id } })
    for (const gone of [id, newId()])
      expectProblem(
        await alice.rest('PUT', `/conversations/${gone}`, { title: 'x' }),
        'not_found',
        404,
      )
  })
})

describe('the trash', () => {
  test('keeps a conversation until it is restored or purged', async () => {
    const { id, messages } = await create({ title: 'Doomed', messages: [say('remember me')] })
    const path = `/conversations/${id}`
    for (let i = 0; i < 2; i++) expect((await alice.rest('DELETE', path)).status).toBe(204)
    expectProblem(await alice.rest('GET', path), 'not_found', 404)
    const trashed = await alice.ask('getConversation', {
      params: { id },
      query: { state: 'trash' },
    })
    expect(trashed).toMatchObject({
      title: 'Doomed',
      version: 2,
      deleted_at: expect.any(String),
      messages,
    })

    const restored = await alice.rest('POST', `${path}/restore`)
    expect(restored).toMatchObject({
      status: 200,
      body: { title: 'Doomed', deleted_at: null, version: 3, messages },
    })
    expect((await alice.rest('POST', `${path}/restore`)).body).toEqual(restored.body)
    expectProblem(await alice.rest('GET', `${path}?state=trash`), 'not_found', 404)

    expect((await alice.rest('POST', `${path}/purge`)).status).toBe(204)
    for (const [method, at] of [
      ['GET', path],
      ['GET', `${path}?state=trash`],
      ['POST', `${path}/restore`],
      ['DELETE', path],
      ['PUT', path],
    ] as const)
      expectProblem(await alice.rest(method, at), 'not_found', 404)
  })
})
