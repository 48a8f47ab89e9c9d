// Which messages a thread shows: the same that an assistant is given to read, and, where the reader picked one, an older version.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { branchOf } from '@lockstep/protocol/branch'
import { threadItems } from '../../ui/src/lib/components/thread/thread-items.ts'
import { threadPath } from '../../ui/src/lib/components/thread/thread-path.ts'
import type { MessageView } from '@lockstep/client/views'

const message = (position: number, replaces: number | null): MessageView => ({
  id: `m${position}`,
  role: position % 2 === 1 ? 'user' : 'assistant',
  content: String(position),
  position,
  version: 1,
  status: 'complete',
  replaces: replaces === null ? null : `m${replaces}`,
  created_at: '2026-01-01T12:00:00.000Z',
  updated_at: '2026-01-01T12:00:00.000Z',
  metadata: {},
  delivery: 'sent',
})
const thread = (...replaces: (number | null)[]) =>
  replaces.map((each, index) => message(index + 1, each))
const shown = (messages: MessageView[], picked?: string) =>
  threadPath(messages, picked).map(({ message: { position } }) => position)

describe('the path of a thread', () => {
  test('is the list itself as long as nothing has versions', () => {
    expect(shown(thread(null, null, null))).toEqual([1, 2, 3])
  })

  test('shows a reply that was written again in the place of the first one', () => {
    expect(shown(thread(null, null, 2))).toEqual([1, 3])
    expect(threadPath(thread(null, null, 2, 3)).at(-1)?.versions).toEqual(['m2', 'm3', 'm4'])
  })

  test('leaves what followed the older version with that version', () => {
    const messages = thread(null, null, null, null, 1, null)
    expect(shown(messages)).toEqual([5, 6])
    expect(shown(messages, 'm1')).toEqual([1, 2, 3, 4])
  })

  test('hides everything before a replacement whose original lies before the window', () => {
    expect(shown([message(7, null), message(8, 3), message(9, null)])).toEqual([8, 9])
  })

  test('ends with a reply that was written again in an older version', () => {
    expect(shown(thread(null, null, null, 1, 2))).toEqual([1, 5])
  })

  const histories = fc
    .array(fc.nat(), { minLength: 1, maxLength: 30 })
    .map((numbers) =>
      thread(
        ...numbers.map((number, index) =>
          number % 3 === 0 && index > 0 ? (number % index) + 1 : null,
        ),
      ),
    )

  test('is what an assistant is given to read, whatever was replaced in whatever order', () => {
    fc.assert(
      fc.property(histories, (messages) => {
        expect(shown(messages)).toEqual(branchOf(messages).map(({ position }) => position))
      }),
    )
  })

  test('goes through the version that was picked, to the newest that follows it', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (messages, number) => {
        const { id, position } = messages[number % messages.length]!
        const path = shown(messages, id)
        const through = messages
          .map((tip) => branchOf(messages, tip).map((each) => each.position))
          .filter((branch) => branch.includes(position))
        expect(path).toEqual(through.at(-1))
      }),
    )
  })
})

test('another day gets a line of its own, once', () => {
  const messages = [message(1, null), message(2, null), message(3, null)].map((each, index) => ({
    ...each,
    created_at: index < 2 ? '2026-01-01T12:00:00.000Z' : '2026-01-03T12:00:00.000Z',
  }))
  const kinds = threadItems(threadPath(messages)).map(({ kind }) => kind)
  expect(kinds).toEqual(['day', 'message', 'message', 'day', 'message'])
})
