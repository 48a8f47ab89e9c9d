// contract.md, "Parts".
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import type { Message } from '@lockstep/protocol/message'
import { MessageInput } from '@lockstep/protocol/message'
import { areParts } from '@lockstep/protocol/part-shape'
import { Parts } from '@lockstep/protocol/parts'
import { partsOf } from '@lockstep/protocol/message-parts'
import { contentOf, thinkingOf } from '@lockstep/protocol/part-texts'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { packContent, unpackContent } from '../../realtime/store/packed-parts.ts'
import { undo } from '../../realtime/log/undo.ts'
import { CONVERSATION, OneConversation, messageId, steps } from './one-conversation.ts'

const messagesOf = (held: HeldConversation) => (isConversation(held) ? held.messages : [])

test('pages accept the same parts as the schema', () => {
  const fields = {
    ...{ id: 'a', text: 'x', ms: 1, name: 'n', call_id: 'c', arguments: { $a: ['x'] } },
    ...{ state: 'done', result: null, file_id: 'f', url: 'https://example.org/', bytes: 0 },
    ...{ width: 1, height: 2, media_type: 'a/b', title: 't', value: 0 },
  }
  const types = ['text', 'reasoning', 'tool', 'file', 'source', 'data-x']
  const named: Record<string, (keyof typeof fields)[]> = {
    text: ['text'],
    reasoning: ['text', 'ms'],
    tool: ['name', 'call_id', 'arguments', 'state', 'result'],
    file: ['file_id', 'url', 'name', 'media_type', 'bytes', 'width', 'height'],
    source: ['url', 'title'],
    'data-x': ['value'],
  }
  const odd = fc.oneof(
    fc.constantFrom<unknown>('', '\ud800', 'javascript:alert(1)', 'HTTP://x', 'https://', 'done'),
    fc.constantFrom<unknown>(-1, 0.5, 1e300, null, true, [], {}, { x: '\ud800' }, { '\ud800': 1 }),
    fc.constantFrom<unknown>('x'.repeat(limits.messageBytes + 1), '👋'.repeat(limits.partIdMax)),
    fc.constantFrom('data-', 'data-\n', `data-${'👋'.repeat(101)}`, `data-${'x'.repeat(201)}`),
    fc.constantFrom('toString', '__proto__', 'Text', ...types),
    fc.constant(JSON.parse('['.repeat(101) + ']'.repeat(101)) as unknown),
  )
  const seldom = <T>(value: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value })
  const part = fc
    .record({
      ...{ type: fc.constantFrom(...types), id: fc.constantFrom('a', 'b', 'c', 'd') },
      without: seldom(fc.constantFrom('id', 'type', ...Object.keys(fields))),
      put: seldom(fc.tuple(fc.constantFrom('more', 'type', ...Object.keys(fields)), odd)),
    })
    .map(({ type, id, without, put }) => {
      const whole = { ...Object.fromEntries(named[type]!.map((name) => [name, fields[name]])), id }
      const kept = Object.entries({ ...whole, type }).filter(([name]) => name !== without)
      return Object.fromEntries(put ? [...kept, put] : kept)
    })
  let accepted = 0
  fc.assert(
    fc.property(fc.oneof(fc.array(part, { maxLength: 3 }), odd), (parts) => {
      const areRight = Parts.safeParse(parts).success
      if (areRight) accepted++
      expect(areParts(parts)).toBe(areRight)
    }),
    { numRuns: 4_000 },
  )
  expect(accepted).toBeGreaterThan(100)
})

