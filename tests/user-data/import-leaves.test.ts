// Nothing of an export is lost in silence: each of its values is in the text, in the metadata, or
// named in the `not_imported` of its message or conversation.
import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isObject } from '@lockstep/protocol/free-form'
import { ImportSource } from '@lockstep/protocol/import'
import { FreeForm } from '@lockstep/protocol/scalars'
import { parsers } from '@lockstep/imports/sources/parsers'
import { inForm } from '../harness/long-form.ts'
import { generatedExports } from './generated-exports.ts'
import { wordPattern } from './generated-values.ts'
import { firstConversationIn } from './normalized-items.ts'

type Conversation = ReturnType<typeof firstConversationIn>

interface Leaf {
  path: string[]
  value: string | number
}

/** All texts and numbers in a value. */
function* leavesIn(value: unknown, path: string[] = []): Iterable<Leaf> {
  if (typeof value === 'string' || typeof value === 'number') yield { path, value }
  else if (Array.isArray(value)) for (const inner of value) yield* leavesIn(inner, path)
  else if (isObject(value))
    for (const [key, inner] of Object.entries(value)) yield* leavesIn(inner, [...path, key])
}

/** Words that say who wrote a message, which its role tells. */
const roles = new Set(['user', 'human', 'assistant', 'model', 'system', 'tool'])
/** What a product writes around texts, and the kinds of parts that have nothing but a text. */
const kinds = new Set(['text', 'thinking', 'think', 'error', 'voice_note', 'stream', 'finalAnswer'])

/** Everything that a conversation says, and the names of what it lacks. */
function saidBy({ title, metadata, messages, ...times }: Conversation) {
  const all = [metadata, ...messages.map((message) => message.metadata)]
  const names = all.flatMap(({ not_imported }) =>
    Array.isArray(not_imported) ? not_imported.map(String) : [],
  )
  const texts = [
    ...leavesIn([title, all, times, messages.map(({ metadata: _, ...message }) => message)]),
  ]
  return { text: texts.map(({ value }) => String(value)).join('\n'), names }
}

/** The key that metadata has instead of one that it can't have. */
const asStored = (key: string): string => key.replace(/^\$/, '_').replaceAll('.', '_')

function* lostIn(document: unknown, conversation: Conversation): Iterable<Leaf> {
  const { text, names } = saidBy(conversation)
  const isSaid = ({ path, value }: Leaf): boolean => {
    const time = typeof value === 'number' && value > 1e9 ? value * 1000 : Date.parse(String(value))
    if (time > 1e12 && text.includes(new Date(time).toISOString())) return true
    const words = String(value).match(wordPattern)
    if (words) return words.every((word) => text.includes(word))
    const isKind = roles.has(String(value)) || kinds.has(String(value))
    return text.includes(String(value)) || (isKind && path.length > 0)
  }
  const isNamed = ({ path }: Leaf): boolean =>
    path.some((key) => names.some((name) => name.includes(key) || name.includes(asStored(key))))
  for (const leaf of leavesIn(document))
    if (!isSaid(leaf) && !isNamed(leaf) && !isLink(document, leaf)) yield leaf
}

/** ChatGPT's messages name their parents: that is the order, which a thread has without names. */
const isLink = (document: unknown, { path, value }: Leaf): boolean =>
  path.at(-1) === 'parent' &&
  [document]
    .flat()
    .some((item) => isObject(item) && isObject(item.mapping) && Object.hasOwn(item.mapping, value))

test.each(Object.entries(generatedExports) as [ImportSource, fc.Arbitrary<unknown>][])(
  '%s: every value of an export is found in what an import makes of it, or is named there',
  (source, documents) => {
    fc.assert(
      fc.property(documents, (document) => {
        const conversation = firstConversationIn(source, document)
        expect([...lostIn(document, conversation)]).toEqual([])
        for (const { role, content } of conversation.messages)
          if (role === 'user' || role === 'assistant') expect(content.trim()).not.toBe('')
        for (const { metadata } of [conversation, ...conversation.messages])
          expect(FreeForm.safeParse(metadata).error).toBeUndefined()
      }),
      { numRuns: inForm(20, 60) },
    )
  },
  60_000,
)

