// Messages of the AI SDK and of Lockstep, there and back: any message, also with parts and fields
// that nobody knows yet, as the server stores it.
import fc from 'fast-check'
import type { UIMessage } from 'ai'
import { expect, test } from 'vitest'
import { decideConversations } from '@lockstep/protocol/decide/conversations'
import type { Json, JsonObject } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import { MessageInput, type Message } from '@lockstep/protocol/message'
import { partsOf } from '@lockstep/protocol/message-parts'
import type { Part } from '@lockstep/protocol/parts'
import { isConversation, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import { ChunkWriter, toMessageInput, toUIMessage } from '@lockstep/ai-sdk/transport'
import { inForm } from '../harness/long-form.ts'
import { seed } from '../harness/seed.ts'

const numRuns = inForm(100, 3_000)

/** The message as the server has it after a client has appended it. */
function stored(input: MessageInput): Message {
  const message = MessageInput.parse(JSON.parse(JSON.stringify(input)))
  const context = { user_id: newId(), at: '2026-01-01T00:00:00.000Z', newId: () => newId() }
  const { op, entity_id, version, data } = decideConversations.create(
    undefined,
    { messages: [message] },
    context,
  )!
  const actor = { session_id: null, device: '' }
  const at = context.at
  const change = {
    topic: 'conversations',
    epoch: '',
    seq: 1,
    at,
    op,
    entity_id,
    version,
    actor,
    data,
  }
  const held = reduceConversation(undefined, change as never)
  if (!held || !isConversation(held)) throw new Error('no conversation')
  return held.messages[0]!
}

const asJson = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value)) as Value

const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const name = fc.oneof(fc.constantFrom('a', 'text', 'part', '__proto__', 'constructor'), text)
const json = fc
  .jsonValue({ maxDepth: 2, stringUnit: 'grapheme' })
  .map((value) => asJson(value) as Json)
const optional = <Fields extends Record<string, fc.Arbitrary<unknown>>>(fields: Fields) =>
  fc.record(fields, { requiredKeys: [] })
const with_ = (required: fc.Arbitrary<object>, more: fc.Arbitrary<object>) =>
  fc.tuple(required, more).map(([a, b]) => ({ ...b, ...a }))
const url = fc.constantFrom(
  'https://a.example/x?y#z',
  'http://b.example',
  'data:,x',
  'blob:x',
  '',
  'no',
)
const metadata = fc.dictionary(name, fc.dictionary(name, json))
const provided = { providerMetadata: metadata }
const state = fc.constantFrom('streaming', 'done')

const call = {
  toolCallId: name,
  state: fc.constantFrom(
    'input-streaming',
    'input-available',
    'approval-requested',
    'approval-responded',
    'output-available',
    'output-error',
    'output-denied',
  ),
}
const ofCall = optional({
  input: json,
  rawInput: json,
  inputEncoding: fc.constantFrom('json', 'text'),
  output: json,
  errorText: text,
  approval: with_(
    fc.record({ id: name }),
    optional({
      approved: fc.boolean(),
      descriptor: json,
      requestReason: text,
      reason: text,
      isAutomatic: fc.boolean(),
      signature: text,
      inputSchemaInput: json,
    }),
  ),
  title: text,
  toolMetadata: fc.dictionary(name, json),
  preliminary: fc.boolean(),
  providerExecuted: fc.boolean(),
  callProviderMetadata: metadata,
  resultProviderMetadata: metadata,
})

const textPart = with_(
  fc.record({ type: fc.constant('text'), text }),
  optional({ state, citations: fc.array(fc.dictionary(name, json)), ...provided }),
)
const filePart = with_(
  fc.record({ type: fc.constant('file'), url, mediaType: text }),
  optional({ filename: text, providerReference: fc.dictionary(name, text), ...provided }),
)
type Kind = Exclude<UIMessage['parts'][number]['type'], `data-${string}` | `tool-${string}`>
/** The compiler demands each kind of part that the AI SDK has. */
const kinds: Record<Kind | 'data-*' | 'tool-*' | 'unknown', fc.Arbitrary<object>> = {
  text: textPart,
  file: filePart,
  reasoning: with_(
    fc.record({ type: fc.constant('reasoning'), text }),
    optional({ state, id: name, ...provided }),
  ),
  'reasoning-file': with_(
    fc.record({ type: fc.constant('reasoning-file'), url, mediaType: text }),
    optional(provided),
  ),
  'source-url': with_(
    fc.record({ type: fc.constant('source-url'), sourceId: name, url }),
    optional({ title: text, ...provided }),
  ),
  'source-document': with_(
    fc.record({
      type: fc.constant('source-document'),
      sourceId: name,
      mediaType: text,
      title: text,
    }),
    optional({ filename: text, ...provided }),
  ),
  'step-start': fc.constant({ type: 'step-start' }),
  'steering-message': fc.record({
    type: fc.constant('steering-message'),
    id: name,
    parts: fc.array(fc.oneof(textPart, filePart), { maxLength: 2 }),
  }),
  custom: with_(
    fc.record({ type: fc.constant('custom'), kind: fc.constant('x.y') }),
    optional(provided),
  ),
  'dynamic-tool': with_(
    fc.record({ type: fc.constant('dynamic-tool'), toolName: name, ...call }),
    ofCall,
  ),
  'tool-*': with_(fc.record({ type: name.map((name) => `tool-${name}`), ...call }), ofCall),
  'data-*': with_(
    fc.record({ type: name.map((name) => `data-${name}`), data: json }),
    optional({ id: name }),
  ),
  unknown: with_(fc.record({ type: name }), fc.dictionary(name, json)),
}
const uiMessage = with_(
  fc.record({
    id: fc.oneof(fc.uuid(), text),
    role: fc.constantFrom('system', 'user', 'assistant'),
    parts: fc.array(fc.oneof(...Object.values(kinds)), { maxLength: 6 }),
  }),
  optional({
    metadata: json.filter((value) => !(value && typeof value === 'object' && 'lockstep' in value)),
  }),
).map((message) => asJson(message) as UIMessage)

