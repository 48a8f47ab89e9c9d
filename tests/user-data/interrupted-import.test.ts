// The import of a conversation that needs several changes is interrupted after any of them and
// repeated. The result is the same as without the interruption, and until then no list shows the
// conversation.
import * as fc from 'fast-check'
import { MongoNetworkError } from 'mongodb'
import { expect, test } from 'vitest'
import type { WireChange, Decision } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import type { JsonObject } from '@lockstep/protocol/free-form'
import {
  decideCompletion,
  decideSlice,
  isUnfinished,
} from '../../realtime/commands/import/decisions.ts'
import { createImport } from '../../realtime/commands/import/import.ts'
import { parsers } from '@lockstep/imports/sources/parsers'
import { createLogger } from '../../realtime/observability/logger.ts'
import type { Log } from '../../realtime/log/log.ts'
import { inForm } from '../harness/long-form.ts'
import { normalized } from './normalized-items.ts'

const context = { user_id: newId(), at: '2026-01-01T00:00:00.000Z', newId: () => newId() }

class Account {
  held: HeldConversation
  changes = 0
  #changesLeft: number

  /** @param changesLeft how many changes it accepts before the interruption */
  constructor(changesLeft = Infinity) {
    this.#changesLeft = changesLeft
  }

  import({ summary, slices }: ReturnType<typeof conversation>): void {
    const isPartial = slices.length > 1
    for (const messages of slices)
      this.#apply(decideSlice(this.held, { summary, messages, isPartial }, context))
    this.#apply(decideCompletion(this.held, summary))
  }

  endInterruption(): void {
    this.#changesLeft = Infinity
  }

  #apply(decision: Decision | undefined): void {
    if (!decision || this.#changesLeft === 0) return
    this.#changesLeft--
    const seq = ++this.changes
    const envelope = {
      topic: 'conversations' as const,
      epoch: 'e',
      seq,
      at: context.at,
      actor: { session_id: null, device: '' },
    }
    this.held = reduceConversation(this.held, { ...envelope, ...decision } as WireChange)
  }
}

function conversation(sizes: readonly number[], deleted_at: string | null) {
  const messages = sizes.map((size, n) => ({
    key: `${n}`,
    role: 'user' as const,
    content: `${n}`.padEnd(size * 100_000, 'x'),
    metadata: {} as JsonObject,
  }))
  const parsed = {
    key: 'k',
    title: 'T',
    metadata: {},
    messages,
    deleted_at,
    updated_at: '2025-01-01T00:00:00.000Z',
  }
  const item = normalized('claude', { kind: 'conversation', conversation: parsed })
  if (item.kind !== 'conversation') throw new Error(JSON.stringify(item))
  return item
}

test('an import that is interrupted after any change is completed by repeating it, and hidden until then', () => {
  let interrupted = 0
  const sizes = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 20, maxLength: 80 })
  fc.assert(
    fc.property(
      sizes,
      fc.constantFrom(null, '2025-06-01T00:00:00.000Z'),
      fc.nat({ max: 5 }),
      (sizes, trashed, after) => {
        const item = conversation(sizes, trashed)
        const [whole, account] = [new Account(), new Account(after)]
        whole.import(item)
        account.import(item)
        if (isConversation(account.held) && account.changes < whole.changes) {
          interrupted++
          expect(isUnfinished(account.held)).toBe(true)
          expect(account.held.deleted_at).not.toBeNull()
        }
        account.endInterruption()
        account.import(item)
        expect(account.held).toEqual(whole.held)
        expect(account.held).toMatchObject({
          message_count: sizes.length,
          deleted_at: trashed,
          updated_at: item.summary.updated_at,
        })
        expect(isUnfinished(account.held)).toBe(false)
        const { changes } = account
        account.import(item)
        expect(account.changes).toBe(changes)
      },
    ),
    { numRuns: inForm(25, 60) },
  )
  expect(interrupted).toBeGreaterThan(0)
}, 60_000)

test('an item whose writing throws is reported and the others are imported; an unreachable database ends the import', async () => {
  const items = (titles: string[]) => {
    const prepared = titles.map((title) => {
      const conversation = { key: title, title, metadata: {}, messages: [] }
      return normalized('claude', { kind: 'conversation', conversation })
    })
    return () => Promise.resolve(prepared.shift())
  }
  const importWith = (fault: Error) => {
    let appends = 0
    const append = () =>
      ++appends === 2 ? Promise.reject(fault) : Promise.resolve({ kind: 'unchanged' })
    const log = { append } as unknown as Log
    const imports = createImport({
      database: undefined as never,
      log,
      preferences: undefined as never,
      drafts: undefined as never,
      logger: createLogger('silent'),
    })
    const caller = { user_id: context.user_id, session_id: null, device: 'Node' }
    return imports.importItems(caller, false, items(['one', 'two', 'three']))
  }
  const expected = (code: string) => ({
    created: 0,
    updated: 0,
    skipped: 2,
    failed: [{ item: 'two', reason: expect.any(String), code }],
  })
  expect(await importWith(new TypeError('of a value that nobody foresaw'))).toEqual(
    expected('not_stored'),
  )
  expect(await importWith(new Fault('too_large'))).toEqual(expected('too_large'))
  for (const fault of [new MongoNetworkError('gone'), new Fault('unavailable')])
    await expect(importWith(fault)).rejects.toMatchObject({ code: 'unavailable' })
})

test('an item whose parser throws is reported, and the others are parsed', () => {
  const lists = ['mapping', 'chat_messages', 'messages', 'chat']
  const breaks = {
    enumerable: true,
    get(): never {
      throw new RangeError('Maximum call stack size exceeded')
    },
  }
  const broken = Object.defineProperties(
    { title: 'Broken', uuid: 'u', conversationId: 'c' },
    Object.fromEntries(lists.map((name) => [name, breaks])),
  )
  const failed = {
    ...{ kind: 'failed', item: 'Broken' },
    ...{ reason: 'This could not be read', code: 'unreadable' },
  }
  for (const source of [
    'chatgpt',
    'claude',
    'librechat',
    'open-webui',
    'chat-ui',
    'browser',
  ] as const) {
    const list = [broken, broken]
    const data = source === 'browser' ? { conversations: list } : list
    expect([...parsers[source](data)], source).toEqual([failed, failed])
  }
})
