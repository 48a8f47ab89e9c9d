// A conversation that needs several changes, whose import stops after any of them and is repeated: it ends as if nothing had happened, and
// until then nobody sees it in a list.
import * as fc from 'fast-check'
import { MongoNetworkError } from 'mongodb'
import { expect, test } from 'vitest'
import type { Change, Decision } from '@lockstep/protocol/change'
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
import { normalizeItem } from '@lockstep/imports/reading/normalize'
import { parsers } from '@lockstep/imports/sources/parsers'
import { createLogger } from '../../realtime/observability/logger.ts'
import type { Log } from '../../realtime/log/log.ts'

const context = { user_id: newId(), at: '2026-01-01T00:00:00.000Z', newId: () => newId() }

class Account {
  held: HeldConversation
  changes = 0
  #left: number

  /** @param left how many changes it takes before it stops */
  constructor(left = Infinity) {
    this.#left = left
  }

  import(read: ReturnType<typeof conversation>): void {
    for (const messages of read.pieces)
      this.#take(
        decideSlice(
          this.held,
          { about: read.about, messages, more: read.pieces.length > 1 },
          context,
        ),
      )
    this.#take(decideCompletion(this.held, read.about))
  }

  resume(): void {
    this.#left = Infinity
  }

  #take(decision: Decision | undefined): void {
    if (!decision || this.#left === 0) return
    this.#left--
    const seq = ++this.changes
    const envelope = {
      topic: 'conversations' as const,
      epoch: 'e',
      seq,
      at: context.at,
      actor: { session_id: null, device: '' },
    }
    this.held = reduceConversation(this.held, { ...envelope, ...decision } as Change)
  }
}

function conversation(sizes: readonly number[], deleted_at: string | null) {
  const messages = sizes.map((size, n) => ({
    key: `${n}`,
    role: 'user' as const,
    content: `${n}`.padEnd(size * 100_000, 'x'),
    metadata: {} as JsonObject,
  }))
  const given = {
    key: 'k',
    title: 'T',
    metadata: {},
    messages,
    deleted_at,
    updated_at: '2025-01-01T00:00:00.000Z',
  }
  const ready = normalizeItem('claude', { kind: 'conversation', conversation: given }, context.at)
  if (ready.kind !== 'conversation') throw new Error(JSON.stringify(ready))
  return ready
}

test('an import that stops after any change is completed by repeating it, and hidden until then', () => {
  let stopped = 0
  const sizes = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 20, maxLength: 80 })
  fc.assert(
    fc.property(
      sizes,
      fc.constantFrom(null, '2025-06-01T00:00:00.000Z'),
      fc.nat({ max: 5 }),
      (sizes, trashed, after) => {
        const read = conversation(sizes, trashed)
        const [whole, account] = [new Account(), new Account(after)]
        whole.import(read)
        account.import(read)
        if (isConversation(account.held) && account.changes < whole.changes) {
          stopped++
          expect(isUnfinished(account.held)).toBe(true)
          expect(account.held.deleted_at).not.toBeNull()
        }
        account.resume()
        account.import(read)
        expect(account.held).toEqual(whole.held)
        expect(account.held).toMatchObject({
          message_count: sizes.length,
          deleted_at: trashed,
          updated_at: read.about.updated_at,
        })
        expect(isUnfinished(account.held)).toBe(false)
        const { changes } = account
        account.import(read)
        expect(account.changes).toBe(changes)
      },
    ),
    { numRuns: 60 },
  )
  expect(stopped).toBeGreaterThan(5)
}, 60_000)

test('an item that breaks what writes it has failed and the others come; a database that went away ends the import', async () => {
  const items = (titles: string[]) => {
    const ready = titles.map((title) => {
      const conversation = { key: title, title, metadata: {}, messages: [] }
      return normalizeItem('claude', { kind: 'conversation', conversation }, context.at)
    })
    return () => Promise.resolve(ready.shift())
  }
  const importWith = (fault: Error) => {
    let asked = 0
    const append = () =>
      ++asked === 2 ? Promise.reject(fault) : Promise.resolve({ kind: 'unchanged' })
    const log = { append } as unknown as Log
    const imports = createImport(
      undefined as never,
      log,
      undefined as never,
      createLogger('silent'),
    )
    const caller = { user_id: context.user_id, session_id: null, device: 'Node' }
    return imports.importItems(caller, false, items(['one', 'two', 'three']))
  }
  const expected = {
    created: 0,
    updated: 0,
    skipped: 2,
    failed: [{ item: 'two', reason: expect.any(String) }],
  }
  expect(await importWith(new TypeError('of a value that nobody thought of'))).toEqual(expected)
  expect(await importWith(new Fault('too_large'))).toEqual(expected)
  for (const away of [new MongoNetworkError('gone'), new Fault('unavailable')])
    await expect(importWith(away)).rejects.toMatchObject({ code: 'unavailable' })
})

test('an item that breaks what reads it has failed, and the others come', () => {
  const lists = ['mapping', 'chat_messages', 'messages', 'chat']
  const breaks = {
    get(): never {
      throw new RangeError('Maximum call stack size exceeded')
    },
  }
  const broken = Object.defineProperties(
    { title: 'Broken', uuid: 'u', conversationId: 'c' },
    Object.fromEntries(lists.map((name) => [name, breaks])),
  )
  const failed = { kind: 'failed', item: 'Broken', reason: 'This could not be read' }
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
