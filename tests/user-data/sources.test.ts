// Small samples of what each product exports, with the oddities that are met in the wild, and what becomes of them.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { branchOf } from '@lockstep/protocol/branch'
import { FreeForm } from '@lockstep/protocol/scalars'
import { normalizeItem, type NormalizedItem } from '@lockstep/imports/reading/normalize'
import { flattenTree, type TreeNode } from '@lockstep/imports/parsing/message-tree'
import { toMetadata } from '@lockstep/imports/parsing/metadata'
import { parsers, type ImportSource } from '@lockstep/imports/sources/parsers'

const NOW = '2026-06-01T00:00:00.000Z'
const readAll = (source: ImportSource, data: unknown): NormalizedItem[] =>
  [...parsers[source](data)].map((item) => normalizeItem(source, item, NOW))

function conversations(source: ImportSource, data: unknown) {
  return readAll(source, data).map((item) => {
    if (item.kind !== 'conversation') throw new Error(JSON.stringify(item))
    const messages = item.pieces.flat()
    return { ...item.about, messages, thread: branchOf(messages).map(({ content }) => content) }
  })
}
const onlyOne = (source: ImportSource, data: unknown) => conversations(source, data)[0]!

describe('chatgpt', () => {
  const said = (role: string, text: string, more: object = {}) => ({
    author: { role },
    content: { content_type: 'text', parts: [text] },
    ...more,
  })
  const sample = {
    conversation_id: 'c0ffee00-0000-4000-8000-000000000001',
    title: 'Trees',
    create_time: 1700000000.25,
    update_time: 1700000100,
    is_archived: true,
    gizmo_id: 'g-1',
    current_node: 'a2',
    mapping: {
      root: { id: 'root', message: null, parent: null, children: ['system'] },
      system: { message: said('system', ''), parent: 'root' },
      u: { message: said('user', 'Which tree?', { create_time: 1700000001 }), parent: 'system' },
      a1: {
        message: said('assistant', 'An oak', { metadata: { model_slug: 'gpt-x' } }),
        parent: 'u',
      },
      u1: { message: said('user', 'Why?'), parent: 'a1' },
      a2: { message: said('assistant', 'A pine', { status: 'in_progress' }), parent: 'u' },
    },
  }

  test('keeps branches: the open one is the thread, the others stay behind it', () => {
    const { title, archived, created_at, updated_at, metadata, messages, thread } = onlyOne(
      'chatgpt',
      [sample],
    )
    expect({ title, archived, created_at, updated_at }).toEqual({
      ...{ title: 'Trees', archived: true },
      ...{ created_at: '2023-11-14T22:13:20.250Z', updated_at: '2023-11-14T22:15:00.000Z' },
    })
    expect(metadata).toEqual({
      gizmo_id: 'g-1',
      imported_from: { source: 'chatgpt', id: sample.conversation_id },
    })
    expect(messages.map(({ content }) => content)).toEqual([
      'Which tree?',
      'An oak',
      'Why?',
      'A pine',
    ])
    expect(messages[3]).toMatchObject({
      replaces: messages[1]!.id,
      status: 'interrupted',
      role: 'assistant',
    })
    expect(messages[1]).toMatchObject({
      replaces: null,
      metadata: { model: 'gpt-x' },
      created_at: '2023-11-14T22:13:21.000Z',
    })
    expect(thread).toEqual(['Which tree?', 'A pine'])
    expect(branchOf(messages, messages[2]).map(({ content }) => content)).toEqual([
      'Which tree?',
      'An oak',
      'Why?',
    ])
  })

  test('reads code, output, images and reasoning, and lives with fields that are missing', () => {
    const contents = [
      { content_type: 'code', language: 'python', text: 'print(1)' },
      { content_type: 'execution_output', text: '1' },
      { content_type: 'multimodal_text', parts: [{ asset_pointer: 'file-service://x' }, 'Look'] },
      { content_type: 'multimodal_text', parts: [{ asset_pointer: 'file-service://y' }] },
      { content_type: 'thoughts', thoughts: [{ summary: 'Hm', content: 'Hmm' }] },
      { content_type: 'text', parts: null },
      {},
    ]
    const mapping = Object.fromEntries(
      contents.map((content, n) => [`n${n}`, { parent: `n${n - 1}`, message: { content } }]),
    )
    const { messages, title, created_at } = onlyOne('chatgpt', [
      { id: 'x', mapping: { ...mapping, bad: null } },
    ])
    expect({ title, created_at }).toEqual({ title: 'New conversation', created_at: NOW })
    expect(messages.map(({ content }) => content)).toEqual([
      '```python\nprint(1)\n```',
      '```\n1\n```',
      'Look',
      '',
      'Hmm',
    ])
    expect(messages[3]!.metadata.parts).toEqual([{ asset_pointer: 'file-service://y' }])
  })

  test('reports what is no conversation and goes on', () => {
    expect(readAll('chatgpt', [{ title: 'Broken' }, 7, sample]).map(({ kind }) => kind)).toEqual([
      'failed',
      'failed',
      'conversation',
    ])
  })
})