// Seed 634512754: the metadata is so large that the ids of hidden messages are named, not kept.
test('the parent of a message is its place, also if the parent has nothing that is imported', () => {
  const long = (word: string, times: number) => `${word}${' ü'.repeat(times)} ${word}`
  const node = (id: string, parent: string | null, metadata?: object) => ({
    [id]: { id, message: { id, ...(metadata && { metadata }) }, parent, children: [] },
  })
  const metadata = {
    note: { note: { note: [long('w1000000', 20_000)] } },
    ...{ model_slug: 'w1000000 w1000000', is_visually_hidden_from_conversation: true },
    attachments: [{ name: 'w1000000 w1000000', file_name: 'w1000000', type: 'image' }],
    ...{ search_result_groups: 'w1000000 w1000000 w1000000', finished_duration_sec: 100_000 },
  }
  const document = {
    note: { note: { note: long('w1000001', 20_102) } },
    ...{ hidden_messages: 'w1000001', pinned_time: 1_600_000_000, current_node: 'w1000003' },
    mapping: {
      ...node('w1000001', 'w1000000'),
      ...node('w1000002', null, metadata),
      ...node('w1000000', null),
    },
  }
  expect([...lostIn(document, firstConversationIn('chatgpt', document))]).toEqual([])
})

/**
 * The value with its fields in another order, and with one more field, which no product has, in
 * each object.
 */
function varied(value: unknown, next: () => number): unknown {
  if (Array.isArray(value)) return value.map((inner) => varied(inner, next))
  if (!isObject(value) || '$repeat' in value || '$join' in value) return value
  const fields = Object.entries(value).map(([key, inner]) => [key, varied(inner, next)] as const)
  // A map of messages by their ids is no object with fields.
  const isMap = fields.length > 0 && fields.every(([, inner]) => isObject(inner) && 'id' in inner)
  const extra = `extra_${next()}`
  const all = isMap ? fields : [...fields, [extra, `w${String(next()).padStart(7, '0')}`] as const]
  return Object.fromEntries(
    all
      .map((field) => [next(), field] as const)
      .sort(([a], [b]) => a - b)
      .map(([, field]) => field),
  )
}

test('exports from the wild lose nothing more if their fields have another order, and keep fields that nobody knows', () => {
  for (const file of globSync(`${import.meta.dirname}/wild/*.json`)) {
    const source = ImportSource.options.find((each) => basename(file).startsWith(each))!
    const document: unknown = JSON.parse(readFileSync(file, 'utf8'))
    const lostOf = (of: unknown) =>
      [...lostIn(of, firstConversationIn(source, of))].map(
        ({ path, value }) => `${path.join('.')}: ${value}`,
      )
    const usual = new Set(lostOf(document))
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: 0, max: 9_999_999 })), (numbers) => {
        const variant = varied(document, () => Number(numbers.next().value))
        expect([basename(file), ...lostOf(variant).filter((leaf) => !usual.has(leaf))]).toEqual([
          basename(file),
        ])
      }),
      { numRuns: 10 },
    )
  }
})

test('values that fit are kept, not named', () => {
  const document = fc.sample(generatedExports.chatgpt, { seed: 1, numRuns: 40 })
  const small = document.filter((each) => JSON.stringify(each).length < 10_000)
  expect(small.length).toBeGreaterThan(3)
  for (const each of small) expect(firstConversationIn('chatgpt', each).missing).toEqual([])
})

test('all names of what is lost are listed, however many there are', () => {
  const fields = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [`field_${n}`, `x${n} `.repeat(5_000)]),
  )
  const [item] = parsers.claude([{ uuid: 'c', chat_messages: [], ...fields }])
  const metadata = item?.kind === 'conversation' ? item.conversation.metadata : {}
  for (const name of Object.keys(fields))
    expect([...Object.keys(metadata), ...(metadata.not_imported as string[])]).toContain(name)
})
