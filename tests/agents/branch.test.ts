// Threads of messages with several versions: the pure function that decides what a provider reads
// and what a page shows.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { branchOf, versionsOf, withoutRemoved } from '@lockstep/protocol/branch'
import type { Message } from '@lockstep/protocol/message'
import { threadOf } from '../../realtime/agents/thread.ts'

/**
 * Messages in order of position. `a<b` means that a replaces b, `a>b` that a follows b. The first
 * letter of a name is the role.
 */
function messages(...written: string[]): Message[] {
  return written.map((item, index) => {
    const [, id = '', , replaces, , follows] = /^([^<>]*)(<(.*))?(>(.*))?$/.exec(item)!
    return {
      id,
      role: id.startsWith('u')
        ? 'user'
        : id.startsWith('s')
          ? 'system'
          : id.startsWith('t')
            ? 'tool'
            : 'assistant',
      content: `says ${id}`,
      position: index + 1,
      version: 1,
      status: 'complete',
      replaces: replaces ?? null,
      ...(follows !== undefined && { follows }),
      created_at: '',
      updated_at: '',
      metadata: {},
    }
  })
}
const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id).join(' ')

test.each([
  [['u1', 'a1', 'u2', 'a2'], 'u1 a1 u2 a2'],
  [['u1', 'a1', 'u2', 'a2', 'b2<a2'], 'u1 a1 u2 b2'],
  [['u1', 'a1', 'u2', 'a2', 'b2<a2', 'c2<b2'], 'u1 a1 u2 c2'],
  [['u1', 'a1', 'u2', 'a2', 'b2<a2', 'u3', 'a3'], 'u1 a1 u2 b2 u3 a3'],
  [['u1', 'a1', 'u2', 'a2', 'v1<u1', 'b1'], 'v1 b1'],
  [['u1', 'a1', 'u2', 'a2', 'b1<a1'], 'u1 b1'],
  [['u1', 'a1', 'u2', 'a2', 'b1<a1', 'u3', 'a3', 'c1<a1'], 'u1 c1'],
  [['u1', 'a1', 'b1<a1', 'v1<u1', 'c1', 'd1<c1'], 'v1 d1'],
  [['a1<gone', 'u2'], 'a1 u2'],
  [['u1', 'a1', 'v1<u1', 'b1', 'u2>a1', 'a2'], 'u1 a1 u2 a2'],
  [['u1', 'a1', 'v1<u1', 'b1', 'u2>a1', 'a2', 'w2<u2', 'c2'], 'u1 a1 w2 c2'],
  [['u1', 'a1', 'u2>gone', 'a2'], 'u2 a2'],
])('of %j the newest thread is %s', (written, thread) => {
  expect(ids(branchOf(messages(...written)))).toBe(thread)
})

test('earlier versions stay reachable, each with its own thread', () => {
  const all = messages('u1', 'a1', 'u2', 'a2', 'v1<u1', 'b1', 'c1<b1')
  const [, a1, , a2, v1, b1] = all
  expect(ids(versionsOf(all, v1!))).toBe('u1 v1')
  expect(ids(versionsOf(all, b1!))).toBe('b1 c1')
  expect(ids(versionsOf(all, a1!))).toBe('a1')
  expect(ids(branchOf(all, a2))).toBe('u1 a1 u2 a2')
  expect(ids(branchOf(all, b1))).toBe('v1 b1')
})

test('with any replacements, a thread ascends, has one version of each message and ends with its tip', () => {
  const conversation = fc
    .array(fc.option(fc.nat(), { nil: undefined }), { minLength: 1, maxLength: 30 })
    .map((list) =>
      messages(
        ...list.map((n, i) =>
          n === undefined || i === 0 ? `a${i}` : `a${i}${n % 2 === 0 ? '<' : '>'}a${n % i}`,
        ),
      ),
    )
  fc.assert(
    fc.property(conversation, fc.nat(), (all, n) => {
      const tip = all[n % all.length]!
      const branch = branchOf(all, tip)
      expect(branch.at(-1)).toBe(tip)
      branch
        .slice(1)
        .forEach((message, i) => expect(message.position).toBeGreaterThan(branch[i]!.position))
      const families = branch.map((message) => versionsOf(all, message)[0])
      expect(new Set(families).size).toBe(branch.length)
    }),
  )
})

test('a provider reads the thread before the reply without tool messages, empty messages and other versions', () => {
  const all = messages('s0', 'u1', 'a1', 't1', 'u2', 'a2', 'u3', 'b2<a2')
  all[2]!.content = ' '
  expect(threadOf(all, all[7]!)).toEqual([
    { role: 'system', content: 'says s0' },
    { role: 'user', content: 'says u1' },
    { role: 'user', content: 'says u2' },
  ])
})

test('a thread whose last message isn’t the user’s asks to continue, and an empty thread asks to begin', () => {
  const all = messages('u1', 'a1', 'b2')
  expect(threadOf(all, all[2]!).at(-1)).toEqual({ role: 'user', content: 'Please continue.' })
  const [only] = messages('a1')
  expect(threadOf([only!], only!)).toEqual([{ role: 'user', content: 'Please begin.' }])
})

test('a long thread keeps its newest messages, and the last one even if it is too long', () => {
  const all = messages(...Array.from({ length: 41 }, (_, i) => (i % 2 ? `a${i}` : `u${i}`)), 'a41')
  for (const message of all) message.content = message.id.padEnd(10_000, '.')
  const thread = threadOf(all, all.at(-1)!)
  expect(thread.map(({ content }) => content.replaceAll('.', ''))).toEqual(
    all.slice(32, 41).map(({ id }) => id),
  )
  all[40]!.content = 'x'.repeat(250_000)
  expect(threadOf(all, all.at(-1)!)[0]!.content).toHaveLength(250_000)
})

test('API-15: threads lead through deleted messages, so deleting one moves no other message', () => {
  const written = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.boolean()), { maxLength: 12 })
  fc.assert(
    fc.property(written, (drawn) => {
      const names = drawn.map((_, index) => `m${index}`)
      const all = messages(
        ...drawn.map(([target, kind], index) => {
          if (index === 0 || kind > 1) return names[index]!
          return `${names[index]!}${kind === 0 ? '<' : '>'}${names[target % index]!}`
        }),
      )
      const isDeleted = new Set(names.filter((_, index) => drawn[index]![2]))
      const kept = all.filter(({ id }) => !isDeleted.has(id))
      const removed = all.filter(({ id }) => isDeleted.has(id))
      for (const tip of kept) {
        const whole = branchOf(all, tip).filter(({ id }) => !isDeleted.has(id))
        expect(ids(branchOf(kept, tip, removed))).toBe(ids(whole))
        const versions = versionsOf(all, tip).filter(({ id }) => !isDeleted.has(id))
        expect(ids(versionsOf(kept, tip, removed))).toBe(ids(versions))
      }
      // an export has no links to deleted messages
      const exported = withoutRemoved(kept, removed)
      const isRoot = ({ id }: { id: string }) => id === exported[0]?.id
      for (const [index, tip] of exported.entries()) {
        const thread = branchOf(kept, kept[index], removed)
        if (thread[0] && !versionsOf(kept, thread[0], removed).some(isRoot)) continue
        expect(ids(branchOf(exported, tip))).toBe(ids(thread))
        expect(ids(versionsOf(exported, tip))).toBe(ids(versionsOf(kept, kept[index]!, removed)))
      }
    }),
  )
})
