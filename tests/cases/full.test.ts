// A user or a conversation that has reached a maximum gets a clear refusal, and everything that
// exists stays usable.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideConversations } from '@lockstep/protocol/decide/conversations'
import { decideReply } from '@lockstep/protocol/decide/replies'
import type { Conversation } from '@lockstep/protocol/conversations'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { countingQuota } from '../../realtime/commands/conversation-quota.ts'
import { decideSlice } from '../../realtime/commands/import/decisions.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const MOST = 5
const shared = sharedNodes(1, { options: { conversationsPerUser: MOST } })

test('a user with the maximum number of conversations can change and purge them, and create no other', async () => {
  const alice = await signUp(shared.node, 'alice')
  const key = { 'idempotency-key': newId() }
  const made = []
  for (let i = 0; i < MOST; i++)
    made.push(
      (await alice.rest('POST', '/conversations', {}, i === 0 ? key : {})).body.id as string,
    )
  const [first, second] = made as [string, string]
  const refused = {
    status: 422,
    body: { code: 'invalid', detail: expect.stringContaining('purge') },
  }
  expect(await alice.rest('POST', '/conversations', {})).toMatchObject(refused)
  expect(await alice.rest('POST', '/conversations', {}, key)).toMatchObject({
    status: 200,
    body: { id: first },
  })
  expect(await alice.rest('POST', '/conversations', { id: first })).toMatchObject({ status: 200 })
  await alice.ask('putConversation', { params: { id: first }, body: { title: 'still mine' } })
  const conversations = [newId(), newId()].map((id) => ({ id, title: id, messages: [] }))
  for (const dry_run of [true, false]) {
    const imported = await alice.ask('importMe', {
      body: { source: 'lockstep', data: { conversations }, dry_run },
    })
    expect(imported).toMatchObject({
      created: 0,
      failed: [{ reason: refused.body.detail }, { reason: refused.body.detail }],
    })
  }
  await alice.ask('deleteConversation', { params: { id: second } })
  expect(await alice.rest('POST', '/conversations', {})).toMatchObject(refused)
  await alice.ask('purgeConversation', { params: { id: second } })
  expect((await alice.rest('POST', '/conversations', {})).status).toBe(201)
  expect(await alice.rest('POST', '/conversations', {})).toMatchObject(refused)
  const bob = await signUp(shared.node, 'bob')
  expect((await bob.rest('POST', '/conversations', {})).status).toBe(201)
})

test('whether a user has reached the maximum is known without counting each time, and is never wrong', async () => {
  const changes = fc.array(fc.constantFrom('create', 'create', 'create', 'purge', 'other'), {
    minLength: 50,
    maxLength: 400,
    size: 'max',
  })
  await fc.assert(
    fc.asyncProperty(changes, fc.integer({ min: 1, max: 60 }), async (ops, most) => {
      let [count, seq, counted, asked] = [0, 0, 0, 0]
      const quota = countingQuota(() => Promise.resolve((counted++, count)), most)
      for (const op of ops) {
        if (op === 'create') {
          asked++
          const full = await quota.isFull('alice', seq)
          expect(full).toBe(count >= most)
          if (full) continue
        }
        if (op === 'purge' && count === 0) continue
        seq++
        count += op === 'create' ? 1 : op === 'purge' ? -1 : 0
      }
      expect(counted).toBeLessThanOrEqual(asked)
    }),
  )
  let counted = 0
  const quota = countingQuota(() => Promise.resolve((counted++, 50_000)), 100_000)
  for (let seq = 0; seq < 200_000; seq += 10) expect(await quota.isFull('alice', seq)).toBe(false)
  expect(counted).toBeLessThan(5)
})

describe('a conversation with the maximum number of messages', () => {
  const id = newId()
  const context = { user_id: newId(), at: '2026-01-01T00:00:00.000Z', newId: () => newId() }
  const held = (message_count: number): Conversation => ({
    ...{
      id,
      user_id: context.user_id,
      title: 'Long',
      message_count,
      preview: '',
      metadata: {},
      pinned: false,
      archived: false,
    },
    ...{
      created_at: context.at,
      updated_at: context.at,
      deleted_at: null,
      version: 7,
      messages: [],
      has_more: true,
    },
  })
  const full = limits.messagesPerConversation
  const said = { role: 'user' as const, content: 'one more' }
  const message = {
    ...said,
    id: newId(),
    position: 1,
    version: 1,
    status: 'complete' as const,
    replaces: null,
    created_at: context.at,
    updated_at: context.at,
    metadata: {},
  }
  const {
    user_id: _user,
    version: _version,
    message_count: _count,
    preview: _preview,
    messages: _messages,
    has_more: _more,
    ...about
  } = held(1)

  test.each<[string, number, (held: Conversation) => unknown]>([
    [
      'a message by append',
      1,
      (it) => decideConversations.append(it, { conversation_id: id, message: said }, context),
    ],
    [
      'messages by update',
      2,
      (it) =>
        decideConversations.update(it, { conversation_id: id, messages: [said, said] }, context),
    ],
    [
      'a reply with its question',
      2,
      (it) =>
        decideReply(
          it,
          {
            message_id: newId(),
            run_id: newId(),
            agent: 'a',
            model: 'm',
            input: { id: newId(), content: 'x' },
          },
          context,
        ),
    ],
    [
      'an imported message',
      1,
      (it) => decideSlice(it, { summary: about, messages: [message], isPartial: false }, context),
    ],
  ])('accepts no more messages by %s', (_what, added, decide) => {
    expect(decide(held(full - added))).toMatchObject({ data: { message_count: full } })
    expect(() => decide(held(full - added + 1))).toThrow(
      expect.objectContaining({ code: 'invalid' }) as Error,
    )
  })

  test('still accepts another title', () => {
    expect(
      decideConversations.update(held(full), { conversation_id: id, title: 'x' }, context),
    ).toBeDefined()
  })
})
