// Exports in which one value after the other is replaced by a hostile one, such as break programs
// that look names up in plain objects or treat any value as text.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { ImportSource } from '@lockstep/protocol/import'
import { itemsIn } from './normalized-items.ts'

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

/** Yields copies of a value in each of which one value, at any depth, is replaced. */
function* withOneReplaced(value: unknown, by: unknown): Generator<unknown> {
  yield by
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value))
    for (const other of withOneReplaced(inner, by))
      yield Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other }
}

test.each(Object.entries(samples) as [ImportSource, unknown][])(
  '%s: whatever a value is replaced by, each item is read or reported, or the data is refused',
  (source, sample) => {
    expect(itemsIn(source, sample).filter(({ kind }) => kind === 'failed')).toEqual([])
    let count = 0
    for (const value of hostile)
      for (const data of withOneReplaced(sample, value)) {
        count++
        try {
          for (const item of itemsIn(source, data))
            if (item.kind === 'conversation')
              for (const { role } of item.slices.flat())
                expect(['user', 'assistant', 'system', 'tool']).toContain(role)
        } catch (error) {
          expect(error, JSON.stringify(data)).toMatchObject({ code: 'invalid' })
        }
      }
    expect(count).toBeGreaterThan(60)
  },
)

test.each(['__proto__', 'constructor', 'toString', { toString: 1 }, null])(
  'a message whose sender is %j counts as an assistant’s',
  (sender) => {
    const [item] = itemsIn('claude', [
      { uuid: 'c', chat_messages: [{ uuid: 'm', sender, text: 'x' }] },
    ])
    expect(item).toMatchObject({
      kind: 'conversation',
      slices: [[{ role: 'assistant', content: 'x' }]],
    })
  },
)

const many = <T>(make: (n: number) => T): T[] => Array.from({ length: 10_000 }, (_, n) => make(n))
const byId = (entries: [string, unknown][]) => Object.fromEntries(entries)
/** Ten thousand dots and underscores in all orders: keys that metadata has to make the same. */
const dotted = (n: number) =>
  n.toString(2).padStart(14, '0').replaceAll('0', '_').replaceAll('1', '.')
const nested = many((n) => ({ messageId: `m${n}`, text: 'x' })).reduce<object[]>(
  (children, message) => [{ ...message, children }],
  [],
)
test.each<[shape: string, source: ImportSource, data: unknown]>([
  [
    'a chain of empty parents with as many leaves',
    'chatgpt',
    [
      {
        id: 'c',
        mapping: byId([
          ...many((n): [string, unknown] => [`p${n}`, { parent: `p${n - 1}`, message: null }]),
          ...many((n): [string, unknown] => [
            `l${n}`,
            { parent: 'p9999', message: { content: { parts: ['x'] } } },
          ]),
        ]),
      },
    ],
  ],
  [
    'thinking that no answer follows',
    'chatgpt',
    [
      {
        id: 'c',
        mapping: byId(
          many((n) => [
            `p${n}`,
            {
              parent: `p${n - 1}`,
              message: { content: { content_type: 'thoughts', thoughts: [{ content: 'x' }] } },
            },
          ]),
        ),
      },
    ],
  ],
  ['messages in messages', 'librechat', { conversationId: 'c', messages: nested }],
  [
    'messages with one key',
    'claude',
    [{ uuid: 'c', chat_messages: many(() => ({ uuid: 'm', sender: 'human', text: 'x' })) }],
  ],
  [
    'keys that become the same',
    'claude',
    [{ uuid: 'c', chat_messages: [], more: byId(many((n) => [dotted(n), n])) }],
  ],
  [
    'parts of a message',
    'claude',
    [
      {
        uuid: 'c',
        chat_messages: [{ uuid: 'm', content: many((n) => ({ type: `t${n}`, apiKey: 'k' })) }],
      },
    ],
  ],
])('reading takes little time for ten thousand of %s', (_, source, data) => {
  const started = process.cpuUsage()
  const items = itemsIn(source, data)
  expect(process.cpuUsage(started).user).toBeLessThan(4_000_000)
  expect(items.map(({ kind }) => kind)).toEqual(['conversation'])
})
