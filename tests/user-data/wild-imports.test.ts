// Exports in shapes that people have reported, and what an import makes of each.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { threadOf } from '../../realtime/agents/thread.ts'
import { isObject } from '@lockstep/protocol/free-form'
import { ImportSource } from '@lockstep/protocol/import'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'
import { firstConversationIn } from './normalized-items.ts'

type Conversation = ReturnType<typeof firstConversationIn>

/** `{$repeat: [text, n]}` stands for that text n times, `{$join: texts}` for all of them. */
function unfold(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unfold)
  if (!isObject(value)) return value
  if (Array.isArray(value.$repeat)) return String(value.$repeat[0]).repeat(Number(value.$repeat[1]))
  if (Array.isArray(value.$join)) return value.$join.map(unfold).join('')
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unfold(inner)]))
}

function read(name: string): Conversation {
  const source = ImportSource.options.find((each) => name.startsWith(each))!
  const text = readFileSync(join(import.meta.dirname, 'wild', `${name}.json`), 'utf8')
  return firstConversationIn(source, unfold(JSON.parse(text)))
}

const contents = ({ messages }: Conversation) => messages.map(({ content }) => content)
const metadataOf = ({ messages }: Conversation, content: string) =>
  messages.find((message) => message.content === content)!.metadata
/** What a model is sent if the person asks for a reply to the end of the thread. */
function prompt({ messages }: Conversation): string {
  const reply = { ...messages.at(-1)!, id: 'reply', position: messages.length + 1, replaces: null }
  return JSON.stringify(threadOf([...messages, reply], reply))
}

const cases: Record<string, (conversation: Conversation) => void> = {
  'chatgpt-custom-instructions': (it) => {
    expect(contents(it)).toEqual([
      'When do I repot a fern?',
      'In spring. Every second year will do.',
    ])
    expect(prompt(it)).not.toContain('balcony')
    expect(it.metadata.hidden_messages).toContainEqual(
      expect.objectContaining({
        user_profile: 'Gardens on a balcony.',
        user_instructions: 'Answer in two sentences.',
      }),
    )
  },
  'chatgpt-thoughts': (it) => {
    expect(contents(it)).toEqual(['Which knot holds a boat?', 'A bowline, or a cleat hitch.'])
    const metadata = metadataOf(it, 'A bowline, or a cleat hitch.')
    expect(metadata).toMatchObject({
      thinking: 'A bowline does not slip.\n\nOnly a summary of a thought',
      thinking_ms: 12_000,
      model: 'm-thinking',
    })
    expect(JSON.stringify(metadata)).toContain('Comparing knots')
  },
  'chatgpt-citations': (it) => {
    const answer = 'Oaks Quercus robur need light. See also the oak guide.'
    expect(contents(it)).toEqual(['What do oaks need?', answer])
    expect(metadataOf(it, answer).sources).toEqual([
      { url: 'https://example.com/light', title: 'Light for oaks' },
      { url: 'https://example.org/guide', title: 'The oak guide' },
    ])
    expect(prompt(it)).not.toMatch(/turn0|[\ue200-\ue206]/)
  },
  'chatgpt-tool-contents': (it) => {
    expect(contents(it)).toEqual([
      'Look up the ferry.',
      '[computer output]',
      '[app pairing content]',
      'It leaves at nine.',
    ])
    const kept = JSON.stringify(it.messages)
    expect(kept).toContain('sediment://file_5')
    expect(kept).toContain('https://example.com/ferry')
    expect(kept).toContain('Timetable from the notes app')
  },
  'chatgpt-long-message': (it) => {
    const page = it.messages.filter(({ role }) => role === 'tool')
    expect(page.map(({ content }) => content).join('')).toBe('A line of the page. '.repeat(14_000))
    for (const { content } of page)
      expect(byteLength(content)).toBeLessThanOrEqual(limits.messageBytes)
    expect(page.map(({ metadata }) => metadata.imported_part)).toEqual([
      { number: 1, of: 2 },
      { number: 2, of: 2 },
    ])
    expect(it.thread.at(-1)).toBe('It says the same over and over.')
  },
  'claude-pasted': (it) => {
    expect(contents(it)).toEqual([
      'Why does bread go stale? Please explain it to a child.',
      'Because its water moves.',
      'And this?\n\nToast is stale bread that was warmed again.',
      'That is right.',
    ])
    expect(prompt(it)).toContain('explain it to a child')
    expect(it.messages[0]!.metadata.attachments).toMatchObject([{ file_name: 'paste.txt' }])
  },
  'claude-citations-and-thinking': (it) => {
    expect(metadataOf(it, 'Most run by themselves.')).toMatchObject({
      thinking: 'Keepers, or machines by now.',
      thinking_ms: 7_000,
      sources: [{ url: 'https://example.com/lighthouse' }],
    })
    expect(JSON.stringify(it.messages)).toContain('Thinking about keepers')
  },
  'open-webui-reasoning': (it) => {
    expect(metadataOf(it, 'It is 255.')).toMatchObject({
      thinking: 'Fifteen times seventeen:\nten seventeens & five more.',
      thinking_ms: 3_000,
    })
  },
  'open-webui-orphans': (it) => {
    expect(it.thread).toEqual(['Where is the key?', 'Under the mat.'])
    expect(contents(it)).toContain('An answer without id and role')
  },
  'librechat-unordered': (it) => {
    expect(it.thread).toEqual([
      'How do I get there?',
      'By foot, then.',
      'How far is it?',
      'Two miles.',
    ])
    expect(it.messages).toHaveLength(7)
  },
  'chat-ui-thinking-and-key': (it) => {
    expect(contents(it)).toEqual(['How hot for green tea?', 'Seventy to eighty degrees.'])
    expect(metadataOf(it, 'Seventy to eighty degrees.').thinking).toBe('Not boiling.')
    expect(JSON.stringify(it)).not.toContain('key-that-stays-there')
    expect(it.metadata).toMatchObject({
      meta: { locale: 'en' },
      not_imported: ['sessionId (secret)', 'meta.llmApiKey (secret)'],
    })
  },
}

