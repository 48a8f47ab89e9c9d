// The logs of preferences, runs and the account have the same properties as every other log.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { agentChanges, type AgentChanges, type Run } from '@lockstep/protocol/agents'
import type { AnyDecision, WireChange } from '@lockstep/protocol/change'
import { decidePreferences } from '@lockstep/protocol/decide/preferences'
import {
  decideRun,
  decideRunDelete,
  decideRunExtend,
  decideRunFinish,
  type RunDecision,
} from '@lockstep/protocol/decide/runs'
import {
  decideRecordDelete,
  decideRecordPatch,
  decideRecordPut,
} from '@lockstep/protocol/decide/records'
import { mergePatch, type JsonObject } from '@lockstep/protocol/free-form'
import { recordChanges } from '@lockstep/protocol/records'
import { preferencesChanges } from '@lockstep/protocol/preferences'
import { reduceAccount, type HeldAccount } from '@lockstep/protocol/reduce/account'
import { extend, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { isRecord, reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import { isRun, reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import type { Topic } from '@lockstep/protocol/topics'
import { frozen, messageId, USER } from './one-conversation.ts'

const context = { user_id: USER, at: '2026-01-01T00:00:00.000Z', newId: () => messageId(99) }
const toChange = (
  topic: Topic,
  seq: number,
  { op, entity_id, version, data }: AnyDecision,
): WireChange =>
  frozen({
    ...{ topic, epoch: 'e', seq, at: context.at, actor: { session_id: null, device: 'model' } },
    op,
    entity_id,
    version,
    data,
  })

describe('the log of preferences', () => {
  const patches = fc.array(
    fc.dictionary(
      fc.constantFrom('theme', 'density', 'agents'),
      fc.oneof(
        fc.constant(null),
        fc.constantFrom('dark', 'light'),
        fc.dictionary(
          fc.constantFrom('a', 'b'),
          fc.oneof(fc.constant(null), fc.integer({ max: 3 })),
          {
            noNullPrototype: true,
          },
        ),
      ),
      { noNullPrototype: true },
    ) as fc.Arbitrary<JsonObject>,
    { maxLength: 12 },
  )

  test('counts versions from 2, skips commands that change nothing, and can be undone change by change', () => {
    fc.assert(
      fc.property(patches, (given) => {
        let held = frozen(noPreferences)
        const changes: WireChange[] = []
        for (const patch of given) {
          const decision = decidePreferences(held, { patch: frozen(patch) }, context)
          const merged = mergePatch(held.preferences, patch)
          if (!decision) {
            expect(merged).toEqual(held.preferences)
            continue
          }
          changes.push(toChange('preferences', changes.length + 1, decision))
          const after = frozen(reducePreferences(held, changes.at(-1)!))
          expect(preferencesChanges.updated.parse(decision.data)).toEqual(decision.data)
          expect(after).toEqual({ preferences: merged, version: held.version + 1 })
          expect(mergePatch(after.preferences, decision.before?.patch as JsonObject)).toEqual(
            held.preferences,
          )
          held = after
        }
        expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => index + 2))
        expect(changes.reduce(reducePreferences, held)).toBe(held)
        expect(changes.reduce(reducePreferences, noPreferences)).toEqual(held)
      }),
    )
  })

  test('refuses a version that is not the present one, with the present state', () => {
    const held = { preferences: { theme: 'dark' }, version: 4 }
    const stale = () => decidePreferences(held, { patch: {}, if_version: 3 }, context)
    expect(stale).toThrow(
      expect.objectContaining({ code: 'version_conflict', extra: { current: held } }),
    )
  })
})

describe('the log of a run', () => {
  type Step = { piece: string } | 'finish' | 'delete' | 'begin'
  const steps = fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.string({ unit: 'grapheme' }).map((piece): Step => ({ piece })) },
      { weight: 1, arbitrary: fc.constantFrom<Step>('finish', 'begin', 'delete') },
    ),
  )

  function decide(held: HeldRun, step: Step): RunDecision | undefined {
    const start = {
      id: messageId(1),
      agent: 'demo',
      model: 'demo',
      input: 'hello',
      message_id: null,
    }
    if (step === 'begin') return decideRun(held, start, context)
    if (step === 'finish')
      return decideRunFinish(held, { status: 'complete', metadata: {} }, context)
    if (step === 'delete') return decideRunDelete(held)
    return decideRunExtend(held, { offset: isRun(held) ? held.output.length : 0, text: step.piece })
  }

  test('counts versions without a gap, and changes nothing when any stretch of it is replayed', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat(), (given, a, b) => {
        const states: HeldRun[] = [undefined]
        const changes: WireChange[] = []
        for (const step of ['begin' as const, ...given]) {
          const decision = attempt(() => decide(states.at(-1), step))
          if (!decision) continue
          expect(agentChanges[decision.op as keyof AgentChanges].parse(decision.data)).toEqual(
            decision.data,
          )
          changes.push(toChange('agents', changes.length + 1, decision))
          states.push(frozen(reduceRun(states.at(-1), changes.at(-1)!)))
        }
        expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => index + 1))
        const upTo = a % (changes.length + 1)
        const from = b % (upTo + 1)
        expect(changes.slice(from, upTo).reduce(reduceRun, states[upTo])).toBe(states[upTo])
        expect(changes.reduce(reduceRun, undefined)).toEqual(states.at(-1))
      }),
    )
  })

  test('ends once: later text and a second end change nothing', () => {
    const begun = reduceRun(undefined, toChange('agents', 1, decide(undefined, 'begin')!))
    const ended = reduceRun(begun, toChange('agents', 2, decide(begun, 'finish')!)) as Run
    expect(ended.status).toBe('complete')
    expect(decide(ended, 'finish')).toBeUndefined()
    expect(() => decide(ended, { piece: 'late' })).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    )
  })
})