test('claude: text parts, what else they hold, and attachments', () => {
  const message = (sender: string, more: object) => ({
    uuid: `${sender}-1`,
    sender,
    created_at: '2025-02-03T04:05:06.789123+00:00',
    ...more,
  })
  const sample = {
    uuid: 'abc',
    name: '',
    created_at: '2025-02-03T04:05:06Z',
    updated_at: '2025-02-03T05:00:00Z',
    account: { uuid: 'me' },
    chat_messages: [
      message('human', {
        text: 'Hello',
        attachments: [{ file_name: 'a.txt', extracted_content: 'A' }],
      }),
      message('assistant', {
        text: 'short',
        content: [
          { type: 'thinking', thinking: 'hm' },
          { type: 'text', text: 'Hi' },
          { type: 'text', text: 'there' },
        ],
      }),
    ],
  }
  const { title, messages, metadata, updated_at } = onlyOne('claude', [sample])
  expect({ title, updated_at }).toEqual({
    title: 'New conversation',
    updated_at: '2025-02-03T05:00:00.000Z',
  })
  expect(metadata).toEqual({ imported_from: { source: 'claude', id: 'abc' } })
  expect(messages.map(({ role, content }) => [role, content])).toEqual([
    ['user', 'Hello'],
    ['assistant', 'Hi\n\nthere'],
  ])
  expect(messages[0]).toMatchObject({
    created_at: '2025-02-03T04:05:06.789Z',
    metadata: { attachments: [{ file_name: 'a.txt' }] },
  })
  expect(messages[1]!.metadata.parts).toEqual([{ type: 'thinking', thinking: 'hm' }])
})

test('librechat: a flat list with parents and a recursive one give the same', () => {
  const about = { conversationId: 'lc', title: 'Libre', exportAt: 'now', options: { model: 'm' } }
  const [u, a, b] = [
    {
      messageId: 'u',
      parentMessageId: '00000000-0000-0000-0000-000000000000',
      isCreatedByUser: true,
      text: 'Q',
      createdAt: '2025-01-01T00:00:00Z',
    },
    { messageId: 'a', parentMessageId: 'u', sender: 'GPT', text: 'A1', error: true },
    {
      messageId: 'b',
      parentMessageId: 'u',
      sender: 'GPT',
      text: '',
      content: [
        { type: 'think', think: 'h' },
        { type: 'text', text: { value: 'A2' } },
      ],
    },
  ]
  const flat = onlyOne('librechat', { ...about, messages: [u, a, b] })
  expect(flat).toEqual(
    onlyOne('librechat', { ...about, recursive: true, messages: [{ ...u, children: [a, b] }] }),
  )
  expect(flat.thread).toEqual(['Q', 'A2'])
  expect(flat.messages.map(({ status }) => status)).toEqual(['complete', 'failed', 'complete'])
  expect(flat.metadata).toMatchObject({ options: { model: 'm' } })
})

test('open-webui: the tree, its open message, seconds and milliseconds', () => {
  const messages = {
    u: {
      id: 'u',
      parentId: null,
      childrenIds: ['a', 'b'],
      role: 'user',
      content: 'Q',
      timestamp: 1700000000,
    },
    a: { id: 'a', parentId: 'u', role: 'assistant', content: 'A1', model: 'llama', done: true },
    b: { id: 'b', parentId: 'u', role: 'assistant', content: 'A2', error: { content: 'x' } },
  }
  const chat = {
    title: 'In',
    models: ['llama'],
    history: { currentId: 'a', messages },
    messages: [],
    timestamp: 1700000000123,
  }
  const outer = {
    id: 'ow',
    title: 'Out',
    chat,
    created_at: 1700000000,
    updated_at: 1700000500,
    pinned: true,
    meta: { tags: ['t'] },
  }
  const read = onlyOne('open-webui', [outer])
  expect(read).toMatchObject({
    title: 'Out',
    pinned: true,
    created_at: '2023-11-14T22:13:20.000Z',
    thread: ['Q', 'A1'],
  })
  expect(read.metadata).toMatchObject({ models: ['llama'], meta: { tags: ['t'] } })
  expect(read.messages.find(({ content }) => content === 'A1')!.metadata).toEqual({
    model: 'llama',
  })
  const old = onlyOne('open-webui', [
    {
      ...chat,
      history: {},
      messages: [
        { role: 'user', content: 'flat' },
        { role: 'assistant', content: 'list' },
      ],
    },
  ])
  expect(old).toMatchObject({
    title: 'In',
    created_at: '2023-11-14T22:13:20.123Z',
    thread: ['flat', 'list'],
  })
})

