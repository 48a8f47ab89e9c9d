// contract.md, "PUT with `messages` merges by id": one test per rule.
import { beforeEach, describe, expect, test } from 'vitest'
import type { Conversation } from '@lockstep/protocol/conversations'
import type { MessageInput } from '@lockstep/protocol/message'
import { CONVERSATION, messageId, OneConversation } from './one-conversation.ts'

let log: OneConversation
const conversation = () => log.held as Conversation
const put = (...messages: MessageInput[]) =>
  log.take({ name: 'update', payload: { conversation_id: CONVERSATION, messages } })
const message = (n: number, content: string, more: Partial<MessageInput> = {}): MessageInput => ({
  id: messageId(n),
  role: 'user',
  content,
  ...more,
})
const contents = () => conversation().messages.map(({ content }) => content)

beforeEach(() => {
  log = OneConversation.of([
    {
      name: 'create',
      payload: { id: CONVERSATION, messages: [message(1, 'one'), message(2, 'two')] },
    },
  ])
})

describe('a PUT of messages', () => {
  test('appends unknown ids in the order given', () => {
    put(message(9, 'nine'), message(1, 'one'), message(3, 'three'))
    expect(contents()).toEqual(['one', 'two', 'nine', 'three'])
    expect(conversation().messages.map(({ position }) => position)).toEqual([1, 2, 3, 4])
  })

  test('appends a message without an id every time, under a new id', () => {
    put({ role: 'user', content: 'same' })
    put({ role: 'user', content: 'same' })
    expect(contents()).toEqual(['one', 'two', 'same', 'same'])
    expect(conversation().messages[2]?.id).not.toBe(conversation().messages[3]?.id)
  })

  test('edits a known id whose version is the stored one', () => {
    put(message(1, 'changed', { version: 1 }))
    expect(conversation().messages[0]).toMatchObject({
      content: 'changed',
      version: 2,
      position: 1,
    })
  })

  test('leaves a known id with an older version as it is', () => {
    put(message(1, 'changed', { version: 1 }))
    expect(put(message(1, 'stale', { version: 1 }))).toBeUndefined()
    expect(contents()).toEqual(['changed', 'two'])
    expect(conversation().version).toBe(2)
  })

  test('edits a known id without a version only when its content differs', () => {
    put(message(1, 'one', { metadata: { ignored: true } }))
    expect(conversation().version).toBe(1)
    put(message(1, 'other', { metadata: { taken: true } }))
    expect(conversation().messages[0]).toMatchObject({
      content: 'other',
      version: 2,
      metadata: { taken: true },
    })
  })

  test('keeps messages that it does not mention', () => {
    put(message(2, 'second'))
    put()
    expect(contents()).toEqual(['one', 'second'])
  })

  test('never edits a message that is streaming', () => {
    log.take({ name: 'begin' })
    log.take({ name: 'piece', text: 'The answer' })
    const streaming = conversation().messages[2]!
    const refused = put({
      id: streaming.id,
      role: 'assistant',
      content: 'cut',
      version: streaming.version,
    })
    expect(refused).toBeUndefined()
    expect(conversation().messages[2]).toEqual(streaming)
  })

  test('is refused when it would start a stream, and changes nothing then', () => {
    expect(put(message(3, 'three'), message(4, 'four', { status: 'streaming' }))).toMatchObject({
      code: 'invalid',
    })
    expect(put(message(1, 'other', { status: 'streaming' }))).toMatchObject({ code: 'invalid' })
    expect(contents()).toEqual(['one', 'two'])
  })

  test('merges the metadata of an edited message and keeps its role, position and time of creation', () => {
    put(message(1, 'a', { metadata: { keep: 1, drop: 2 } }))
    const before = conversation().messages[0]!
    put(
      message(1, 'b', {
        role: 'assistant',
        metadata: { drop: null, more: 3 },
        created_at: '2001-01-01T00:00:00.000Z',
      }),
    )
    const { role, position, created_at } = before
    const metadata = { keep: 1, more: 3 }
    expect(conversation().messages[0]).toMatchObject({
      content: 'b',
      role,
      position,
      created_at,
      metadata,
    })
  })

  test('accepts a replacement only for a message of this conversation', () => {
    expect(put(message(3, 'again', { replaces: messageId(1) }))).toBeUndefined()
    expect(conversation().messages[2]?.replaces).toBe(messageId(1))
    expect(put(message(4, 'foreign', { replaces: messageId(8) }))).toMatchObject({
      code: 'invalid',
    })
  })

  test('moves updated_at and the preview, as does an edit of the last message', () => {
    const { updated_at } = conversation()
    put(message(2, 'x'.repeat(200)))
    expect(conversation().updated_at > updated_at).toBe(true)
    expect(conversation().preview).toBe('x'.repeat(140))
    put(message(1, 'first'))
    expect(conversation().preview).toBe('x'.repeat(140))
  })
})