describe('whatever commands come', () => {
  test('content is the text of the text parts, metadata.thinking that of the reasoning parts', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        for (const { content, metadata, parts } of OneConversation.of(taken).states.flatMap(
          messagesOf,
        )) {
          if (!parts) {
            expect(metadata.thinking ?? '').not.toEqual(expect.stringMatching(/./))
            continue
          }
          expect(content).toBe(contentOf(parts))
          if (typeof metadata.thinking === 'string' || thinkingOf(parts) !== '')
            expect(metadata.thinking).toBe(thinkingOf(parts))
          expect(parts.length).toBeGreaterThan(parts[0]!.type === 'text' ? 1 : 0)
          expect(new Set(parts.map(({ id }) => id)).size).toBe(parts.length)
        }
      }),
    )
  })

  test('undoing every entry, as it is stored, leads back through the same states', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const { states, decisions } = OneConversation.of(taken)
        for (const [index, { op, version, data, before }] of decisions.entries()) {
          const [earlier, later] = [states[index], states[index + 1]]
          if (!isConversation(earlier) || !isConversation(later)) continue
          const entry = { op, version, data: packContent(data), before: packContent(before!) }
          expect(undo(later, entry)).toEqual(earlier)
        }
      }),
    )
  })

  test('what is stored comes back as it was, with any keys', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        for (const { data } of OneConversation.of(taken).decisions) {
          const stored = packContent(data)
          expect(JSON.stringify(stored)).not.toContain('"$where"')
          expect(unpackContent(stored)).toEqual(data)
        }
      }),
    )
  })

  /** A device of version 1.0: it drops what it doesn't know, and loads after an unknown op. */
  test('a device that knows no parts holds the text of every message, after every change', () => {
    const plain = (held: HeldConversation): HeldConversation =>
      isConversation(held)
        ? { ...held, messages: held.messages.map(({ parts: _parts, ...rest }) => rest) }
        : held
    fc.assert(
      fc.property(steps, (taken) => {
        const { changes, states } = OneConversation.of(taken)
        let device: HeldConversation
        for (const [index, change] of changes.entries()) {
          const now = plain(states[index + 1])
          device = change.op === 'part' ? now : plain(reduceConversation(device, change))
          expect(device).toEqual(now)
        }
      }),
    )
  })
})

const question = { id: messageId(1), role: 'assistant' as const }
const text = (value: string, id = 't') => ({ id, type: 'text' as const, text: value })
const reasoning = (value: string) => ({ id: 'r', type: 'reasoning' as const, text: value })
const tool = {
  ...{ id: 'x', type: 'tool' as const, name: 'search', call_id: 'c1', state: 'calling' as const },
  arguments: { $set: 1, 'a.b': null },
}

function messageAfter(...inputs: Partial<MessageInput>[]): Message {
  const log = new OneConversation()
  log.take({ name: 'create', payload: { id: CONVERSATION } })
  for (const input of inputs) {
    const messages = [parse(MessageInput, { ...question, ...input })]
    const refusal = log.take({
      name: 'update',
      payload: { conversation_id: CONVERSATION, messages },
    })
    if (refusal) throw refusal
  }
  return messagesOf(log.held)[0]!
}

test('a message of one text has no parts; content may be left out beside parts', () => {
  const plain = messageAfter({ parts: [text('Hello')] })
  expect(plain.content).toBe('Hello')
  expect(plain).not.toHaveProperty('parts')
  const both = messageAfter({ parts: [text('Hel', 'a'), text('lo', 'b')] })
  expect(both.content).toBe('Hello')
  expect(both.parts).toHaveLength(2)
})

test('an edit with content alone replaces the text parts, and one with thinking the reasoning', () => {
  const parts = [reasoning('Hm.'), text('A', 'a'), tool, text('B', 'b')]
  const edited = messageAfter({ parts }, { content: 'C' })
  expect(edited).toMatchObject({ content: 'C', metadata: { thinking: 'Hm.' }, version: 2 })
  expect(edited.parts).toEqual([reasoning('Hm.'), text('C', 'a'), tool])
  const rethought = messageAfter(
    { parts },
    { content: 'AB', version: 1, metadata: { thinking: 'Oh.' } },
  )
  expect(rethought.parts).toEqual([reasoning('Oh.'), ...parts.slice(1)])
  const replaced = messageAfter({ parts }, { parts: [reasoning('No.'), tool] })
  expect(replaced).toMatchObject({ content: '', metadata: { thinking: 'No.' } })
})

test('thinking in metadata alone becomes a reasoning part, with its time', () => {
  const metadata = { thinking: 'Hm.', thinking_ms: 1_200 }
  expect(messageAfter({ content: 'So.', metadata })).toMatchObject({
    metadata,
    parts: [
      { type: 'reasoning', text: 'Hm.', ms: 1_200 },
      { type: 'text', text: 'So.' },
    ],
  })
})

test('a message from before there were parts reads as if it had been written with them', () => {
  const old = {
    ...messageAfter({ content: 'So.' }),
    metadata: { thinking: 'Hm.' },
  }
  expect(partsOf(old)).toEqual([
    { id: 'reasoning', type: 'reasoning', text: 'Hm.' },
    { id: 'text', type: 'text', text: 'So.' },
  ])
})

