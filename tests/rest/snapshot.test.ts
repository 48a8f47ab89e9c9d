// GET /conversations?messages=N: everything at once, for a device that begins.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Answer } from '@lockstep/protocol/rest'
import { atBest } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
type Page = Answer<'listConversations'>

const create = (person: Person, contents: readonly string[]) =>
  person.ask('createConversation', {
    body: { messages: contents.map((content) => ({ role: 'user' as const, content })) },
  })

/** All pages of the snapshot. `between` runs after each page. */
async function snapshot(
  person: Person,
  query: { messages: number; limit?: number },
  between: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Page[]> {
  const pages: Page[] = []
  do {
    const cursor = pages.at(-1)?.next_cursor ?? undefined
    pages.push(await person.ask('listConversations', { query: { ...query, cursor } }))
    await between()
  } while (pages.at(-1)!.next_cursor !== null)
  return pages
}

test('each item has the newest messages that its conversation has when it is read alone', async () => {
  const alice = await signUp(shared.node)
  await create(alice, [])
  const long = await create(alice, ['one', 'two', 'three'])
  await create(alice, ['only'])
  const trashed = await create(alice, ['away'])
  await alice.ask('deleteConversation', { params: { id: trashed.id } })

  const pages = await snapshot(alice, { messages: 2, limit: 2 })
  expect(pages.map(({ items }) => items.length)).toEqual([2, 1])
  for (const item of pages.flatMap(({ items }) => items)) {
    const alone = await alice.ask('getConversation', {
      params: { id: item.id },
      query: { limit: 2 },
    })
    expect({ ...item, epoch: alone.epoch, seq: alone.seq }).toEqual(alone)
  }
  const { messages, has_more } = pages
    .flatMap(({ items }) => items)
    .find(({ id }) => id === long.id)!
  expect({ contents: messages?.map(({ content }) => content), has_more }).toEqual({
    contents: ['two', 'three'],
    has_more: true,
  })
  const trash = await alice.ask('listConversations', { query: { messages: 5, state: 'trash' } })
  expect(trash.items).toMatchObject([{ id: trashed.id, messages: [{ content: 'away' }] }])
  const plain = await alice.ask('listConversations', {})
  expect(plain.items[0]).not.toHaveProperty('messages')
})

test('all pages have the position of the first one, so the changes since then complete them', async () => {
  const alice = await signUp(shared.node)
  for (let n = 0; n < 4; n++) await create(alice, [`${n}`])
  const pages = await snapshot(alice, { messages: 1, limit: 1 }, () => create(alice, ['later']))
  const [{ epoch, seq } = { epoch: '', seq: 0 }] = pages
  expect(pages.map((page) => ({ epoch: page.epoch, seq: page.seq }))).toEqual(
    pages.map(() => ({ epoch, seq })),
  )
  const changes = await alice.ask('readChanges', {
    params: { topic: 'conversations' },
    query: { epoch, seq },
  })
  const known = new Set([
    ...pages.flatMap(({ items }) => items.map(({ id }) => id)),
    ...changes.changes.map(({ entity_id }) => entity_id),
  ])
  const all = await alice.ask('listConversations', {})
  expect(all.items.filter(({ id }) => !known.has(id))).toEqual([])
})

test('a page ends at 4 MB, however many conversations it was asked for', async () => {
  const alice = await signUp(shared.node)
  const text = 'x'.repeat(250_000)
  for (let n = 0; n < 6; n++) await create(alice, Array<string>(6).fill(text))
  const pages = await snapshot(alice, { messages: 100, limit: 200 })
  expect(pages.map(({ items }) => items.length)).toEqual([2, 2, 2])
})

test('messages is a number from 1 to 100', async () => {
  const alice = await signUp(shared.node)
  for (const messages of ['0', '101', 'all', ''])
    expect(await alice.rest('GET', `/conversations?messages=${messages}`)).toMatchObject({
      status: 422,
      body: { issues: [{ path: 'messages' }] },
    })
})

test('1,000 conversations take less than a second, and a third of the time of single requests', async () => {
  const alice = await signUp(shared.node)
  const conversations = Array.from({ length: 1_000 }, (_, n) => ({
    id: newId(),
    title: `${n}`,
    messages: Array.from({ length: 2 }, () => ({ id: newId(), role: 'user', content: `in ${n}` })),
  }))
  await alice.ask('importMe', { body: { source: 'lockstep', data: { conversations } } })
  const slowness = async () => {
    const singleBegan = performance.now()
    for (const { id } of conversations.slice(0, 20))
      await alice.ask('getConversation', { params: { id } })
    const single = (performance.now() - singleBegan) / 20
    const began = performance.now()
    const pages = await snapshot(alice, { messages: 2, limit: 200 })
    const whole = performance.now() - began
    const messages = pages.flatMap(({ items }) => items.flatMap((item) => item.messages))
    expect(messages).toHaveLength(2_000)
    // which of both limits is nearer, as a share of it
    return Math.max(whole / 1_000, (3 * whole) / conversations.length / single)
  }
  expect(await atBest(1, slowness)).toBeLessThan(1)
})
