// Rewinding a conversation to an earlier state: one new change, and nothing is erased.
import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Conversation } from '@lockstep/protocol/conversations'
import { decideRewind } from '@lockstep/protocol/decide/rewind'
import { equalJson } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import type { Message } from '@lockstep/protocol/message'
import { isConversation, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import { previewOf } from '@lockstep/protocol/text'
import { toEntry } from '../../realtime/log/entry.ts'
import { changedBy, undo } from '../../realtime/log/undo.ts'
import { eventually } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import {
  CONVERSATION,
  frozen,
  OneConversation,
  steps,
  USER,
} from '../protocol-model/one-conversation.ts'
import { inForm } from '../harness/long-form.ts'

const at = '2027-01-01T00:00:00.000Z'
const rewind = (held: Conversation, then: Conversation) =>
  decideRewind(frozen(held), frozen(then), { user_id: USER, at, newId })
const word = ({ content, status, metadata, parts }: Message) => ({
  ...{ content, status, metadata },
  ...(parts && { parts }),
})

const byPosition = (one: { position: number }, other: { position: number }) =>
  one.position - other.position

/** What `held` has to become when it is rewound to `then`. */
function broughtBack(held: Conversation, then: Conversation): Conversation {
  const gone = new Set(then.removed?.map(({ id }) => id))
  const removed = held.removed ?? []
  const edited = held.messages.map((message) => {
    const earlier = then.messages.find(({ id }) => id === message.id)
    if (!earlier || earlier.status === 'streaming' || equalJson(word(earlier), word(message)))
      return message
    const { parts: _parts, ...rest } = message
    return { ...rest, ...word(earlier), version: message.version + 1, updated_at: at }
  })
  const back = removed.flatMap(({ id, version }) => {
    const earlier = then.messages.find((message) => message.id === id)
    if (!earlier) return []
    const status = earlier.status === 'streaming' ? ('interrupted' as const) : earlier.status
    return [{ ...earlier, status, version: version + 1, updated_at: at }]
  })
  const deleted = edited.filter(({ id }) => gone.has(id))
  const messages = [...edited, ...back].filter(({ id }) => !gone.has(id)).sort(byPosition)
  const { title, metadata, pinned, archived } = then
  const preview = previewOf(messages.at(-1)?.content ?? '')
  const isTold = title !== held.title || messages.some((message, i) => message !== held.messages[i])
  const left = [
    ...removed.filter(({ id }) => !back.some((message) => message.id === id)),
    ...deleted.map(({ id, position, version, replaces }) => ({
      ...{ id, position, version: version + 1, replaces },
    })),
  ].sort(byPosition)
  const counts = held.removed && {
    ...{ removed: left, removed_count: left.length, message_count: messages.length },
  }
  const after = {
    ...held,
    title,
    metadata,
    pinned,
    archived,
    messages,
    ...counts,
    preview,
    updated_at: isTold || deleted.length > 0 ? at : held.updated_at,
  }
  return equalJson(after, held) ? held : { ...after, version: held.version + 1 }
}

test('any history can be rewound to any point: what existed then is as it was, and what came later stays', async () => {
  let brought = 0
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const stays = history.filter(({ name }) => name !== 'purge')
      const log = OneConversation.of([
        ...stays,
        { name: 'end' },
        { name: 'restore', payload: { conversation_id: CONVERSATION } },
      ])
      const { held } = log
      if (!isConversation(held)) return
      for (let n = 1; n < log.states.length; n++) {
        const since = log.decisions.slice(n).reverse()
        const then = since.reduce(undo, held)
        expect(then).toEqual(log.states[n])
        const decision = rewind(held, then)
        const changed = await changedBy(since)
        const gone = new Set(then.removed?.map(({ id }) => id))
        // as the log loads it: the newest message that stays is there for the preview
        const newest = held.messages.findLast(({ id }) => !gone.has(id))
        const part = {
          ...held,
          messages: held.messages.filter(
            (message) =>
              changed.has(message.id) || ((held.removed || gone.size > 0) && message === newest),
          ),
          ...(held.removed && { removed: held.removed.filter(({ id }) => changed.has(id)) }),
        }
        expect(rewind(part, since.reduce(undo, part)), 'the others matter nothing').toEqual(
          decision,
        )
        const change = {
          topic: 'conversations' as const,
          epoch: 'e',
          seq: 99,
          at,
          actor: { session_id: null, device: '' },
        }
        const after = decision ? reduceConversation(held, { ...change, ...decision }) : held
        expect(after).toEqual(broughtBack(held, then))
        expect(rewind(after as Conversation, then)).toBeUndefined()
        if (!decision) continue
        expect(undo(after as Conversation, decision)).toEqual(held)
        brought++
      }
    }),
    { numRuns: inForm(300, 1_000) },
  )
  expect(brought).toBeGreaterThan(inForm(20, 100))
})