describe('the log of a record', () => {
  const patch = fc.dictionary(
    fc.constantFrom('a', 'b'),
    fc.oneof(fc.constant(null), fc.integer({ max: 3 })),
    { noNullPrototype: true },
  ) as fc.Arbitrary<JsonObject>
  type Step = { do: 'put' | 'patch'; data: JsonObject } | { do: 'delete' }
  const steps = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('put', 'patch'), data: patch }) },
      { weight: 1, arbitrary: fc.constant({ do: 'delete' as const }) },
    ) as fc.Arbitrary<Step>,
  )
  const one = { kind: 'note', id: messageId(1) }
  const decide = (held: HeldRecord, step: Step) => {
    if (step.do === 'delete') return decideRecordDelete(held, one)
    return (step.do === 'put' ? decideRecordPut : decideRecordPatch)(held, {
      ...one,
      data: frozen(step.data),
    })
  }

  test('RECORD-2 RECORD-3 counts versions without a gap, also over deletions, and changes nothing when any stretch of it is replayed', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat(), (given, a, b) => {
        const states: HeldRecord[] = [undefined]
        const changes: WireChange[] = []
        let data: JsonObject | undefined
        for (const step of given) {
          const held = states.at(-1)
          const decision = attempt(() => decide(held, step))
          if (step.do === 'delete') data = undefined
          else if (step.do === 'put') data = step.data
          else if (data) data = mergePatch(data, step.data)
          if (decision) {
            const { op } = decision as { op: keyof typeof recordChanges }
            expect(recordChanges[op].parse(decision.data)).toEqual(decision.data)
            changes.push(toChange('records', changes.length + 1, decision))
            states.push(frozen(reduceRecord(held, changes.at(-1)!)))
          }
          const now = states.at(-1)
          expect(isRecord(now) ? now.data : undefined).toEqual(data)
        }
        expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => index + 1))
        const upTo = a % (changes.length + 1)
        const from = b % (upTo + 1)
        expect(changes.slice(from, upTo).reduce(reduceRecord, states[upTo])).toBe(states[upTo])
        expect(changes.reduce(reduceRecord, undefined)).toEqual(states.at(-1))
      }),
    )
  })
})

function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}

describe('streamed text', () => {
  test('is the same even if pieces repeat or overlap, as long as no earlier piece is missing', () => {
    const twice = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 20 })
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), twice, (text, pairs) => {
        let content = ''
        for (const [a, b] of pairs) {
          const offset = a % (content.length + 1)
          const piece = text.slice(offset, offset + (b % (text.length + 1)))
          const before = content
          content = extend(content, offset, piece)
          expect(content.startsWith(before)).toBe(true)
          expect(text.startsWith(content)).toBe(true)
          expect(extend(content, offset, piece)).toBe(content)
        }
      }),
    )
  })

  test('is not changed by a piece that would leave a gap', () => {
    expect(extend('abc', 4, 'e')).toBe('abc')
  })
})

describe('the log of the account', () => {
  const session = (n: number) => ({
    id: messageId(n),
    device: `device ${n}`,
    created_at: context.at,
  })
  const some = fc.integer({ min: 1, max: 4 })
  const change = fc.oneof(
    some.map((n) => ({
      op: 'session_created',
      entity_id: messageId(n),
      data: { session: session(n) },
    })),
    some.map((n) => ({
      op: 'session_revoked',
      entity_id: messageId(n),
      data: { session_id: messageId(n) },
    })),
    fc
      .constantFrom('ann', 'bea')
      .map((username) => ({ op: 'renamed', entity_id: USER, data: { username } })),
    fc.constant({ op: 'password_changed', entity_id: USER, data: {} }),
  )

  test('gives the same state when any earlier part is replayed', () => {
    const nobody: HeldAccount = { username: 'alice', sessions: [], closed: false }
    const byId = ({ sessions, ...rest }: HeldAccount) => ({
      ...rest,
      sessions: sessions.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    })
    fc.assert(
      fc.property(fc.array(change), fc.nat(), (given, a) => {
        const changes = given.map((entry, index) =>
          toChange('account', index + 1, { ...entry, version: 1 }),
        )
        const held = frozen(changes.reduce(reduceAccount, frozen(nobody)))
        expect(byId(changes.slice(a % (changes.length + 1)).reduce(reduceAccount, held))).toEqual(
          byId(held),
        )
      }),
    )
  })

  test('ends with the entry `closed`', () => {
    const held = { username: 'alice', sessions: [session(1)], closed: false }
    const closed = toChange('account', 9, { op: 'closed', entity_id: USER, version: 2, data: {} })
    expect(reduceAccount(held, closed)).toEqual({ ...held, closed: true })
  })
})

test('the entry `closed`, which every topic of a deleted account gets, changes no state of the other topics', () => {
  const closed = (topic: Topic) =>
    toChange(topic, 9, { op: 'closed', entity_id: USER, version: 99, data: {} })
  const preferences = frozen({ preferences: { theme: 'dark' }, version: 3 })
  expect(reducePreferences(preferences, closed('preferences'))).toBe(preferences)
  expect(reduceConversation(undefined, closed('conversations'))).toBeUndefined()
  expect(reduceRun(undefined, closed('agents'))).toBeUndefined()
})
