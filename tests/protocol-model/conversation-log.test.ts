import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  conversationChanges,
  type Conversation,
  type ConversationChanges,
} from '@lockstep/protocol/conversations'
import { messagesOf, namedMessages } from '@lockstep/protocol/decide/conversations'
import {
  isConversation,
  lastPosition,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { previewOf } from '@lockstep/protocol/text'
import {
  CONVERSATION,
  OneConversation,
  steps,
  type Command,
  type Step,
} from './one-conversation.ts'

const fold = (held: HeldConversation, changes: OneConversation['changes']) =>
  changes.reduce(reduceConversation, held)

const partialOf = (held: HeldConversation) => held as Conversation

/** The part that a client with only the newest `size` messages holds. */
function windowOf(held: HeldConversation, size: number): HeldConversation {
  if (!isConversation(held)) return held
  const messages = size === 0 ? [] : held.messages.slice(-size)
  return { ...held, messages, has_more: messages.length < held.messages.length }
}

describe('whatever commands come, the log of a conversation', () => {
  test('counts versions from 1 without a gap and carries what the wire describes', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const { changes } = OneConversation.of(taken)
        expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => index + 1))
        for (const { op, entity_id, data } of changes) {
          expect(entity_id).toBe(CONVERSATION)
          const schema = conversationChanges[op as keyof ConversationChanges]
          expect(schema.parse(data)).toEqual(data)
        }
      }),
    )
  })

  test('keeps positions 1, 2, 3, … and count, preview and window in step with the messages', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        for (const held of OneConversation.of(taken).states.filter(isConversation)) {
          const removed = held.removed ?? []
          const places = [...held.messages, ...removed].sort((a, b) => a.position - b.position)
          expect(places.map(({ position }) => position)).toEqual(places.map((_, i) => i + 1))
          expect(held.removed_count ?? 0).toBe(removed.length)
          expect(held.message_count).toBe(held.messages.length)
          expect(new Set(places.map(({ id }) => id)).size).toBe(places.length)
          expect(held.has_more).toBe(false)
          const last = held.messages.at(-1)
          // The preview of a streaming message is updated when the message is finished.
          if (last?.status !== 'streaming')
            expect(held.preview).toBe(previewOf(last?.content ?? ''))
          for (const { replaces } of held.messages)
            if (replaces) expect(places.map(({ id }) => id)).toContain(replaces)
        }
      }),
    )
  })

  test('changes nothing when any stretch of it is replayed', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat(), (taken, a, b) => {
        const { changes, states, held } = OneConversation.of(taken)
        const upTo = a % (changes.length + 1)
        const from = b % (upTo + 1)
        const again = fold(states[upTo], changes.slice(from, upTo))
        expect(again).toBe(states[upTo])
        expect(fold(again, changes.slice(upTo))).toEqual(held)
      }),
    )
  })

  test('gives a holder of some messages exactly the same versions of them as a holder of all messages', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat({ max: 5 }), (taken, a, size) => {
        const { changes, states, held } = OneConversation.of(taken)
        const from = a % (changes.length + 1)
        const window = windowOf(states[from], size)
        const partial = fold(window, changes.slice(from))
        if (!isConversation(window) || !isConversation(held)) {
          expect(partial).toEqual(held)
          return
        }
        const first = window.has_more
          ? (window.messages[0]?.position ?? lastPosition(window) + 1)
          : 1
        const isInside = ({ position }: { position: number }) => position >= first
        // A window without the deleted message may say that nothing was removed, or say nothing.
        const inside = ({ removed = [] }: { removed?: readonly { position: number }[] }) =>
          removed.filter(isInside)
        expect({ ...partial, removed: inside(partialOf(partial)) }).toEqual({
          ...held,
          messages: held.messages.filter(isInside),
          removed: inside(held),
          has_more: window.has_more,
        })
      }),
    )
  })

  test('leaves a conversation that is not held unheld, until a change carries the whole conversation', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (taken, a) => {
        const { changes, held } = OneConversation.of(taken)
        const late = changes.slice(1 + (a % Math.max(1, changes.length - 1)))
        const unheld = late.filter(({ op }) => op !== 'restored' && op !== 'purged')
        expect(fold(undefined, unheld)).toBeUndefined()
        if (late.at(-1)?.op === 'purged')
          expect(fold(undefined, late)).toMatchObject({ purged: true })
        expect(fold(undefined, changes)).toEqual(held)
      }),
    )
  })

  test('stores before each change the values that it replaced', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const { decisions, states } = OneConversation.of(taken)
        for (const [index, decision] of decisions.entries()) {
          if (decision.op !== 'updated') continue
          const { data, before } = decision
          const old = states[index] as Conversation
          const { messages = [], removed_messages = [], ...fields } = data
          for (const name of Object.keys(fields))
            expect(before[name as keyof typeof before]).toEqual(old[name as keyof Conversation])
          const changed = new Set([...messages.map(({ id }) => id), ...removed_messages])
          const replaced = old.messages.filter(({ id }) => changed.has(id))
          expect(before.messages).toHaveLength(replaced.length)
          expect(before.messages).toEqual(expect.arrayContaining(replaced))
        }
      }),
    )
  })
})

