import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import { openClient } from '../harness/database.ts'
import { undo } from '../../realtime/log/undo.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { frozen, OneConversation, steps } from '../protocol-model/one-conversation.ts'
import { inForm } from '../harness/long-form.ts'

describe('undoing entries', () => {
  test('gives each earlier state of any history, entry by entry', () => {
    let undone = 0
    fc.assert(
      fc.property(steps, (history) => {
        const log = OneConversation.of(history)
        for (let n = log.decisions.length - 1; n >= 1; n--) {
          const [earlier, later] = [log.states[n], log.states[n + 1]]
          if (!isConversation(later) || !isConversation(earlier)) continue
          expect(undo(later, frozen(log.decisions[n]!))).toEqual(earlier)
          undone++
        }
      }),
      { numRuns: inForm(500, 1_500) },
    )
    expect(undone).toBeGreaterThan(inForm(200, 700))
  })

  test('works for any window of the messages', () => {
    fc.assert(
      fc.property(steps, fc.nat({ max: 5 }), (history, from) => {
        const log = OneConversation.of(history)
        const [earlier, later] = log.states.slice(-2)
        if (!isConversation(later) || !isConversation(earlier)) return
        // a window begins at a position, for what is left of deleted messages too
        const isIn = ({ position }: { position: number }) => position > from
        const window = (of: typeof later) => ({
          ...of,
          messages: of.messages.filter(isIn),
          removed: of.removed?.filter(isIn),
        })
        expect(undo(window(later), log.decisions.at(-1)!)).toEqual(window(earlier))
      }),
    )
  })
})

const shared = sharedNodes()

