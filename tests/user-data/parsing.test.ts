// What holds for each source: ids that don't change, parsers that accept any JSON, metadata within
// its limits, and trees of messages that keep their threads.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { flattenTree, type TreeNode } from '@lockstep/imports/parsing/message-tree'
import { toMetadata } from '@lockstep/imports/parsing/metadata'
import { parsers } from '@lockstep/imports/sources/parsers'
import { branchOf } from '@lockstep/protocol/branch'
import type { ImportSource } from '@lockstep/protocol/import'
import { FreeForm } from '@lockstep/protocol/scalars'
import { inForm } from '../harness/long-form.ts'
import { firstConversationIn, itemsIn } from './normalized-items.ts'

describe('any source', () => {
  const sources = Object.keys(parsers) as ImportSource[]

  test('gives the same item the same ids each time, and other items other ids', () => {
    const sample = (id: string) => [
      { uuid: id, chat_messages: [{ uuid: 'm', sender: 'human', text: 'x' }] },
    ]
    const [first, again, other] = [
      firstConversationIn('claude', sample('a')),
      firstConversationIn('claude', sample('a')),
      firstConversationIn('claude', sample('b')),
    ]
    expect(again).toEqual(first)
    expect(other.id).not.toBe(first.id)
    expect(other.messages[0]!.id).not.toBe(first.messages[0]!.id)
  })

  test('accepts any JSON: each item is read or reported, or the data is refused', () => {
    const names = [
      'id',
      'uuid',
      '_id',
      'conversationId',
      'title',
      'messages',
      'chat_messages',
      'mapping',
      'chat',
      'history',
      'conversations',
      'content',
      'parts',
      'text',
      'role',
      'created_at',
      'parentId',
      'message',
      'parent',
      'children',
    ]
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5, withCrossShrink: true },
        fc.jsonValue({ maxDepth: 0 }),
        fc.constantFrom('a', 'b'),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(fc.constantFrom(...sources), tree, (source, data) => {
        try {
          for (const item of itemsIn(source, data))
            expect(['conversation', 'preferences', 'run', 'failed']).toContain(item.kind)
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid' })
        }
      }),
      { numRuns: inForm(600, 2_000) },
    )
  })

  test('keeps fields of any kind within the limits of metadata', () => {
    const anyKey = fc.oneof(fc.string(), fc.constantFrom('__proto__', '_bsontype', '$set', 'a.b'))
    fc.assert(
      fc.property(fc.dictionary(anyKey, fc.anything({ maxDepth: 3, key: anyKey })), (fields) => {
        expect(FreeForm.safeParse(toMetadata({}, fields)).error).toBeUndefined()
      }),
    )
    const deep = Array.from({ length: 50 }).reduce((inner) => ({ inner }), 1 as unknown)
    const kept = toMetadata({}, { deep, big: 'x'.repeat(70_000), small: 1, broken: '\ud800' })
    expect(FreeForm.safeParse(kept).success).toBe(true)
    expect(kept).toMatchObject({ small: 1, broken: '\ufffd', not_imported: ['big'] })
  })
})

describe('a flattened tree', () => {
  const trees = fc
    .array(fc.record({ parent: fc.option(fc.nat({ max: 12 })), hasMessage: fc.boolean() }), {
      maxLength: 13,
    })
    .map((nodes) =>
      nodes.map(({ parent, hasMessage }, n): TreeNode => {
        const message = { role: 'user' as const, content: `${n}`, metadata: {} }
        return {
          key: `${n}`,
          parent: parent === null ? undefined : `${parent}`,
          message: hasMessage || n % 2 ? message : undefined,
        }
      }),
    )

  test('has each message once, even if the parents form a cycle', () => {
    fc.assert(
      fc.property(
        trees,
        fc.option(fc.nat({ max: 12 }).map(String), { nil: undefined }),
        (nodes, current) => {
          const keys = flattenTree(nodes, current).map(({ key }) => key)
          expect(keys.toSorted()).toEqual(
            nodes
              .filter(({ message }) => message)
              .map(({ key }) => key)
              .toSorted(),
          )
        },
      ),
    )
  })

  test('keeps the thread of each message', () => {
    const forward = trees.map((nodes) =>
      nodes.map((node) =>
        Number(node.parent) >= Number(node.key) ? { ...node, parent: undefined } : node,
      ),
    )
    fc.assert(
      fc.property(forward, (nodes) => {
        const byKey = new Map(nodes.map((node) => [node.key, node]))
        const threadOf = (key: string | undefined): string[] =>
          key === undefined
            ? []
            : [...threadOf(byKey.get(key)!.parent), ...(byKey.get(key)!.message ? [key] : [])]
        const list = flattenTree(nodes, undefined).map(({ key, replaces = null }, i) => ({
          id: key,
          position: i + 1,
          replaces,
        }))
        for (const message of list)
          expect(branchOf(list, message).map(({ id }) => id)).toEqual(threadOf(message.id))
      }),
    )
  })
})
