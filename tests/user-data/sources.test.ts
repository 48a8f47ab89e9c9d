// Small samples of what each product exports, with the oddities that occur in the wild, and what an
// import makes of them.
import { describe, expect, test } from 'vitest'
import { branchOf } from '@lockstep/protocol/branch'
import { firstConversationIn, itemsIn, NOW } from './normalized-items.ts'

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

  test('keeps all branches: the open one is the thread', () => {
    const { title, archived, created_at, updated_at, metadata, messages, thread } =
      firstConversationIn('chatgpt', [sample])
    expect({ title, archived, created_at, updated_at }).toEqual({
      ...{ title: 'Trees', archived: true },
      ...{ created_at: '2023-11-14T22:13:20.250Z', updated_at: '2023-11-14T22:15:00.000Z' },
    })
    expect(metadata).toEqual({
      gizmo_id: 'g-1',
      hidden_messages: [{ id: 'root' }, { id: 'system' }],
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

  test('reads code, output, images and reasoning, and accepts missing fields', () => {
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
    const { messages, title, created_at } = firstConversationIn('chatgpt', [
      { id: 'x', mapping: { ...mapping, bad: null } },
    ])
    expect({ title, created_at }).toEqual({ title: 'New conversation', created_at: NOW })
    expect(messages.map(({ content }) => content)).toEqual([
      '```python\nprint(1)\n```',
      '```\n1\n```',
      'Look',
      '[Attachment]',
      '(No answer)',
    ])
    expect(messages[3]!.metadata.parts).toEqual([{ asset_pointer: 'file-service://y' }])
    expect(messages[4]).toMatchObject({ status: 'interrupted', metadata: { thinking: 'Hmm' } })
  })

  test('is pinned if it was pinned or starred', () => {
    for (const [fields, pinned] of [
      [{ pinned_time: 1_770_000_000.5 }, true],
      [{ pinned_time: '2026-02-02T00:00:00Z' }, true],
      [{ is_starred: true }, true],
      [{ pinned_time: null, is_starred: false }, false],
    ] as const)
      expect(firstConversationIn('chatgpt', [{ ...sample, ...fields }]).pinned).toBe(pinned)
  })

  test('reports what is not a conversation, and continues', () => {
    expect(itemsIn('chatgpt', [{ title: 'Broken' }, 7, sample]).map(({ kind }) => kind)).toEqual([
      'failed',
      'failed',
      'conversation',
    ])
  })
})

test('claude: text parts, other parts and attachments', () => {
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
  const { title, messages, metadata, updated_at } = firstConversationIn('claude', [sample])
  expect({ title, updated_at }).toEqual({
    title: 'New conversation',
    updated_at: '2025-02-03T05:00:00.000Z',
  })
  expect(metadata).toEqual({
    account: { uuid: 'me' },
    imported_from: { source: 'claude', id: 'abc' },
  })
  expect(messages.map(({ role, content }) => [role, content])).toEqual([
    ['user', 'Hello\n\nA'],
    ['assistant', 'Hi\n\nthere'],
  ])
  expect(messages[0]).toMatchObject({
    created_at: '2025-02-03T04:05:06.789Z',
    metadata: { attachments: [{ file_name: 'a.txt' }] },
  })
  expect(messages[1]!.metadata).toMatchObject({ thinking: 'hm', text: 'short' })
})

test('librechat: a flat list with parents and a recursive list give the same result', () => {
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
  const flat = firstConversationIn('librechat', { ...about, messages: [u, a, b] })
  expect(flat).toEqual(
    firstConversationIn('librechat', {
      ...about,
      recursive: true,
      messages: [{ ...u, children: [a, b] }],
    }),
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
  const read = firstConversationIn('open-webui', [outer])
  expect(read).toMatchObject({
    title: 'Out',
    pinned: true,
    created_at: '2023-11-14T22:13:20.000Z',
    thread: ['Q', 'A1'],
  })
  expect(read.metadata).toMatchObject({ models: ['llama'], meta: { tags: ['t'] } })
  expect(read.messages.find(({ content }) => content === 'A1')!.metadata).toEqual({
    model: 'llama',
    imported_from: { id: 'a' },
  })
  const old = firstConversationIn('open-webui', [
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
  const read = firstConversationIn('chat-ui', [sample])
  expect(read).toMatchObject({
    title: 'Hugging',
    created_at: '2024-03-04T05:06:07.000Z',
    thread: ['Q', 'A2'],
    metadata: { model: 'm' },
  })
  expect(read.messages.at(-1)).toMatchObject({
    status: 'interrupted',
    metadata: { thinking: 'r' },
  })
  const listed = firstConversationIn('chat-ui', {
    _id: 'old',
    messages: [
      { from: 'user', content: 'a' },
      { from: 'assistant', content: 'b' },
    ],
  })
  expect(listed.thread).toEqual(['a', 'b'])
})