test.each(Object.entries(cases))('%s', (name, check) => {
  const conversation = read(name)
  for (const { role, content, metadata, parts = [] } of conversation.messages) {
    if (role !== 'system') expect(content.trim()).not.toBe('')
    // thinking and pages are parts as well, wherever the product had them
    const texts = (type: string) =>
      parts.flatMap((part) => (part.type === type && 'text' in part ? [part.text] : []))
    if (metadata.thinking !== undefined) expect(texts('reasoning')).toEqual([metadata.thinking])
    if (parts.length > 0) expect(texts('text').join('')).toBe(content)
    const pages = parts.filter(({ type }) => type === 'source')
    const sources = Array.isArray(metadata.sources) ? metadata.sources : []
    expect(pages).toHaveLength(sources.filter((one) => isObject(one) && one.url).length)
  }
  check(conversation)
})

const toolShapes: [ImportSource, object][] = [
  [
    'claude',
    {
      uuid: 'c',
      chat_messages: [
        {
          ...{ uuid: 'm', sender: 'assistant' },
          content: [
            { type: 'tool_use', id: 'x', name: 'find', input: { q: 'fern', api_key: 'sk-hidden' } },
            { type: 'tool_result', tool_use_id: 'x', content: 'A fern' },
            { type: 'text', text: 'Found.' },
          ],
        },
      ],
    },
  ],
  [
    'librechat',
    {
      conversationId: 'c',
      messages: [
        {
          ...{ messageId: 'm', isCreatedByUser: false, sender: 'A' },
          content: [
            {
              type: 'tool_call',
              tool_call: {
                ...{ id: 'x', name: 'find', output: 'A fern' },
                args: '{"q": "fern", "api_key": "sk-hidden"}',
              },
            },
            { type: 'text', text: 'Found.' },
          ],
        },
      ],
    },
  ],
  [
    'open-webui',
    {
      chat: {
        messages: [
          {
            ...{ id: 'm', role: 'assistant', content: 'Found.' },
            tool_calls: [
              {
                id: 'x',
                type: 'function',
                function: { name: 'find', arguments: '{"q": "fern", "api_key": "sk-hidden"}' },
              },
            ],
          },
        ],
      },
    },
  ],
  [
    'chat-ui',
    {
      messages: [
        {
          ...{ id: 'm', from: 'assistant', content: 'Found.' },
          updates: [
            {
              ...{ type: 'tool', subtype: 'call', uuid: 'x' },
              call: { name: 'find', parameters: { q: 'fern', api_key: 'sk-hidden' } },
            },
            { type: 'tool', subtype: 'result', uuid: 'x', result: 'A fern' },
          ],
        },
      ],
    },
  ],
]

test.each(toolShapes)('a tool call of %s becomes a part, without secrets', (source, data) => {
  const { messages } = firstConversationIn(source, [data])
  const { content, parts = [] } = messages[0]!
  expect(content).toBe('Found.')
  expect(parts[0]).toMatchObject({
    ...{ id: 'tool-1', type: 'tool', name: 'find', call_id: 'x', state: 'done' },
    arguments: { q: 'fern' },
    ...(source !== 'open-webui' && { result: 'A fern' }),
  })
  expect(parts[1]).toEqual({ id: 'text', type: 'text', text: 'Found.' })
  expect(JSON.stringify(messages)).not.toContain('sk-hidden')
})

test('a call of ChatGPT to a tool becomes a part of its message, and what the tool said stays a message', () => {
  const node = (id: string, parent: string | null, message: object) => {
    return [id, { id, parent, children: [], message: { id, ...message } }]
  }
  const mapping = Object.fromEntries([
    node('call', null, {
      author: { role: 'assistant' },
      recipient: 'python',
      content: { content_type: 'code', language: 'python', text: 'print(6 * 7)' },
    }),
    node('result', 'call', {
      author: { role: 'tool', name: 'python' },
      content: { content_type: 'execution_output', text: '42' },
    }),
  ]) as object
  const data = { id: 'c', title: 'Sum', mapping, current_node: 'result' }
  const { messages } = firstConversationIn('chatgpt', [data])
  expect(messages).toMatchObject([{ role: 'assistant' }, { role: 'tool' }])
  expect(messages[0]!.parts).toContainEqual(
    expect.objectContaining({
      ...{ type: 'tool', name: 'python', call_id: 'call' },
      arguments: 'print(6 * 7)',
    }),
  )
  expect(messages[1]!.content).toContain('42')
})
