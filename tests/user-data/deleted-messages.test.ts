// Messages that somebody deletes: gone for every reader, restorable by rewind.
import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { eventually } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes(2)

describe('a deleted message', () => {
  let alice: Person
  let elsewhere: Person
  beforeAll(async () => {
    alice = await signUp(shared.nodes[0]!, 'alice')
    elsewhere = alice.at(shared.nodes[1]!)
  })
  const message = (content: string, more: object = {}) => ({
    role: 'user' as const,
    content,
    ...more,
  })

  /** A conversation of messages with these texts. */
  async function talk(...texts: string[]) {
    const [id, ids] = [newId(), texts.map(() => newId())]
    const messages = texts.map((text, index) => message(text, { id: ids[index] }))
    const { seq } = await alice.ask('createConversation', { body: { id, messages } })
    const remove = (message_id: string, headers: Record<string, string> = {}) =>
      alice.rest('DELETE', `/conversations/${id}/messages/${message_id}`, undefined, headers)
    const get = (query: object = {}, person = alice) =>
      person.ask('getConversation', { params: { id }, query })
    return { id, ids, seq, remove, get, params: { id } }
  }
  const contents = ({ messages }: { messages: { content: string }[] }) =>
    messages.map(({ content }) => content)

  test('API-13: is in no answer and isn’t counted, on any node and device', async () => {
    const { id, ids, get, remove, params } = await talk('apple', 'banana', 'cherry', 'damson')
    await using phone = await Follower.start(await alice.signIn(), 'conversations')
    expect((await remove(ids[3]!)).status).toBe(204)
    expect(await get()).toMatchObject({ message_count: 3, removed_count: 1, preview: 'cherry' })
    await using device = await elsewhere.device('conversations')
    const message_ids = [ids[2]!, ids[0]!]
    const { data, seq } = await device.done('delete_messages', { conversation_id: id, message_ids })
    expect(data).toMatchObject({ message_count: 1, removed_count: 3, preview: 'banana' })
    for (const person of [alice, elsewhere]) {
      const read = await get({}, person)
      expect([contents(read), read.has_more]).toEqual([['banana'], false])
    }
    await phone.caughtUp(seq)
    expect(phone.state).toEqual(await storedState(alice, 'conversations'))

    for (const q of ['apple', 'damson'])
      expect((await alice.ask('listConversations', { query: { q } })).items).toEqual([])
    const snapshot = await alice.ask('listConversations', { query: { messages: '2', q: 'banana' } })
    expect(snapshot.items).toMatchObject([{ message_count: 1, messages: [{ content: 'banana' }] }])
    const markdown = await alice.ask('getConversationMarkdown', { params })
    expect(markdown).toContain('banana')
    expect(markdown).not.toMatch(/apple|cherry|damson/)
    const exported = JSON.stringify(await alice.ask('exportMe'))
    expect(exported).toContain('banana')
    expect(exported).not.toMatch(/apple|cherry|damson/)
    const bob = await signUp(shared.nodes[0]!)
    const original = (await alice.ask('exportMe')) as { conversations: unknown[] }
    await bob.ask('importMe', { body: { source: 'lockstep', data: original } })
    const { conversations } = (await bob.ask('exportMe')) as typeof original
    expect(conversations).toEqual(original.conversations)
    expect((await alice.ask('listActivity', { query: { limit: '1' } })).items).toMatchObject([
      { summary: 'Deleted messages' },
    ])
  })

  test('API-13: leaves pages of messages full, and an edit of the last one left is the preview', async () => {
    const { ids, get, remove, params } = await talk('a', 'b', 'c', 'd', 'e')
    for (const id of [ids[1]!, ids[4]!]) await remove(id)
    const newest = await get({ limit: '2' })
    expect([contents(newest), newest.has_more]).toEqual([['c', 'd'], true])
    const older = await get({ limit: '2', before: '3' })
    expect([contents(older), older.has_more]).toEqual([['a'], false])
    const edited = { messages: [message('edited', { id: ids[3] })] }
    const { body } = await alice.rest('PUT', `/conversations/${params.id}`, edited)
    expect(body).toMatchObject({ preview: 'edited', message_count: 3 })
    for (const id of [ids[0]!, ids[2]!, ids[3]!]) await remove(id)
    expect(await get()).toMatchObject({ message_count: 0, preview: '', messages: [] })
    expect(await alice.ask('createConversation', { body: { id: params.id } })).toMatchObject({
      message_count: 0,
    })
  })

  test('API-14: stays known by its id and place, and a rewind brings it back', async () => {
    const { id, ids, seq, get, remove, params } = await talk('one', 'two', 'three')
    await using phone = await Follower.start(await alice.signIn(), 'conversations')
    const wrong = await remove(ids[2]!, { 'if-match': '"7"' })
    expect(wrong).toMatchObject({
      status: 409,
      body: { code: 'version_conflict', current: { id: ids[2], version: 1 } },
    })
    expect((await remove(ids[2]!, { 'if-match': '"1"' })).status).toBe(204)
    const { version } = await get()
    expect((await remove(ids[2]!)).status).toBe(204)
    expect(await remove(newId())).toMatchObject({ status: 404, body: { code: 'not_found' } })
    const again = [message('again', { id: ids[2] })]
    await alice.ask('putConversation', { params, body: { messages: again } })
    await alice.ask('appendMessages', { params, body: { messages: again } })
    expect((await get()).version).toBe(version)
    const continued = message('four', { follows: ids[2] })
    await elsewhere.ask('appendMessages', { params, body: { messages: [continued] } })
    const appended = await get()
    expect(appended.messages.map(({ position }) => position)).toEqual([1, 2, 4])
    expect(appended.removed).toMatchObject([{ id: ids[2], position: 3, version: 2 }])
    const reply = { message_id: ids[2] }
    expect(await alice.rest('POST', `/conversations/${id}/reply`, reply)).toMatchObject({
      body: { code: 'id_taken' },
    })

    expect(contents(await alice.ask('getConversationAt', { params, query: { seq } }))).toEqual([
      'one',
      'two',
      'three',
    ])
    await alice.rest('POST', `/conversations/${id}/rewind`, { seq })
    const back = await get()
    expect(back.messages).toMatchObject([
      {},
      {},
      { id: ids[2], content: 'three', position: 3, version: 3 },
      { content: 'four', position: 4 },
    ])
    expect(back).toMatchObject({ message_count: 4, removed_count: 0, preview: 'four' })
    await phone.caughtUp(back.seq)
    expect(phone.state).toEqual(await storedState(elsewhere, 'conversations'))
  })

  test('of more than 4 MB with others isn’t deleted at all, because a rewind has to bring it back', async () => {
    const { id, ids, seq, get } = await talk('first')
    await using device = await alice.device('conversations')
    for (let n = 0; n < 3; n++) {
      const sixIds = Array.from({ length: 6 }, () => newId())
      const six = sixIds.map((one) => message('x'.repeat(250_000), { id: one }))
      ids.push(...sixIds)
      await device.done('append', { conversation_id: id, messages: six })
    }
    const remove = (message_ids: string[]) => ({ conversation_id: id, message_ids })
    expect((await device.refused('delete_messages', remove(ids))).code).toBe('too_large')
    await device.done('delete_messages', remove(ids.slice(0, 15)))
    expect((await get({ limit: '1' })).message_count).toBe(4)
    await alice.rest('POST', `/conversations/${id}/rewind`, { seq })
    expect((await get({ limit: '1' })).message_count).toBe(5)
  })

  test('of a reply that is being written: its producer ends, and another reply can begin', async () => {
    const { id, get, remove } = await talk('/demo silent rate 0.1')
    const asked = await alice.rest('POST', `/conversations/${id}/reply`, {})
    const { message_id } = asked.body as { message_id: string }
    expect((await remove(message_id)).status).toBe(204)
    expect((await get()).messages).toHaveLength(1)
    await eventually(async () => {
      const next = await alice.rest('POST', `/conversations/${id}/reply`, {})
      return next.status === 202
    })
  })
})
