// A response is bounded in bytes, however much a user has stored. The rest is on the next page.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
/**
 * A response may exceed the bound by the fields around its items and by a small difference in
 * measuring one item.
 */
const MOST = limits.answerBytes * 1.1
const large = () => ({ role: 'user' as const, content: 'x'.repeat(limits.messageBytes) })
const bytesOf = (value: unknown) => JSON.stringify(value).length

describe('a conversation of 18 messages of 256 KB', () => {
  const COUNT = 18
  let alice: Person
  let id: string
  beforeAll(async () => {
    alice = await signUp(shared.node, 'alice')
    id = (await alice.ask('createConversation', { body: {} })).id
    for (let i = 0; i < COUNT; i += 6)
      await alice.ask('putConversation', {
        params: { id },
        body: { messages: Array.from({ length: 6 }, large) },
      })
  })

  test('comes in pages of about 4 MB without a gap', async () => {
    const positions: number[] = []
    let pages = 0
    for (let before: number | undefined; ; pages++) {
      const page = await alice.ask('getConversation', {
        params: { id },
        query: { limit: 500, before },
      })
      expect(bytesOf(page)).toBeLessThan(MOST)
      positions.unshift(...page.messages.map(({ position }) => position))
      expect(page.has_more).toBe(positions[0]! > 1)
      if (!page.has_more) break
      before = positions[0]
    }
    expect(positions).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1))
    expect(pages).toBe(1)
  })

  test('ends at its limit if that comes first', async () => {
    const page = await alice.ask('getConversation', {
      params: { id },
      query: { limit: 3, before: 15 },
    })
    expect(page.messages.map(({ position }) => position)).toEqual([12, 13, 14])
  })

  test('is no larger in the responses to changes, conflicts and reads of the past', async () => {
    const put = (headers = {}) =>
      alice.rest('PUT', `/conversations/${id}`, { title: newId() }, headers)
    const { seq } = await alice.ask('getConversation', { params: { id } })
    for (const reply of [
      await put(),
      await put({ 'if-match': '"1"' }),
      await alice.rest('POST', `/conversations/${id}/restore`),
      await alice.rest('GET', `/conversations/${id}/at?seq=${seq}&limit=500`),
    ]) {
      const { messages, has_more } = (reply.body.current ?? reply.body) as {
        messages: unknown[]
        has_more: boolean
      }
      expect([has_more, messages.length > 10, bytesOf(reply.body) < MOST]).toEqual([
        true,
        true,
        true,
      ])
    }
  })
})

describe('a list', () => {
  let database: Database
  beforeAll(async () => {
    database = await openDatabase(shared.database.url)
  })
  afterAll(() => database.close())

  /**
   * Inserts `count` copies of alice's document, because commands would take too long. Returns the
   * ids of all.
   */
  async function multiplied(
    name: 'conversations' | 'agent_runs',
    alice: Person,
    count: number,
  ): Promise<string[]> {
    const collection = database.db.collection<{ _id: string }>(name)
    const first = await collection.findOne({ user_id: alice.user.id } as never)
    const more = Array.from({ length: count - 1 }, () => ({
      ...first!,
      _id: `${alice.user.id}:${newId()}`,
    }))
    await collection.insertMany(more)
    return [first!, ...more].map(({ _id }) => _id.split(':')[1]!).toSorted()
  }

  test('of conversations with large metadata comes in pages of about 4 MB', async () => {
    const alice = await signUp(shared.node, 'alice')
    await alice.ask('createConversation', { body: { metadata: { note: 'x'.repeat(60_000) } } })
    await alice.ask('listConversations') // the documents have followed
    const made = await multiplied('conversations', alice, 80)
    const found: string[] = []
    let pages = 0
    for (let cursor: string | null | undefined; cursor !== null; pages++) {
      const page = await alice.ask('listConversations', { query: { limit: 200, cursor } })
      expect(bytesOf(page)).toBeLessThan(MOST)
      found.push(...page.items.map(({ id }) => id))
      cursor = page.next_cursor
    }
    expect(pages).toBe(2)
    expect(found.toSorted()).toEqual(made)
  })

  test('of large runs comes in pages of about 4 MB too', async () => {
    const alice = await signUp(shared.node, 'alice')
    const run = {
      id: newId(),
      agent: 'demo',
      input: 'x'.repeat(limits.messageBytes),
      output: '',
      status: 'complete',
      conversation_id: null,
      message_id: null,
      started_at: '2025-01-01T00:00:00.000Z',
      ended_at: '2025-01-01T00:00:01.000Z',
      metadata: {},
    }
    await alice.ask('importMe', { body: { source: 'lockstep', data: { agent_runs: [run] } } })
    await alice.ask('listRuns') // the documents have followed
    const made = await multiplied('agent_runs', alice, 20)
    const first = await alice.ask('listRuns', { query: { limit: 200 } })
    expect(bytesOf(first)).toBeLessThan(MOST)
    const second = await alice.ask('listRuns', {
      query: { limit: 200, cursor: first.next_cursor! },
    })
    expect(second.next_cursor).toBeNull()
    expect([...first.items, ...second.items].map(({ id }) => id).toSorted()).toEqual(made)
  })
})