describe('a conversation at a point in its history', () => {
  let alice: Person
  beforeAll(async () => {
    alice = await signUp(shared.node, 'alice')
  })
  const at = (
    id: string,
    query: { seq?: number; time?: string; before?: number; limit?: number },
  ) => alice.ask('getConversationAt', { params: { id }, query })
  const status = async (id: string, query: string, person = alice) =>
    (await person.rest('GET', `/conversations/${id}/at?${query}`)).status
  const current = async (id: string, state?: 'trash') => {
    const {
      epoch: _epoch,
      seq: _seq,
      ...rest
    } = await alice.ask('getConversation', { params: { id }, query: { state } })
    return rest
  }

  test('is what a GET returned then, through edits, titles, flags, the trash and back', async () => {
    const [id, first] = [newId(), newId()]
    const message = (content: string, more: object = {}) => ({
      role: 'user' as const,
      content,
      ...more,
    })
    await alice.ask('createConversation', {
      body: { id, title: 'A', messages: [message('one', { id: first })] },
    })
    const put = (body: Record<string, unknown>) => () =>
      alice.ask('putConversation', { params: { id }, body })
    const deeds = [
      put({ messages: [message('two')] }),
      put({ messages: [message('ONE', { id: first }), message('three')], title: 'B' }),
      put({ metadata: { a: { b: 1 }, c: 2 } }),
      put({ metadata: { a: null }, pinned: true }),
      () => alice.ask('deleteConversation', { params: { id } }),
      () => alice.ask('restoreConversation', { params: { id } }),
      put({ messages: [message('Uno', { id: first })], archived: true }),
    ]
    const known: { seq: number; then: Awaited<ReturnType<typeof current>> }[] = []
    const note = async (state?: 'trash') =>
      known.push({
        seq: (await alice.ask('listConversations')).seq,
        then: await current(id, state),
      })
    await note()
    for (const deed of deeds) {
      await alice.ask('createConversation', { body: {} }) // other conversations change in between
      await deed()
      await note(deed === deeds[4] ? 'trash' : undefined)
    }
    await alice.ask('createConversation', { body: {} })
    for (const { seq, then } of known) {
      const { epoch: _epoch, seq: found, ...conversation } = await at(id, { seq })
      expect(conversation).toEqual(then)
      expect(found).toBe(seq)
      expect(await at(id, { seq: seq + 1 })).toMatchObject({ seq: seq, version: then.version })
    }
    const { items } = await alice.ask('listActivity', {
      query: { topic: 'conversations', limit: 200 },
    })
    for (const { at: time, entity_id, version } of items)
      if (entity_id === id) expect((await at(id, { time })).version).toBeGreaterThanOrEqual(version)
    expect(await at(id, { time: '2200-01-01T00:00:00.000Z' })).toMatchObject(await current(id))
  })

  test('has a window of its messages, and says whether there are more', async () => {
    const id = newId()
    const messages = Array.from({ length: 10 }, (_, n) => ({
      role: 'user' as const,
      content: `${n + 1}`,
    }))
    const { seq } = await alice.ask('createConversation', { body: { id, messages } })
    await alice.ask('putConversation', { params: { id }, body: { messages } })
    const newest = await at(id, { seq, limit: 3 })
    expect(newest.messages.map(({ content }) => content)).toEqual(['8', '9', '10'])
    expect(newest).toMatchObject({ has_more: true, message_count: 10 })
    const oldest = await at(id, { seq, limit: 5, before: 4 })
    expect(oldest.messages.map(({ content }) => content)).toEqual(['1', '2', '3'])
    expect(oldest.has_more).toBe(false)
  })

  test('can be restored by a PUT: a new change, and nothing is erased', async () => {
    const [id, first] = [newId(), newId()]
    const { seq } = await alice.ask('createConversation', {
      body: { id, title: 'Good', messages: [{ id: first, role: 'user', content: 'good' }] },
    })
    await alice.ask('putConversation', {
      params: { id },
      body: { title: 'Bad', messages: [{ id: first, role: 'user', content: 'bad' }] },
    })
    const then = await at(id, { seq })
    const messages = then.messages.map(({ id, role, content }) => ({ id, role, content }))
    await alice.ask('putConversation', { params: { id }, body: { title: then.title, messages } })
    expect(await current(id)).toMatchObject({
      title: 'Good',
      version: 3,
      messages: [{ content: 'good', version: 3 }],
    })
    expect((await at(id, { seq: seq + 1 })).title).toBe('Bad')
  })

  test('doesn’t exist before its creation, in the future, for other users, or after a purge', async () => {
    const [id, bob] = [newId(), await signUp(shared.node, 'bob')]
    const before = (await alice.ask('listConversations')).seq
    const { seq, created_at } = await alice.ask('createConversation', { body: { id } })
    if (before > 0) expect(await status(id, `seq=${before}`)).toBe(404)
    expect(await status(id, `time=${new Date(Date.parse(created_at) - 1).toISOString()}`)).toBe(404)
    expect(await status(id, `seq=${seq + 1}`)).toBe(404)
    expect(await status(id, `seq=${seq}`, bob)).toBe(404)
    expect(await status(newId(), `seq=${seq}`)).toBe(404)
    expect(await status(id, `seq=${seq}`)).toBe(200)
    await alice.ask('purgeConversation', { params: { id } })
    expect(await status(id, `seq=${seq}`)).toBe(404)
  })

  test('needs exactly one of seq and time', async () => {
    for (const query of [
      '',
      'seq=0',
      'seq=x',
      'time=x',
      'seq=1&time=2026-01-01T00:00:00Z',
      'seq[$gt]=1',
    ])
      expect([query, await status(newId(), query)]).toEqual([query, 422])
  })

  test('can’t be reached if later entries have lost their content', async () => {
    const [id, carol] = [newId(), await signUp(shared.node, 'carol')]
    const params = { id }
    await carol.ask('createConversation', { body: { id, title: '1' } })
    for (const title of ['2', '3', '4'])
      await carol.ask('putConversation', { params, body: { title } })
    await using client = await openClient(shared.database.url)
    await client
      .db()
      .collection('changes')
      .updateMany(
        { user_id: carol.user.id, seq: { $lte: 2 } },
        { $set: { stripped: true, expired: true }, $unset: { data: '', before: '' } },
      )
    const titles = []
    for (const seq of [1, 2, 3, 4]) {
      const reply = await carol.rest('GET', `/conversations/${id}/at?seq=${seq}`)
      titles.push(reply.status === 200 ? reply.body.title : reply.status)
    }
    expect(titles).toEqual([404, '2', '3', '4'])
  })
})