describe('a copy that a device has kept', () => {
  const put = (messages: Conversation['messages'], held: HeldConversation, log: OneConversation) =>
    log.decide({ name: 'update', payload: { conversation_id: CONVERSATION, messages } }, held)

  test('erases nothing when it is PUT, however stale it is', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (taken, a) => {
        const log = OneConversation.of(taken)
        const copy = log.states[a % log.states.length]
        if (!isConversation(copy) || !isConversation(log.held) || log.held.deleted_at) return
        const finished = copy.messages.filter(({ status }) => status !== 'streaming')
        expect(put(finished, log.held, log)).toBeUndefined()
      }),
    )
  })

  test('changes nothing when it is current, as when the result of a GET is PUT back', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const log = OneConversation.of(taken)
        const { held } = log
        if (!isConversation(held) || held.deleted_at) return
        const { title, metadata, pinned, archived, messages } = held
        const payload = {
          conversation_id: CONVERSATION,
          title,
          metadata,
          pinned,
          archived,
          messages,
        }
        expect(log.decide({ name: 'update', payload })).toBeUndefined()
      }),
    )
  })
})

describe('a decision', () => {
  test('has the same effect for a holder of only the messages that it names', () => {
    fc.assert(
      fc.property(steps, steps, (taken, [, ...more]) => {
        const log = OneConversation.of(taken)
        const { held } = log
        if (!isConversation(held)) return
        for (const step of more) {
          if (step.name !== 'update' && step.name !== 'append') continue
          // where messages are deleted, the newest one is held too: the preview shows it
          const newest = held.removed_count ? held.messages.slice(-1).map(({ id }) => id) : []
          const named = new Set([...namedMessages(messagesOf(step.payload)), ...newest])
          const part = {
            ...held,
            has_more: true,
            messages: held.messages.filter(({ id }) => named.has(id)),
          }
          expect(outcome(log, step, part)).toEqual(outcome(log, step, held))
        }
      }),
    )
  })

  test('repeated at once is no change: create, append with an id, delete, delete_messages, restore', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const log = new OneConversation()
        for (const step of taken) {
          const count = log.changes.length
          if (log.take(step) || log.changes.length === count || !isRepeatable(step)) continue
          expect(log.take(step)).toBeUndefined()
          expect(log.changes).toHaveLength(count + 1)
        }
      }),
    )
  })
})

const isRepeatable = (step: Step) =>
  ['create', 'delete', 'delete_messages', 'restore'].includes(step.name) ||
  (step.name === 'append' && messagesOf(step.payload).every(({ id }) => id !== undefined))

/** What a command decides, without the ids of new entities, which differ each time. */
function outcome(log: OneConversation, command: Command, held: HeldConversation): unknown {
  try {
    const decision = log.decide(command, held)
    return (
      decision &&
      JSON.stringify(decision).replaceAll(/"id":"00000000-0000-7000-8000-0004[^"]*"/g, '"id":"new"')
    )
  } catch (error) {
    return error
  }
}