test('chat-ui: extended JSON, ancestors, an empty root', () => {
  const $date = '2024-03-04T05:06:07Z'
  const messages = [
    { id: 'root', from: 'system', content: '', ancestors: [], children: ['u'] },
    { id: 'u', from: 'user', content: 'Q', ancestors: ['root'], createdAt: { $date } },
    { id: 'a', from: 'assistant', content: 'A1', ancestors: ['root', 'u'] },
    {
      id: 'b',
      from: 'assistant',
      content: 'A2',
      ancestors: ['root', 'u'],
      interrupted: true,
      reasoning: 'r',
    },
  ]
  const sample = {
    _id: { $oid: '65f' },
    title: 'Hugging',
    model: 'm',
    createdAt: { $date },
    updatedAt: { $date },
    messages,
  }
  const read = onlyOne('chat-ui', [sample])
  expect(read).toMatchObject({
    title: 'Hugging',
    created_at: '2024-03-04T05:06:07.000Z',
    thread: ['Q', 'A2'],
    metadata: { model: 'm' },
  })
  expect(read.messages.at(-1)).toMatchObject({
    status: 'interrupted',
    metadata: { reasoning: 'r' },
  })
  const listed = onlyOne('chat-ui', {
    _id: 'old',
    messages: [
      { from: 'user', content: 'a' },
      { from: 'assistant', content: 'b' },
    ],
  })
  expect(listed.thread).toEqual(['a', 'b'])
})

describe('browser', () => {
  const one = {
    id: 'conv-1',
    title: 'Old',
    createdAt: 1700000000000,
    updatedAt: '2023-11-15T00:00:00Z',
    model: 'gpt',
    'a.b': { $set: 1 },
    messages: [
      { id: 'm1', role: 'user', content: 'Hi', timestamp: 1700000000000, mood: 'good' },
      { sender: 'ai', text: 'Hello', thinkingTime: 3 },
      { role: 'assistant', content: { blocks: [1] } },
      'just text',
    ],
  }

  test('keeps what has no place of its own as metadata', () => {
    const { title, created_at, updated_at, metadata, messages } = onlyOne('browser', {
      conversations: [one],
    })
    expect({ title, created_at, updated_at }).toEqual({
      title: 'Old',
      created_at: '2023-11-14T22:13:20.000Z',
      updated_at: '2023-11-15T00:00:00.000Z',
    })
    expect(metadata).toMatchObject({ model: 'gpt', a_b: { _set: 1 } })
    expect(messages.map(({ role, content }) => [role, content])).toEqual([
      ['user', 'Hi'],
      ['assistant', 'Hello'],
      ['assistant', ''],
      ['assistant', 'just text'],
    ])
    expect(messages.map(({ metadata }) => metadata)).toEqual([
      { mood: 'good' },
      { thinkingTime: 3 },
      { content: { blocks: [1] } },
      {},
    ])
  })

  test.each([
    ['a list', [one]],
    ['the text of a list', JSON.stringify([one])],
    ['what a state library stores', { state: { conversations: [one] }, version: 0 }],
    ['a list in an object', { conversations: [one], activeId: 'conv-1' }],
    ['an object from id to conversation', { 'conv-1': { ...one, id: undefined } }],
    ['one by itself', one],
  ])('reads %s', (_, value) => {
    const items = readAll('browser', { conversations: value })
    expect(items.filter(({ kind }) => kind === 'conversation')).toEqual(
      readAll('browser', { conversations: [one] }),
    )
    expect(items.filter(({ kind }) => kind === 'failed')).toEqual([])
  })

  test('makes the configuration preferences, whatever it looks like', () => {
    const preferences = (config: unknown) => readAll('browser', { config })
    expect(preferences('{"theme":"dark","mcp.servers":[1]}')).toEqual([
      { kind: 'preferences', preferences: { theme: 'dark', mcp_servers: [1] } },
    ])
    expect(preferences('dark')).toEqual([
      { kind: 'preferences', preferences: { ai_mcp_ui_config: 'dark' } },
    ])
    expect(preferences({})).toEqual([])
  })

  test('reports what is no conversation', () => {
    expect(readAll('browser', { conversations: ['x', { title: 'T', messages: 5 }] })).toEqual([
      { kind: 'failed', item: 'item 1', reason: expect.any(String) },
      { kind: 'failed', item: 'T', reason: expect.any(String) },
    ])
  })
})

