// An answer has a bound in bytes, whatever somebody has stored; what is beyond it is on the next page.
import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
/** Beyond the bound an answer has what comes with its items, and one of them measured a little differently. */
const MOST = limits.answerBytes * 1.1
const large = () => ({ role: 'user' as const, content: 'x'.repeat(limits.messageBytes) })
const bytesOf = (value: unknown) => JSON.stringify(value).length

describe('a conversation of 21 messages of 256 KB', () => {
  const COUNT = 21
  let alice: Person
  let id: string
  beforeAll(async () => {
    alice = await signUp(shared.node, 'alice')
    id = (await alice.ask('createConversation', { body: {} })).id
    for (let i = 0; i < COUNT; i += 7)
      await alice.ask('putConversation', { params: { id }, body: { messages: Array.from({ length: 7 }, large) } })
  })

  test.each([undefined, 500])('comes in pages of about 4 MB without a gap (limit %s)', async (limit) => {
    const positions: number[] = []
    let pages = 0
    for (let before: number | undefined; ; pages++) {
      const page = await alice.ask('getConversation', { params: { id }, query: { limit, before } })
      expect(bytesOf(page)).toBeLessThan(MOST)
      positions.unshift(...page.messages.map(({ position }) => position))
      expect(page.has_more).toBe(positions[0]! > 1)
      if (!page.has_more) break
      before = positions[0]
    }
    expect(positions).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1))
    expect(pages).toBe(1)
  })

  test('is cut by its limit first where that is less', async () => {
    const page = await alice.ask('getConversation', { params: { id }, query: { limit: 3, before: 20 } })
    expect(page.messages.map(({ position }) => position)).toEqual([17, 18, 19])
  })

  test('is no larger in the answers to changes, conflicts and looks back', async () => {
    const put = (headers = {}) => alice.rest('PUT', `/conversations/${id}`, { title: newId() }, headers)
    const { seq } = await alice.ask('getConversation', { params: { id } })
    for (const reply of [
      await put(),
      await put({ 'if-match': '"1"' }),
      await alice.rest('POST', `/conversations/${id}/restore`),
      await alice.rest('GET', `/conversations/${id}/at?seq=${seq}&limit=500`),
    ]) {
      const { messages, has_more } = (reply.body.current ?? reply.body) as { messages: unknown[]; has_more: boolean }
      expect([has_more, messages.length > 10, bytesOf(reply.body) < MOST]).toEqual([true, true, true])
    }
  })
})

test('a list of conversations with large metadata comes in pages of about 4 MB', async () => {
  const alice = await signUp(shared.node, 'alice')
  const metadata = { note: 'x'.repeat(60_000) }
  const made = await Promise.all(
    Array.from({ length: 80 }, () => alice.ask('createConversation', { body: { metadata } })),
  )
  const found: string[] = []
  let pages = 0
  for (let cursor: string | null | undefined; cursor !== null; pages++) {
    const page = await alice.ask('listConversations', { query: { limit: 200, cursor } })
    expect(bytesOf(page)).toBeLessThan(MOST)
    found.push(...page.items.map(({ id }) => id))
    cursor = page.next_cursor
  }
  expect(pages).toBe(2)
  expect(found.toSorted()).toEqual(made.map(({ id }) => id).toSorted())
})

test('so does a list of large runs', async () => {
  const alice = await signUp(shared.node, 'alice')
  const run = { agent: 'demo', input: 'x'.repeat(limits.messageBytes), output: '', status: 'complete', conversation_id: null, message_id: null, started_at: '2025-01-01T00:00:00.000Z', ended_at: '2025-01-01T00:00:01.000Z', metadata: {} } // prettier-ignore
  const agent_runs = Array.from({ length: 20 }, () => ({ ...run, id: newId() }))
  await alice.ask('importMe', { body: { source: 'lockstep', data: { agent_runs } } })
  const first = await alice.ask('listRuns', { query: { limit: 200 } })
  expect(bytesOf(first)).toBeLessThan(MOST)
  const second = await alice.ask('listRuns', { query: { limit: 200, cursor: first.next_cursor! } })
  expect(second.next_cursor).toBeNull()
  const ids = [...first.items, ...second.items].map(({ id }) => id)
  expect(ids.toSorted()).toEqual(agent_runs.map(({ id }) => id).toSorted())
})
