import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Answer } from '@lockstep/protocol/rest'
import type { Topic } from '@lockstep/protocol/topics'
import { openClient } from '../harness/database.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
type Item = Answer<'listActivity'>['items'][number]

async function allPages(person: Person, limit: number, topic?: Topic): Promise<Item[]> {
  const items: Item[] = []
  for (let cursor: string | undefined; ;) {
    const page = await person.ask('listActivity', { query: { limit, cursor, topic } })
    expect(page.items.length).toBeLessThanOrEqual(limit)
    items.push(...page.items)
    if (page.next_cursor === null) return items
    cursor = page.next_cursor
  }
}

describe('the activity of a user', () => {
  let alice: Person
  const id = newId()
  beforeAll(async () => {
    alice = await signUp(shared.node, 'alice')
    await alice.ask('createConversation', {
      body: { id, title: 'A', messages: [{ role: 'user', content: 'SECRET' }] },
    })
    await alice.ask('putPreferences', { body: { theme: 'SECRET', density: 'compact' } })
    const messages = [{ role: 'user' as const, content: 'SECRET too' }]
    await alice.ask('putConversation', {
      params: { id },
      body: { title: 'SECRET', pinned: true, messages },
    })
    await alice.ask('renameMe', { body: { username: `${alice.user.username}-2` } })
    await alice.ask('deleteConversation', { params: { id } })
  })

  test('lists each change of the four topics, newest first, with a summary', async () => {
    const { items, next_cursor } = await alice.ask('listActivity')
    expect(next_cursor).toBeNull()
    expect(items.map(({ topic, op, summary }) => [topic, op, summary])).toEqual([
      ['conversations', 'deleted', 'Moved to the trash'],
      ['account', 'renamed', 'Changed the username'],
      ['conversations', 'updated', 'Added 1 message, changed title, pinned'],
      ['preferences', 'updated', 'Changed theme, density'],
      ['conversations', 'created', 'Created with 1 message'],
      ['account', 'session_created', expect.stringMatching(/^Signed in on /)],
    ])
    expect(items[0]).toMatchObject({
      entity_id: id,
      version: 3,
      seq: 3,
      actor: { session_id: alice.session.id },
    })
    expect(items.map(({ at }) => at)).toEqual(
      items
        .map(({ at }) => at)
        .toSorted()
        .reverse(),
    )
  })

  test('gives pages what they need to word each change in another language', async () => {
    const { items } = await alice.ask('listActivity')
    const none = { added: 0, edited: 0, pinned: null, archived: null }
    expect(items.map(({ details }) => details)).toEqual([
      { ...none, fields: expect.any(Array), label: null },
      { ...none, fields: ['username'], label: null },
      {
        ...{ ...none, added: 1, pinned: true, label: null },
        fields: expect.arrayContaining(['title', 'pinned']),
      },
      { ...none, fields: ['theme', 'density'], label: null },
      { ...none, fields: expect.any(Array), added: 1, pinned: false, archived: false, label: null },
      { ...none, fields: ['session'], label: expect.any(String) },
    ])
  })

  test('names the agent of a run, unless its id is a UUID', async () => {
    const dora = await signUp(shared.node, 'dora')
    const own = newId()
    await dora.ask('putPreferences', {
      body: { agent_settings: { [own]: { name: 'Editor', model: 'demo' } } },
    })
    for (const agent of ['demo', own])
      await dora.ask('createRun', { body: { agent, input: 'Hello' } })
    const { items } = await dora.ask('listActivity', { query: { topic: 'agents' } })
    const started = items.filter(({ op }) => op === 'created').map(({ summary }) => summary)
    expect(started).toEqual(['Started a run', 'Started a run of demo'])
  })

  test('never quotes content', async () => {
    expect(JSON.stringify(await alice.ask('listActivity'))).not.toContain('SECRET')
  })

  test.each([1, 2, 3, 5])('comes in pages of %i without gaps or repetitions', async (limit) => {
    const { items } = await alice.ask('listActivity')
    expect(await allPages(alice, limit)).toEqual(items)
  })

  test('can be limited to one topic', async () => {
    const { items } = await alice.ask('listActivity')
    const ofOne = items.filter(({ topic }) => topic === 'conversations')
    expect(await allPages(alice, 2, 'conversations')).toEqual(ofOne)
  })

  test('continues at the next page while new changes arrive', async () => {
    const bob = await signUp(shared.node, 'bob')
    for (const n of [1, 2, 3]) await bob.ask('putPreferences', { body: { n } })
    const before = await allPages(bob, 50)
    const first = await bob.ask('listActivity', { query: { limit: 1 } })
    await bob.ask('putPreferences', { body: { n: 4 } })
    await bob.ask('createConversation', { body: {} })
    const rest = await bob.ask('listActivity', { query: { cursor: first.next_cursor! } })
    expect([...first.items, ...rest.items]).toEqual(before)
  })

  test('refuses a cursor of another list', async () => {
    const { next_cursor } = await alice.ask('listActivity', {
      query: { limit: 1, topic: 'account' },
    })
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    for (const query of [
      'cursor=x',
      'cursor=',
      `cursor=${forged(null)}`,
      `cursor=${forged({ conversations: { $gt: 0 } })}`,
      `topic=preferences&cursor=${forged({ preferences: -1 })}`,
      `topic=preferences&cursor=${forged({ preferences: 1e300 })}`,
      ...(next_cursor ? [`topic=preferences&cursor=${next_cursor}`] : []),
    ])
      expect(await alice.rest('GET', `/users/me/activity?${query}`), query).toMatchObject({
        status: 422,
        body: { code: 'invalid', issues: [{ path: 'cursor' }] },
      })
  })

  test('still says what happened after the content of entries was stripped', async () => {
    const carol = await signUp(shared.node, 'carol')
    const messages = [{ role: 'user' as const, content: 'SECRET' }]
    const { id } = await carol.ask('createConversation', { body: { messages } })
    await carol.ask('putConversation', {
      params: { id },
      body: { title: 'SECRET', pinned: true, messages },
    })
    await carol.ask('putPreferences', { body: { theme: 'dark', density: 'compact' } })
    await carol.ask('putPreferences', { body: { older: true } })
    await using client = await openClient(shared.database.url)
    await client
      .db()
      .collection('changes')
      .updateMany(
        { user_id: carol.user.id },
        { $set: { stripped: true, expired: true }, $unset: { data: '', before: '' } },
      )
    // as entries were before `fields` was introduced
    await client
      .db()
      .collection('changes')
      .updateOne(
        { user_id: carol.user.id, topic: 'preferences', seq: 2 },
        { $unset: { fields: '' } },
      )
    const { items } = await carol.ask('listActivity')
    expect(items.map(({ summary }) => summary)).toEqual([
      'Changed preferences (details removed)',
      'Changed theme, density (details removed)',
      'Changed title, pinned, messages (details removed)',
      'Created (details removed)',
      'Signed in (details removed)',
    ])
  })
})