test('a message of the AI SDK comes back as it was, once the server has stored it', () => {
  fc.assert(
    fc.property(uiMessage, (message) => {
      const there = stored(toMessageInput(message))
      expect(toUIMessage(there)).toEqual(message)
      const again = stored(toMessageInput(toUIMessage(there)))
      expect([again.id, again.parts, again.content]).toEqual([there.id, there.parts, there.content])
    }),
    { seed, numRuns },
  )
})

const count = fc.nat(1e6)
const part = fc.oneof(
  fc.record({ type: fc.constant('text'), text }),
  with_(fc.record({ type: fc.constant('reasoning'), text }), optional({ ms: count })),
  with_(
    fc.record({
      type: fc.constant('tool'),
      name: text,
      call_id: text,
      arguments: json,
      state: fc.constantFrom('calling', 'waiting_approval', 'done', 'failed', 'denied'),
    }),
    optional({ result: json }),
  ),
  with_(
    fc.record({ type: fc.constant('file'), url, name: text, media_type: text }),
    optional({ file_id: text, bytes: count, width: count, height: count }),
  ),
  fc.record({ type: fc.constant('file'), file_id: text, name: text, media_type: text }),
  with_(
    fc.record({ type: fc.constant('source'), url: fc.constant('https://a.example/') }),
    optional({ title: text }),
  ),
  fc.record({ type: fc.constantFrom('data-x', 'data-weather'), value: json }),
)
const partId = fc
  .oneof(name, fc.constantFrom('text', 'text-2', 'reasoning'))
  .filter((id) => id !== '')
const lockstepParts = fc
  .uniqueArray(partId, { maxLength: 6 })
  .chain((ids) => fc.tuple(...ids.map((id) => part.map((fields) => ({ id, ...fields }) as Part))))
const lockstepMetadata = fc
  .dictionary(fc.constantFrom('agent', 'model', 'n'), fc.oneof(text, fc.nat()))
  .map((metadata) => metadata as JsonObject)

test('an empty text alone, and one with an id of its own, come back too', () => {
  for (const providerMetadata of [undefined, { lockstep: { id: 'x' } }])
    for (const text of ['', 'x']) {
      const parts = [{ type: 'text' as const, text, state: 'done' as const, providerMetadata }]
      const message = asJson({ id: newId(), role: 'user' as const, parts })
      expect(toUIMessage(stored(toMessageInput(message)))).toEqual(message)
    }
})

test('a message of Lockstep comes back with the ids of its parts and all of their fields', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('user' as const, 'assistant' as const, 'tool' as const),
      lockstepParts,
      lockstepMetadata,
      fc.constantFrom('complete' as const, 'stopped' as const, 'failed' as const),
      (role, parts, metadata, status) => {
        const input = { role, status, metadata }
        const texts = parts.length > 0 ? { parts } : { content: '' }
        const there = stored({ ...input, ...texts })
        const back = stored(toMessageInput(toUIMessage(there)))
        expect(partsOf(back)).toEqual(partsOf(there))
        const { role: ownRole, content, metadata: own, status: end } = there
        expect(back).toMatchObject({ role: ownRole, content, metadata: own, status: end })
      },
    ),
    { seed, numRuns },
  )
})

/** A reply as it grows: each state has what the one before had, and more. */
function growing(parts: readonly Part[], final: Message): Message[] {
  const states: Message[] = []
  for (const [index, part] of parts.entries()) {
    const before = parts.slice(0, index)
    if (part.type === 'text' || part.type === 'reasoning') {
      const half = part.text.slice(0, Math.ceil(part.text.length / 2))
      states.push({ ...final, parts: [...before, { ...part, text: half }] })
    }
    states.push({ ...final, parts: [...before, part] })
  }
  return [...states.map((state): Message => ({ ...state, status: 'streaming' })), final]
}

test('the stream of a reply has each text once, whole and in order, and its other parts', () => {
  fc.assert(
    fc.property(lockstepParts, (parts) => {
      if (parts.length === 0) return
      const final = stored({ role: 'assistant', parts })
      const writer = new ChunkWriter(final.id)
      const chunks = growing(partsOf(final), final).flatMap((state) => writer.next(state))
      const texts = new Map<string, string>()
      for (const chunk of chunks) {
        if (chunk.type === 'text-start' || chunk.type === 'reasoning-start')
          texts.set(chunk.id, `${chunk.type.replace('-start', '')}:`)
        if (chunk.type === 'text-delta' || chunk.type === 'reasoning-delta')
          texts.set(chunk.id, texts.get(chunk.id)! + chunk.delta)
      }
      const shown = toUIMessage(final)
      const whole = shown.parts.flatMap((part) =>
        part.type === 'text' || part.type === 'reasoning' ? `${part.type}:${part.text}` : [],
      )
      expect([...texts.values()]).toEqual(whole)
      expect(chunks[0]).toEqual({ type: 'start', messageId: final.id })
      expect(chunks.at(-1)).toEqual({ type: 'finish', finishReason: 'stop' })
      const calls = chunks.filter(({ type }) => type === 'tool-input-available')
      expect(calls).toHaveLength(parts.filter(({ type }) => type === 'tool').length)
    }),
    { seed, numRuns },
  )
})
