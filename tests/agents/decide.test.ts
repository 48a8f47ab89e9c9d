// The pure decisions about replies and runs, for commands of any writers in any order.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { WireChange, Decision } from '@lockstep/protocol/change'
import type { Conversation } from '@lockstep/protocol/conversations'
import { decideConversations } from '@lockstep/protocol/decide/conversations'
import {
  decideExtend,
  decideFinish,
  decideReply,
  decideStop,
  decideStopRequest,
} from '@lockstep/protocol/decide/replies'
import {
  decideRun,
  decideRunDelete,
  decideRunExtend,
  decideRunFinish,
  decideRunStopRequest,
} from '@lockstep/protocol/decide/runs'
import { Fault } from '@lockstep/protocol/errors'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { isRun, reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'

const id = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`
const conversation_id = id(0)
let ids = 1_000
const context = { user_id: id(9), at: '2026-01-01T00:00:00.000Z', newId: () => id(ids++) }
const asChange = (
  topic: WireChange['topic'],
  { before: _before, ...decision }: Decision,
): WireChange => ({
  topic,
  epoch: 'e',
  seq: decision.version,
  at: context.at,
  actor: { session_id: null, device: 'test' },
  ...decision,
})

const who = { run: fc.nat(2), message: fc.nat(2) }
const step = fc.oneof(
  fc.record({ name: fc.constant('reply' as const), ...who }),
  fc.record({
    name: fc.constant('extend' as const),
    ...who,
    skew: fc.integer({ min: -3, max: 1 }),
    text: fc.string({ minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    name: fc.constant('finish' as const),
    ...who,
    status: fc.constantFrom('complete' as const, 'failed' as const),
  }),
  fc.record({ name: fc.constantFrom('stop' as const, 'ask to stop' as const), ...who }),
  fc.record({ name: fc.constantFrom('delete' as const, 'restore' as const), ...who }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

const messageId = (run: number, message: number) => id(100 + run * 10 + message)

function decide(held: Conversation, step: Step): Decision | undefined {
  const message_id = messageId(step.run, step.message)
  const run_id = id(200 + step.run)
  const present = held.messages.find((message) => message.id === message_id)
  switch (step.name) {
    case 'reply':
      if (present) return undefined // the server never reuses an id
      return decideReply(held, { message_id, run_id, agent: 'a', model: 'm' }, context)
    case 'extend': {
      const offset = Math.max(0, (present?.content.length ?? 0) + step.skew)
      return decideExtend(held, { message_id, run_id, offset, text: step.text })
    }
    case 'finish':
      return decideFinish(
        held,
        { message_id, run_id, status: step.status, metadata: { done: true } },
        context,
      )
    case 'stop':
      return decideStop(held, { message_id }, context)
    case 'ask to stop':
      return decideStopRequest(held, message_id)
    case 'delete':
    case 'restore':
      return decideConversations[step.name](held, { conversation_id }, context)
  }
}

test('with any writers in any order, one message streams, it only grows, and an ended message doesn’t change', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const created = decideConversations.create(undefined, { id: conversation_id }, context)!
      let held = reduceConversation(undefined, asChange('conversations', created)) as Conversation
      for (const step of steps) {
        let decision: Decision | undefined
        try {
          decision = decide(held, step)
        } catch (error) {
          if (error instanceof Fault) continue
          throw error
        }
        if (!decision) continue
        const next: HeldConversation = reduceConversation(held, asChange('conversations', decision))
        if (!isConversation(next)) throw new Error('gone')
        for (const before of held.messages) {
          const after = next.messages.find((message) => message.id === before.id)!
          if (before.status !== 'streaming') expect(after).toEqual(before)
          else expect(after.content.startsWith(before.content)).toBe(true)
        }
        if (step.name === 'extend') expect(next.deleted_at).toBeNull()
        if (step.name === 'ask to stop') expect(decision.data).toHaveProperty('text', '')
        expect(
          next.messages.filter(({ status }) => status === 'streaming').length,
        ).toBeLessThanOrEqual(1)
        expect(reduceConversation(next, asChange('conversations', decision))).toBe(next)
        expect(next.message_count).toBe(next.messages.length)
        held = next
      }
    }),
    { numRuns: 300 },
  )
})

test('a piece of another run, beyond a gap or after the end is refused, and a repeated piece changes nothing', () => {
  const created = decideConversations.create(undefined, { id: conversation_id }, context)!
  const apply = (held: HeldConversation, decision: Decision | undefined) =>
    reduceConversation(held, asChange('conversations', decision!))
  let held = apply(undefined, created)
  const mine = { message_id: id(1), run_id: id(2) }
  held = apply(held, decideReply(held, { ...mine, agent: 'a', model: 'm' }, context))
  held = apply(held, decideExtend(held, { ...mine, offset: 0, text: 'abc' }))
  expect(decideExtend(held, { ...mine, offset: 1, text: 'bc' })).toBeUndefined()
  expect(decideExtend(held, { ...mine, offset: 1, text: 'bcd' })?.data).toMatchObject({
    offset: 3,
    text: 'd',
  })
  expect(() => decideExtend(held, { ...mine, offset: 4, text: 'e' })).toThrow(Fault)
  expect(() => decideExtend(held, { ...mine, run_id: id(3), offset: 3, text: 'd' })).toThrow(Fault)
  expect(
    decideFinish(held, { ...mine, run_id: id(3), status: 'complete', metadata: {} }, context),
  ).toBeUndefined()
  held = apply(
    held,
    decideFinish(held, { ...mine, status: 'complete', metadata: { n: 1 } }, context),
  )
  expect(() => decideExtend(held, { ...mine, offset: 3, text: 'd' })).toThrow(Fault)
  expect(decideStop(held, mine, context)).toBeUndefined()
  expect((held as Conversation).messages[0]).toMatchObject({
    content: 'abc',
    metadata: { ...{ run_id: id(2), agent: 'a', model: 'm' }, n: 1 },
  })
})

test('a run grows until it ends once, and nothing follows its deletion', () => {
  const start = { id: id(1), agent: 'a', input: 'x', model: 'm', message_id: null }
  const apply = (held: HeldRun, decision: Decision | undefined) =>
    reduceRun(held, asChange('agents', decision!))
  let held: HeldRun = apply(undefined, decideRun(undefined, start, context))
  expect(decideRun(held, start, context)).toBeUndefined()
  expect(isRun(held) && held.status).toBe('queued')
  held = apply(held, decideRunExtend(held, { offset: 0, text: '' }))
  expect(isRun(held) && held.status).toBe('running')
  expect(decideRunExtend(held, { offset: 0, text: '' })).toBeUndefined()
  held = apply(held, decideRunExtend(held, { offset: 0, text: 'abc' }))
  expect(() => decideRunExtend(held, { offset: 4, text: 'x' })).toThrow(Fault)
  held = apply(held, decideRunStopRequest(held))
  expect(held).toMatchObject({ output: 'abc', status: 'running' })
  held = apply(held, decideRunFinish(held, { status: 'complete', metadata: {} }, context))
  expect(held).toMatchObject({ output: 'abc', status: 'complete', ended_at: context.at })
  expect(decideRunFinish(held, { status: 'stopped', metadata: {} }, context)).toBeUndefined()
  expect(decideRunStopRequest(held)).toBeUndefined()
  expect(() => decideRunExtend(held, { offset: 3, text: 'd' })).toThrow(Fault)
  held = apply(held, decideRunDelete(held))
  expect(decideRunDelete(held)).toBeUndefined()
  expect(() => decideRun(held, start, context)).toThrow(Fault)
  expect(() => decideRunFinish(held, { status: 'stopped', metadata: {} }, context)).toThrow(Fault)
  expect(() => decideRunDelete(undefined)).toThrow(Fault)
})
