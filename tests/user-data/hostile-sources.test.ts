// Exports whose every value, one after the other, is what breaks programs that look words up in objects or take anything for text.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { normalizeItem, type NormalizedItem } from '@lockstep/imports/reading/normalize'
import { parsers, type ImportSource } from '@lockstep/imports/sources/parsers'

const readAll = (source: ImportSource, data: unknown): NormalizedItem[] =>
  [...parsers[source](data)].map((item) => normalizeItem(source, item, '2026-06-01T00:00:00.000Z'))

const at = '2026-01-02T03:04:05Z'
const samples: Record<ImportSource, unknown> = {
  lockstep: {
    conversations: [
      {
        id: newId(),
        title: 't',
        created_at: at,
        messages: [{ id: newId(), role: 'user', content: 'x', metadata: { a: 1 } }],
      },
    ],
  },
  browser: {
    conversations: [
      {
        id: 'c',
        title: 't',
        timestamp: 1,
        messages: [{ id: 'm', role: 'user', content: 'x', timestamp: at }],
      },
    ],
  },
  chatgpt: [
    {
      id: 'c',
      title: 't',
      create_time: 1,
      current_node: 'a',
      mapping: {
        a: {
          id: 'a',
          parent: null,
          children: [],
          message: {
            id: 'm',
            author: { role: 'user', name: 'n' },
            create_time: 1,
            content: { content_type: 'code', language: 'ts', parts: ['x'], text: 'x' },
            metadata: { model_slug: 'g' },
          },
        },
      },
    },
  ],
  claude: [
    {
      uuid: 'c',
      name: 't',
      created_at: at,
      chat_messages: [
        {
          uuid: 'm',
          sender: 'human',
          text: 'x',
          created_at: at,
          content: [{ type: 'text', text: 'x' }],
          attachments: [{ file_name: 'f' }],
        },
      ],
    },
  ],
  librechat: {
    conversationId: 'c',
    title: 't',
    messages: [
      {
        messageId: 'm',
        parentMessageId: 'n',
        sender: 'User',
        text: 'x',
        model: 'g',
        createdAt: at,
        content: [{ type: 'text', text: 'x' }],
      },
    ],
  },
  'open-webui': [
    {
      id: 'c',
      title: 't',
      created_at: 1,
      chat: {
        title: 't',
        models: ['g'],
        history: {
          currentId: 'a',
          messages: {
            a: { id: 'a', parentId: null, role: 'user', content: 'x', timestamp: 1, model: 'g' },
          },
        },
      },
    },
  ],
  'chat-ui': [
    {
      _id: { $oid: 'c' },
      title: 't',
      model: 'g',
      createdAt: { $date: { $numberLong: '1' } },
      messages: [
        {
          id: 'm',
          from: 'user',
          content: 'x',
          createdAt: { $date: at },
          ancestors: [],
          children: [],
        },
      ],
    },
  ],
}
const hostile: unknown[] = [
  '__proto__',
  'constructor',
  { toString: 1 },
  { $numberLong: { valueOf: 1, toString: 1 } },
  { $date: { $numberLong: { toString: 1 } } },
  [[]],
  null,
  -0,
  1e308,
]

/** The value with each of its places, the innermost too, once replaced. */
function* replaced(value: unknown, by: unknown): Generator<unknown> {
  yield by
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value))
    for (const other of replaced(inner, by))
      yield Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other }
}

test.each(Object.entries(samples) as [ImportSource, unknown][])(
  '%s: whatever stands in any place, an item is read, reported, or the data refused',
  (source, sample) => {
    expect(readAll(source, sample).filter(({ kind }) => kind === 'failed')).toEqual([])
    let count = 0
    for (const value of hostile)
      for (const data of replaced(sample, value)) {
        count++
        try {
          for (const item of readAll(source, data))
            if (item.kind === 'conversation')
              for (const { role } of item.pieces.flat())
                expect(['user', 'assistant', 'system', 'tool']).toContain(role)
        } catch (error) {
          expect(error, JSON.stringify(data)).toMatchObject({ code: 'invalid' })
        }
      }
    expect(count).toBeGreaterThan(60)
  },
)

test.each(['__proto__', 'constructor', 'toString', { toString: 1 }, null])(
  'who speaks by the name of %j is an assistant of some name',
  (sender) => {
    const [item] = readAll('claude', [
      { uuid: 'c', chat_messages: [{ uuid: 'm', sender, text: 'x' }] },
    ])
    expect(item).toMatchObject({
      kind: 'conversation',
      pieces: [[{ role: 'assistant', content: 'x' }]],
    })
  },
)