test('a rewind that doesn’t fit into one change is refused', () => {
  const text = (letter: string) => letter.repeat(250_000)
  const written = (n: number, content: string): Message => ({
    ...{ id: newId(), role: 'user', content, position: n + 1, version: 1, status: 'complete' },
    ...{ replaces: null, created_at: at, updated_at: at, metadata: {} },
  })
  const messages = Array.from({ length: 20 }, (_, n) => written(n, text('a')))
  const then: Conversation = {
    ...{
      id: CONVERSATION,
      user_id: USER,
      title: 'T',
      messages,
      message_count: 20,
      preview: '',
      has_more: false,
    },
    ...{
      created_at: at,
      updated_at: at,
      metadata: {},
      pinned: false,
      archived: false,
      deleted_at: null,
      version: 1,
    },
  }
  const entry = (decision: ReturnType<typeof rewind>) =>
    toEntry(
      { user_id: USER, session_id: null, device: '' },
      { topic: 'conversations', epoch: 'e', seq: 1, at: new Date(at) },
      { mutation_id: newId(), fingerprint: '' },
      decision!,
    )
  const edited = (count: number) =>
    messages.map((message, n) => (n < count ? { ...message, content: text('b') } : message))
  expect(() => entry(rewind({ ...then, messages: edited(20) }, then))).toThrow(
    /too much for one change/,
  )
  expect(entry(rewind({ ...then, messages: edited(15) }, then)).data?.messages).toHaveLength(15)
})

test('a rewind to a point within an import doesn’t mark the conversation as unfinished again', () => {
  const then: Conversation = {
    ...{
      id: CONVERSATION,
      user_id: USER,
      title: 'Then',
      messages: [],
      message_count: 0,
      preview: '',
      has_more: false,
    },
    ...{
      created_at: at,
      updated_at: at,
      pinned: false,
      archived: false,
      deleted_at: null,
      version: 1,
    },
    metadata: { a: 1, import_unfinished: true },
  }
  const now = { ...then, title: 'Now', metadata: { a: 2 } }
  expect(rewind(now, then)?.data).toHaveProperty('metadata', { a: 1 })
})

const shared = sharedNodes()

