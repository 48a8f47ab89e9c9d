import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { expectProblem } from './http-fixture.ts'

const shared = sharedNodes()
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

type Query = Parameters<Person['ask']>[1] extends { query?: infer Q } ? Q : never
const list = (person: Person, query: Record<string, unknown> = {}) =>
  person.ask('listConversations', { query: query as Query })

/** The items of all pages of a list. */
async function pages(person: Person, query: Record<string, unknown>) {
  const found = []
  let cursor: string | null = null
  do {
    const page = await list(person, cursor === null ? query : { ...query, cursor })
    found.push(page.items)
    cursor = page.next_cursor
  } while (cursor !== null)
  return found
}

const create = (person: Person, body: object = {}) => person.ask('createConversation', { body })
const say = (content: string) => ({ role: 'user' as const, content })

describe('GET /conversations', () => {
  test('match=words wants every word, in the title or in any message, on every page', async () => {
    const alice = await signUp(shared.node)
    await create(alice, { title: 'Blue', messages: [say('A heron stands'), say('here')] })
    await create(alice, { title: 'Apart', messages: [say('blue'), say('HERON')] })
    await create(alice, { title: 'One', messages: [say('heron')] })
    const query = { q: ' heron  blue ', match: 'words', limit: 1 }
    const found = (await pages(alice, query)).flat()
    expect(found.map(({ title }) => title)).toEqual(['Apart', 'Blue'])
    expect((await list(alice, { q: 'heron blue' })).items).toEqual([])
    const { excerpts } = await list(alice, { ...query, limit: 5 })
    expect(excerpts?.map(({ text }) => text).sort()).toEqual(['A heron stands', 'HERON'])
    const { next_cursor } = await list(alice, query)
    const other = { ...query, match: 'text', cursor: next_cursor }
    expectProblem(
      await alice.rest('GET', `/conversations?${new URLSearchParams(other as never)}`),
      'invalid',
      422,
    )
  })

  test('q finds titles and messages in any case and in any normal form', async () => {
    const alice = await signUp(shared.node)
    const forms = ['MAVİ', 'mavi', 'Mavı', 'Straße', 'CAFE\u0301']
    for (const form of forms) {
      await create(alice, { title: `a title with ${form}` })
      await create(alice, { title: 'other', messages: [say(`words and ${form}.`)] })
    }
    for (const [q, count] of [
      ['mavi', 6],
      ['MAVİ', 6],
      ['strasse', 2],
      ['café', 2],
      ['cafe', 0],
    ] as const)
      expect((await list(alice, { q })).items, q).toHaveLength(count)
  })

  test('returns summaries, newest first, and the head', async () => {
    const alice = await signUp(shared.node)
    expect(await list(alice)).toEqual({
      items: [],
      next_cursor: null,
      epoch: expect.any(String),
      seq: 0,
    })
    const one = await create(alice, { title: 'one', messages: [say('hello')] })
    await create(alice, { title: 'two' })
    await alice.ask('putConversation', {
      params: { id: one.id },
      body: { messages: [say('x'.repeat(300))] },
    })
    const { items, seq } = await list(alice)
    expect(items.map(({ title }) => title)).toEqual(['one', 'two'])
    expect(items[0]).toMatchObject({
      id: one.id,
      message_count: 2,
      preview: 'x'.repeat(140),
      version: 2,
    })
    expect(items[0]).not.toHaveProperty('messages')
    expect(seq).toBe(3)
  })

  test('has each conversation exactly once over its pages, even with equal times', async () => {
    const alice = await signUp(shared.node)
    const made = await Promise.all(Array.from({ length: 23 }, () => create(alice)))
    await list(alice)
    const same = new Date('2026-01-01T00:00:00.000Z')
    await database.conversations.updateMany(
      { user_id: alice.user.id },
      { $set: { updated_at: same } },
    )
    const found = await pages(alice, { limit: 5 })
    expect(found.map(({ length }) => length)).toEqual([5, 5, 5, 5, 3])
    const ids = found.flat().map(({ id }) => id)
    expect(new Set(ids)).toEqual(new Set(made.map(({ id }) => id)))
    expect(ids).toHaveLength(23)
  })

  test('ends without a cursor if the last page is full', async () => {
    const alice = await signUp(shared.node)
    await Promise.all(Array.from({ length: 4 }, () => create(alice)))
    expect((await pages(alice, { limit: 2 })).map(({ length }) => length)).toEqual([2, 2])
  })

  test('separates active, archived and trashed conversations', async () => {
    const alice = await signUp(shared.node)
    const [active, archived, trashed, purged] = await Promise.all(
      ['a', 'b', 'c', 'd'].map((title) => create(alice, { title })),
    )
    await alice.ask('putConversation', { params: { id: archived!.id }, body: { archived: true } })
    await alice.ask('deleteConversation', { params: { id: trashed!.id } })
    await alice.ask('purgeConversation', { params: { id: purged!.id } })
    const ids = async (query: object) =>
      (await list(alice, query as Record<string, unknown>)).items.map(({ id }) => id)
    expect(await ids({})).toEqual([active!.id])
    expect(await ids({ state: 'active' })).toEqual([active!.id])
    expect(await ids({ state: 'archived' })).toEqual([archived!.id])
    expect(await ids({ state: 'trash' })).toEqual([trashed!.id])
  })

  test('finds literal text in titles and messages in any case', async () => {
    const alice = await signUp(shared.node)
    const bob = await signUp(shared.node)
    await create(bob, { title: 'Zebra of bob' })
    await create(alice, { title: 'A Zebra crossing' })
    await create(alice, { title: 'Animals', messages: [say('lions'), say('one zebra, two')] })
    await create(alice, { title: 'Costs 5.00 (net) [a+b]*' })
    const titles = async (q: string) =>
      (await list(alice, { q })).items.map(({ title }) => title).sort()
    expect(await titles('zEBRA')).toEqual(['A Zebra crossing', 'Animals'])
    expect(await titles('5.00 (net) [A+B]*')).toEqual(['Costs 5.00 (net) [a+b]*'])
    expect(await titles('5x00')).toEqual([])
    expect(await titles('.*')).toEqual([])
    expect(await titles('^A')).toEqual([])
    expect(await titles('giraffe')).toEqual([])
    expect(await pages(alice, { q: 'zebra', limit: 1 })).toHaveLength(2)
  })

  test('finds text that was written a moment ago', async () => {
    const alice = await signUp(shared.node)
    for (let i = 0; i < 10; i++) {
      const word = newId()
      const { id } = await create(alice, { messages: [say(`say ${word} now`)] })
      expect((await list(alice, { q: word })).items).toMatchObject([{ id }])
    }
  })

  test.each([
    'x',
    '',
    '[]',
    'bnVsbA',
    'W10',
    'WyJhIiwiYiJd',
    'WzEsMl0',
    'eyIkZ3QiOiIifQ',
    'A'.repeat(1000),
  ])('refuses the cursor %j', async (cursor) => {
    const alice = await signUp(shared.node)
    const reply = await alice.rest('GET', `/conversations?cursor=${encodeURIComponent(cursor)}`)
    expectProblem(reply, 'invalid', 422)
  })

  test('never shows another user anything for a foreign cursor', async () => {
    const [alice, bob] = await Promise.all([signUp(shared.node), signUp(shared.node)])
    await Promise.all(Array.from({ length: 3 }, () => create(alice, { title: 'of alice' })))
    await create(bob, { title: 'of bob' })
    const { next_cursor } = await list(alice, { limit: 1 })
    expectProblem(
      await bob.rest('GET', `/conversations?limit=1&cursor=${next_cursor}`),
      'invalid',
      422,
    )
  })

  test('API-5: refuses a cursor of another state, another search or the list of runs', async () => {
    const alice = await signUp(shared.node)
    await Promise.all(Array.from({ length: 3 }, () => create(alice, { title: 'one of three' })))
    for (const input of ['a', 'b'])
      await alice.ask('createRun', {
        body: { agent: 'demo', input: `/demo silent fail now ${input}` },
      })
    const all = (await list(alice, { limit: 1 })).next_cursor!
    const found = (await list(alice, { limit: 1, q: 'three' })).next_cursor!
    const runs = (await alice.ask('listRuns', { query: { limit: 1 } })).next_cursor!
    const activity = (await alice.ask('listActivity', { query: { limit: 1 } })).next_cursor!
    const refused = [
      ['/conversations?state=archived', all],
      ['/conversations?q=three', all],
      ['/conversations?q=one', found],
      ['/conversations?state=active', found],
      ['/conversations?state=active', runs],
      ['/conversations?state=active', activity],
      ['/agent-runs?limit=1', all],
      ['/agent-runs?agent=demo', runs],
      ['/agent-runs?status=failed', runs],
      ['/users/me/activity?limit=1', all],
    ]
    for (const [path, cursor] of refused)
      expectProblem(await alice.rest('GET', `${path}&cursor=${cursor}`), 'invalid', 422)
    for (const [path, cursor] of [
      ['/conversations?q=three', found],
      ['/agent-runs?limit=1', runs],
    ])
      expect((await alice.rest('GET', `${path}&cursor=${cursor}`)).status).toBe(200)
  })

  test.each([
    'limit=0',
    'limit=201',
    'limit=1.5',
    'limit=many',
    'state=all',
    'sort=title',
    `q=${'x'.repeat(501)}`,
  ])('refuses ?%s', async (query) => {
    const alice = await signUp(shared.node)
    expectProblem(await alice.rest('GET', `/conversations?${query}`), 'invalid', 422)
  })
})
