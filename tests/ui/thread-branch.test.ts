// Which messages a thread shows: the branch that the assistant is given, or the branch of an older
// version that the reader picked.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MessageView } from '@lockstep/client'
import { branchOf } from '@lockstep/protocol/branch'
import { threadBranch } from '../../ui/src/lib/components/thread/thread-branch.ts'
import { threadItems } from '../../ui/src/lib/components/thread/thread-items.ts'

const message = (position: number, replaces: number | null, follows?: number): MessageView => ({
  id: `m${position}`,
  role: position % 2 === 1 ? 'user' : 'assistant',
  content: String(position),
  position,
  version: 1,
  status: 'complete',
  replaces: replaces === null ? null : `m${replaces}`,
  ...(follows !== undefined && { follows: `m${follows}` }),
  created_at: '2026-01-01T12:00:00.000Z',
  updated_at: '2026-01-01T12:00:00.000Z',
  metadata: {},
  delivery: 'sent',
})
const thread = (...replaces: (number | null)[]) =>
  replaces.map((each, index) => message(index + 1, each))
const shown = (messages: MessageView[], picked?: string) =>
  threadBranch(messages, picked).map(({ message: { position } }) => position)

describe('the branch of a thread', () => {
  test('is the whole list as long as no message has versions', () => {
    expect(shown(thread(null, null, null))).toEqual([1, 2, 3])
  })

  test('shows a regenerated reply in place of the first one', () => {
    expect(shown(thread(null, null, 2))).toEqual([1, 3])
    expect(threadBranch(thread(null, null, 2, 3)).at(-1)?.versions).toEqual(['m2', 'm3', 'm4'])
  })

  test('leaves the messages that followed an older version with that version', () => {
    const messages = thread(null, null, null, null, 1, null)
    expect(shown(messages)).toEqual([5, 6])
    expect(shown(messages, 'm1')).toEqual([1, 2, 3, 4])
  })

  test('hides everything before a replacement whose original lies before the window', () => {
    expect(shown([message(7, null), message(8, 3), message(9, null)])).toEqual([8, 9])
  })

  test('ends with the newest message, even if that regenerates a reply to an older version', () => {
    expect(shown(thread(null, null, null, 1, 2))).toEqual([1, 5])
  })

  test('goes on where the reader was: what follows an older version stays with it', () => {
    const messages = [...thread(null, null, null, null, 1, null), message(7, null, 4)]
    expect(shown(messages)).toEqual([1, 2, 3, 4, 7])
    expect(shown(messages, 'm5')).toEqual([5, 6])
    expect(threadBranch(messages)[0]!.versions).toEqual(['m1', 'm5'])
  })

  test('lets the reader reach each of two messages that follow the same one', () => {
    const messages = [...thread(null, null, 1, null), message(5, null, 2), message(6, null, 2)]
    expect(shown(messages)).toEqual([1, 2, 6])
    expect(threadBranch(messages).at(-1)!.versions).toEqual(['m5', 'm6'])
    expect(shown(messages, 'm5')).toEqual([1, 2, 5])
  })

  test('reaches every message from any other by picking versions that are shown', () => {
    fc.assert(
      fc.property(histories, (messages) => {
        const seen = new Set<string>()
        const queue: (string | undefined)[] = [undefined]
        for (const picked of queue)
          for (const { versions } of threadBranch(messages, picked))
            for (const id of versions)
              if (!seen.has(id)) {
                seen.add(id)
                queue.push(id)
              }
        expect(seen.size).toBe(messages.length)
      }),
    )
  })

  const histories = fc.array(fc.nat(), { minLength: 1, maxLength: 30 }).map((numbers) =>
    numbers.map((number, index) => {
      const other = index > 0 ? (number % index) + 1 : undefined
      if (other === undefined || number % 3 === 2) return message(index + 1, null)
      return number % 3 === 0 ? message(index + 1, other) : message(index + 1, null, other)
    }),
  )

  test('is the branch that the assistant is given, whatever was replaced in whatever order', () => {
    fc.assert(
      fc.property(histories, (messages) => {
        expect(shown(messages)).toEqual(branchOf(messages).map(({ position }) => position))
      }),
    )
  })

  test('contains the picked version, and ends with the newest message whose branch contains it', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (messages, number) => {
        const { id, position } = messages[number % messages.length]!
        const branch = shown(messages, id)
        const branchesWithPicked = messages
          .map((tip) => branchOf(messages, tip).map((each) => each.position))
          .filter((positions) => positions.includes(position))
        expect(branch).toEqual(branchesWithPicked.at(-1))
      }),
    )
  })
})

test('each day begins with a line of its own', () => {
  const messages = [message(1, null), message(2, null), message(3, null)].map((each, index) => ({
    ...each,
    created_at: index < 2 ? '2026-01-01T12:00:00.000Z' : '2026-01-03T12:00:00.000Z',
  }))
  const kinds = threadItems(threadBranch(messages)).map(({ kind }) => kind)
  expect(kinds).toEqual(['day', 'message', 'message', 'day', 'message'])
})
