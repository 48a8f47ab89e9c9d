// The product that exported a file is told from its first items.
import { beforeAll, expect, test } from 'vitest'
import { showEnglish } from './english-texts.ts'
import { toExportFile } from '../../ui/src/lib/import/chosen-files.ts'
import { detectSource } from '@lockstep/imports/sources/detect-source'
import { sourceOf } from '../../ui/src/lib/import/source-of-files.ts'

beforeAll(showEnglish)

const messages = [{ id: 'm', role: 'user', content: 'Hello', timestamp: 1 }]
const exports: [product: string, document: unknown][] = [
  [
    'chatgpt',
    [{ id: 'c', title: 'A', create_time: 1, mapping: { a: { id: 'a', message: null } } }],
  ],
  ['chatgpt', { conversations: [{ conversation_id: 'c', mapping: {} }] }],
  [
    'claude',
    [{ uuid: 'c', name: 'A', chat_messages: [{ uuid: 'm', sender: 'human', text: 'Hi' }] }],
  ],
  ['claude', [{ uuid: 'c', chat_messages: [] }]],
  [
    'librechat',
    { conversationId: 'c', title: 'A', messages: [{ messageId: 'm', sender: 'User', text: 'Hi' }] },
  ],
  ['librechat', { conversationId: 'c', recursive: true, messagesTree: [] }],
  ['open-webui', [{ id: 'c', user_id: 'u', title: 'A', chat: { history: { messages: {} } } }]],
  ['open-webui', [{ title: 'A', models: ['m'], history: { currentId: 'a', messages: {} } }]],
  ['open-webui', [{ title: 'A', models: ['m'], messages }]],
  [
    'chat-ui',
    [
      {
        _id: { $oid: 'c' },
        sessionId: 's',
        title: 'A',
        messages: [{ from: 'user', content: 'Hi' }],
      },
    ],
  ],
  [
    'chat-ui',
    { title: 'A', rootMessageId: 'r', messages: [{ id: 'r', from: 'system', content: '' }] },
  ],
  [
    'chat-ui',
    {
      format: 'chat-ui-conversation-trace',
      conversation: { id: 'c', messages: [{ id: 'm', from: 'user', content: 'Hi' }] },
      files: [],
    },
  ],
  ['lockstep', { preferences: {}, conversations: [{ id: 'c', message_count: 0, version: 1 }] }],
  [
    'lockstep',
    { conversations: [], agent_runs: [{ id: 'r', agent: 'demo', input: '', output: '' }] },
  ],
  [
    'lockstep',
    { conversations: [], agent_runs: [], drafts: [{ id: 'd', place: 'new', text: 'Half a' }] },
  ],
  ['lockstep', [{ id: 'c', messages: [{ id: 'm', role: 'user', position: 1, content: 'Hi' }] }]],
]

test.each(exports)('an export of %s is recognised: %j', async (product, document) => {
  expect(await detectSource(toExportFile('export.json', document))).toBe(product)
})

test('items that say nothing are skipped', async () => {
  const item = { id: 'c', mapping: {} }
  expect(await detectSource(toExportFile('a.json', [{ title: 'Empty' }, {}, item]))).toBe('chatgpt')
})

test.each([
  [{ mapping: {} }, 'chatgpt'],
  [{ title: 'Empty' }, undefined],
])(
  'only the beginning of a large file is read, also if its items are like %j',
  async (item, product) => {
    let chunks = 0
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        const text = JSON.stringify({ ...item, text: 'x'.repeat(50_000) })
        controller.enqueue(new TextEncoder().encode(`${chunks++ === 0 ? '[' : ','}${text}`))
      },
    })
    expect(await detectSource({ name: 'endless.json', size: 1e12, stream: () => stream })).toBe(
      product,
    )
    expect(chunks).toBeLessThan(30)
  },
)

test.each(['', '[]', '{"half":', 'no JSON', '[1, "a", null]', '{"conversations": 3}'])(
  'nothing is claimed about a file with %j',
  async (text) => {
    const file = { name: 'a', size: text.length, stream: () => new Blob([text]).stream() }
    expect(await detectSource(file)).toBeUndefined()
    expect(await sourceOf([file], 'claude')).toBe('claude')
  },
)

test('files of two products aren’t imported together', async () => {
  const files = [toExportFile('a', exports[0]![1]), toExportFile('b', exports[2]![1])]
  await expect(sourceOf(files, 'claude')).rejects.toMatchObject({
    first: 'ChatGPT',
    second: 'Claude',
  })
  expect(await sourceOf([files[0]!, files[0]!], 'claude')).toBe('chatgpt')
})