test('a piece that names a part goes on in that part, and not in the last text', () => {
  const log = new OneConversation()
  log.take({ name: 'create', payload: { id: CONVERSATION } })
  log.take({ name: 'begin' })
  for (const part of [reasoning('Hm.'), text('Hel', 'a'), text('', 'b'), text('Hello', 'a')])
    expect(log.take({ name: 'part', part })).toBeUndefined()
  expect(log.changes.at(-1)).toMatchObject({
    op: 'extended',
    data: { offset: 3, text: 'lo', part_id: 'a' },
  })
  expect(messagesOf(log.held)[0]!.parts).toEqual([
    ...[reasoning('Hm.'), text('Hello', 'a'), text('', 'b')],
  ])
})

const long = 'é'.repeat(limits.messageBytes / 2)
const refused: [string, object, string][] = [
  ['no parts', { parts: [] }, 'invalid'],
  ['nothing at all', {}, 'invalid'],
  ['two parts with one id', { parts: [text('a'), text('b')] }, 'invalid'],
  ['an empty id', { parts: [text('a', '')] }, 'invalid'],
  ['an unknown type', { parts: [{ id: 'a', type: 'song', text: 'la' }] }, 'invalid'],
  ['data without a name', { parts: [{ id: 'a', type: 'data-', value: 1 }] }, 'invalid'],
  ['data without a value', { parts: [{ id: 'a', type: 'data-x' }] }, 'invalid'],
  ['an unknown field', { parts: [{ ...text('a'), colour: 'red' }] }, 'invalid'],
  ['other content than the texts', { content: 'b', parts: [text('a')] }, 'invalid'],
  [
    'other thinking than the reasoning',
    { parts: [reasoning('a')], metadata: { thinking: 'b' } },
    'invalid',
  ],
  ['thinking without reasoning', { parts: [text('a')], metadata: { thinking: 'b' } }, 'invalid'],
  ['half a character', { parts: [{ ...tool, arguments: { a: '\ud800' } }] }, 'invalid'],
  ['a tool in no state', { parts: [{ ...tool, state: 'lost' }] }, 'invalid'],
  ['a tool without arguments', { parts: [{ ...tool, arguments: undefined }] }, 'invalid'],
  ['a file that is nowhere', { parts: [{ ...file(), url: undefined }] }, 'invalid'],
  ['a source that is a script', { parts: [source('javascript:alert(1)')] }, 'invalid'],
  ['a source in a file', { parts: [source('file:///etc/passwd')] }, 'invalid'],
  ['a text above 256 KB', { parts: [text(`${long}a`)] }, 'too_large'],
  ['reasoning above 256 KB', { parts: [reasoning(`${long}a`)] }, 'too_large'],
  ['texts above 256 KB together', { parts: [text(long), text('a', 'b')] }, 'too_large'],
  ['parts above 2 MB together', { parts: [data('a'), data('b')] }, 'too_large'],
  ['thinking above 256 KB', { content: '', metadata: { thinking: `${long}a` } }, 'too_large'],
]
function data(id: string) {
  return { id, type: 'data-large', value: 'x'.repeat(limits.partsBytes / 2) }
}
function file() {
  return { id: 'f', type: 'file', url: 'data:,hi', name: 'hi.txt', media_type: 'text/plain' }
}
function source(url: string) {
  return { id: 's', type: 'source', url }
}

test.each(refused)('%s is refused', (_name, input, code) => {
  expect(() => messageAfter(input as Partial<MessageInput>)).toThrow(
    expect.objectContaining({ code }),
  )
})

test('parts of all types, and texts of exactly 256 KB, are taken as they are', () => {
  const parts = [
    reasoning(long),
    text(long),
    { ...tool, state: 'done', result: [{ __proto__: null, '': '\0' }] },
    file(),
    { ...source('https://example.com/?q=1'), title: 'A page' },
    { id: 'd', type: 'data-weather card', value: null },
  ]
  const taken = messageAfter({ parts: JSON.parse(JSON.stringify(parts)) as Message['parts'] })
  expect(taken.parts).toEqual(parts)
  expect(taken.metadata).toEqual({ thinking: long })
})