describe('fields of a PUT', () => {
  const set = (fields: object) =>
    log.take({ name: 'update', payload: { conversation_id: CONVERSATION, ...fields } })

  test('are last-write-wins one by one without a version', () => {
    set({ title: 'From one tab' })
    set({ pinned: true })
    expect(conversation()).toMatchObject({ title: 'From one tab', pinned: true, version: 3 })
  })

  test('conflict if the version is not the present one, even when nothing would change', () => {
    set({ title: 'New' })
    expect(set({ title: 'Newer', if_version: 1 })).toMatchObject({ code: 'version_conflict' })
    expect(set({ title: 'New', if_version: 1 })).toMatchObject({ code: 'version_conflict' })
    expect(set({ title: 'Newer', if_version: 2 })).toBeUndefined()
  })

  test('move updated_at only with the title', () => {
    const { updated_at } = conversation()
    set({ pinned: true, archived: true, metadata: { a: 1 } })
    expect(conversation().updated_at).toBe(updated_at)
    set({ title: 'New' })
    expect(conversation().updated_at > updated_at).toBe(true)
  })

  test('merge metadata, and the limit applies to the result', () => {
    const half = 'x'.repeat(40_000)
    expect(set({ metadata: { a: half } })).toBeUndefined()
    expect(set({ metadata: { b: half } })).toMatchObject({
      code: 'too_large',
      extra: { limit_bytes: 65_536 },
    })
    expect(set({ metadata: { a: null, b: half } })).toBeUndefined()
    expect(conversation().metadata).toEqual({ b: half })
  })
})

describe('the life of a conversation', () => {
  const plain = (name: 'delete' | 'restore' | 'purge') =>
    log.take({ name, payload: { conversation_id: CONVERSATION } })
  const create = () => log.take({ name: 'create', payload: { id: CONVERSATION, title: 'Again' } })

  test('a create with the id of a live conversation changes nothing', () => {
    expect(create()).toBeUndefined()
    expect(log.changes).toHaveLength(1)
  })

  test('an append with an existing id changes nothing, whatever its text', () => {
    log.take({
      name: 'append',
      payload: { conversation_id: CONVERSATION, message: message(1, 'other') },
    })
    expect(log.changes).toHaveLength(1)
  })

  test('in the trash it can be restored or purged, but neither changed nor created again', () => {
    plain('delete')
    expect(put(message(3, 'three'))).toMatchObject({ code: 'not_found' })
    expect(create()).toMatchObject({ code: 'id_taken' })
    plain('delete')
    expect(log.changes).toHaveLength(2)
    plain('restore')
    expect(conversation()).toMatchObject({ deleted_at: null, message_count: 2, version: 3 })
  })

  test('a purged conversation is gone for ever, and its id stays taken', () => {
    plain('purge')
    expect(log.held).toEqual({
      id: CONVERSATION,
      user_id: conversation().user_id,
      version: 2,
      purged: true,
    })
    for (const name of ['delete', 'restore', 'purge'] as const)
      expect(plain(name)).toMatchObject({ code: 'not_found' })
    expect(create()).toMatchObject({ code: 'id_taken' })
    expect(log.changes).toHaveLength(2)
  })
})