describe('any source', () => {
  const sources = Object.keys(parsers) as ImportSource[]

  test('gives the same ids each time, and others to other things', () => {
    const sample = (id: string) => [
      { uuid: id, chat_messages: [{ uuid: 'm', sender: 'human', text: 'x' }] },
    ]
    const [first, again, other] = [
      onlyOne('claude', sample('a')),
      onlyOne('claude', sample('a')),
      onlyOne('claude', sample('b')),
    ]
    expect(again).toEqual(first)
    expect(other.id).not.toBe(first.id)
    expect(other.messages[0]!.id).not.toBe(first.messages[0]!.id)
  })

  test('survives any JSON: an item is read, reported, or the data refused, nothing else', () => {
    const names = [
      'id',
      'uuid',
      '_id',
      'conversationId',
      'title',
      'messages',
      'chat_messages',
      'mapping',
      'chat',
      'history',
      'conversations',
      'content',
      'parts',
      'text',
      'role',
      'created_at',
      'parentId',
      'message',
      'parent',
      'children',
    ]
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5, withCrossShrink: true },
        fc.jsonValue({ maxDepth: 0 }),
        fc.constantFrom('a', 'b'),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(fc.constantFrom(...sources), tree, (source, data) => {
        try {
          for (const item of readAll(source, data))
            expect(['conversation', 'preferences', 'run', 'failed']).toContain(item.kind)
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid' })
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('keeps any fields within the limits of metadata', () => {
    const anyKey = fc.oneof(fc.string(), fc.constantFrom('__proto__', '_bsontype', '$set', 'a.b'))
    fc.assert(
      fc.property(fc.dictionary(anyKey, fc.anything({ maxDepth: 3, key: anyKey })), (fields) => {
        expect(FreeForm.safeParse(toMetadata(fields)).error).toBeUndefined()
      }),
    )
    const deep = Array.from({ length: 50 }).reduce((inner) => ({ inner }), 1 as unknown)
    const kept = toMetadata({ deep, big: 'x'.repeat(70_000), small: 1, broken: '\ud800' })
    expect(FreeForm.safeParse(kept).success).toBe(true)
    expect(kept).toMatchObject({ small: 1, broken: '\ufffd', not_imported: ['big'] })
  })
})

describe('a tree in one list', () => {
  const trees = fc
    .array(fc.record({ parent: fc.option(fc.nat({ max: 12 })), speaks: fc.boolean() }), {
      maxLength: 13,
    })
    .map((nodes) =>
      nodes.map(({ parent, speaks }, n): TreeNode => {
        const message = { role: 'user' as const, content: `${n}`, metadata: {} }
        return {
          key: `${n}`,
          parent: parent === null ? undefined : `${parent}`,
          message: speaks || n % 2 ? message : undefined,
        }
      }),
    )

  test('has every message once, whatever the tree, circles included', () => {
    fc.assert(
      fc.property(
        trees,
        fc.option(fc.nat({ max: 12 }).map(String), { nil: undefined }),
        (nodes, current) => {
          const keys = flattenTree(nodes, current).map(({ key }) => key)
          expect(keys.toSorted()).toEqual(
            nodes
              .filter(({ message }) => message)
              .map(({ key }) => key)
              .toSorted(),
          )
        },
      ),
    )
  })

  test('gives each message back the thread that it had', () => {
    const forward = trees.map((nodes) =>
      nodes.map((node) =>
        Number(node.parent) >= Number(node.key) ? { ...node, parent: undefined } : node,
      ),
    )
    fc.assert(
      fc.property(forward, (nodes) => {
        const byKey = new Map(nodes.map((node) => [node.key, node]))
        const threadOf = (key: string | undefined): string[] =>
          key === undefined
            ? []
            : [...threadOf(byKey.get(key)!.parent), ...(byKey.get(key)!.message ? [key] : [])]
        const list = flattenTree(nodes, undefined).map(({ key, replaces = null }, i) => ({
          id: key,
          position: i + 1,
          replaces,
        }))
        for (const one of list)
          expect(branchOf(list, one).map(({ id }) => id)).toEqual(threadOf(one.id))
      }),
    )
  })
})