describe('rewinding a conversation', () => {
  let alice: Person
  beforeAll(async () => {
    alice = await signUp(shared.node, 'alice')
  })
  const message = (content: string, more: object = {}) => ({
    role: 'user' as const,
    content,
    ...more,
  })
  /** A conversation whose title and two messages have been spoiled since `seq`. */
  async function spoilt() {
    const [id, first] = [newId(), newId()]
    const params = { id }
    const good = {
      id,
      title: 'Good',
      metadata: { a: { b: 1 } },
      messages: [message('good', { id: first }), message('more')],
    }
    const { seq } = await alice.ask('createConversation', { body: good })
    const bad = {
      title: 'Bad',
      metadata: { a: { b: null }, c: 2 },
      archived: true,
      messages: [message('bad', { id: first }), message('later')],
    }
    await alice.ask('putConversation', { params, body: bad })
    return { id, params, seq }
  }
  const back = (id: string, seq: number, headers: Record<string, string> = {}) =>
    alice.rest('POST', `/conversations/${id}/rewind`, { seq }, headers)

  test('is one change that all devices receive; what came later stays, and the state in between remains readable', async () => {
    const { id, params, seq } = await spoilt()
    await using phone = await Follower.start(await alice.signIn(), 'conversations')
    const { body, status } = await back(id, seq)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      title: 'Good',
      metadata: { a: { b: 1 } },
      archived: false,
      version: 3,
      message_count: 3,
    })
    expect(body.messages).toMatchObject([
      { content: 'good', version: 3, position: 1 },
      { content: 'more', version: 1, position: 2 },
      { content: 'later', version: 1, position: 3 },
    ])
    expect(body.metadata).toEqual({ a: { b: 1 } })
    await phone.caughtUp(seq + 2)
    expect(phone.state).toEqual(await storedState(alice, 'conversations'))
    const between = await alice.ask('getConversationAt', { params, query: { seq: seq + 1 } })
    expect(between).toMatchObject({
      title: 'Bad',
      archived: true,
      messages: [{ content: 'bad' }, {}, {}],
    })
    await back(id, seq + 1)
    expect(await alice.ask('getConversation', { params })).toMatchObject({
      title: 'Bad',
      version: 4,
    })
  })

  test('happens once for one Idempotency-Key or mutation_id, and changes nothing if the state is the same', async () => {
    const { id, params, seq } = await spoilt()
    const key = { 'idempotency-key': newId() }
    const first = await back(id, seq, key)
    await alice.ask('putConversation', { params, body: { title: 'Newer' } })
    expect((await back(id, seq, key)).body).toMatchObject({ title: 'Newer', version: 4 })
    expect((await back(id, seq + 1, key)).body).toMatchObject({ code: 'invalid' })
    await using device = await alice.device('conversations')
    const payload = { conversation_id: id, seq, mutation_id: newId() }
    const { version, ...made } = await device.done('rewind', payload)
    expect([version, made.data]).toEqual([5, expect.objectContaining({ title: 'Good' })])
    expect(await device.done('rewind', payload)).toMatchObject({ version: 5, seq: made.seq })
    expect((await back(id, seq)).body).toMatchObject({ version: 5 })
    expect(first.body.version).toBe(3)
  })

  test('is refused while a message is streaming, and keeps the status of a reply', async () => {
    const { id, params } = await spoilt()
    await alice.ask('putConversation', {
      params,
      body: { messages: [message('/demo silent rate 0.1')] },
    })
    await using device = await alice.device('conversations')
    const { seq } = await device.done('reply', { conversation_id: id })
    await alice.ask('putConversation', { params, body: { title: 'Meanwhile' } })
    expect(await back(id, seq)).toMatchObject({ status: 409, body: { code: 'already_replying' } })
    const { id: message_id } = (await alice.ask('getConversation', { params })).messages.at(-1)!
    await device.done('stop', { conversation_id: id, message_id })
    const stopped = await eventually(async () => {
      const { messages } = await alice.ask('getConversation', { params })
      return messages.at(-1)!.status === 'stopped' && messages.at(-1)
    })
    const { body } = await back(id, seq)
    expect(body.title).toBe('Bad')
    expect((body.messages as unknown[]).at(-1)).toEqual(stopped)
  })

  test('is not possible to a point before the conversation existed or in the future, in the trash, or after a purge', async () => {
    const { id, params, seq } = await spoilt()
    const codes = []
    for (const moment of [seq + 1_000, ...(seq > 1 ? [seq - 1] : [])])
      codes.push((await back(id, moment)).body.code)
    await alice.ask('deleteConversation', { params })
    codes.push((await back(id, seq)).body.code)
    await alice.ask('purgeConversation', { params })
    codes.push((await back(id, seq)).body.code, (await back(newId(), seq)).body.code)
    expect(new Set(codes)).toEqual(new Set(['not_found']))
    expect((await back(id, 0)).body.code).toBe('invalid')
  })

  test('is refused if more messages have been edited since than a request may have; later messages don’t count', async () => {
    const id = newId()
    const many = Array.from({ length: 501 }, (_, n) => message(`${n}`, { id: newId() }))
    const halves = [many.slice(0, 500), many.slice(500)]
    const put = (messages: object[]) => alice.rest('PUT', `/conversations/${id}`, { messages })
    await alice.ask('createConversation', { body: { id, messages: halves[0] } })
    const { seq } = (await put(halves[1]!)).body as { seq: number }
    for (const half of halves)
      await put(half.map((one) => ({ ...one, content: `${one.content} edited` })))
    await put([message('later')])
    expect(await back(id, seq)).toMatchObject({ status: 413, body: { code: 'too_large' } })
    const { body } = await back(id, seq + 1)
    expect([body.message_count, body.version]).toEqual([502, 6])
    expect((body.messages as Message[]).slice(-2).map(({ content }) => content)).toEqual([
      '500',
      'later',
    ])
  })

  test('finds its points in the activity of that conversation only', async () => {
    const [{ id }, other] = [await spoilt(), await spoilt()]
    const activity = (query: object) =>
      alice.ask('listActivity', { query: { entity_id: id, ...query } })
    const { items } = await activity({})
    expect(items.map(({ entity_id, op }) => [entity_id, op])).toEqual([
      [id, 'updated'],
      [id, 'created'],
    ])
    const first = await activity({ limit: 1, topic: 'conversations' })
    const second = await activity({ limit: 1, topic: 'conversations', cursor: first.next_cursor! })
    expect([...first.items, ...second.items]).toEqual(items)
    expect(second.next_cursor).toBeNull()
    expect((await activity({ entity_id: newId() })).items).toEqual([])
    expect(other.id).not.toBe(id)
  })
})
