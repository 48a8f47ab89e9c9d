// A node keeps the states of entities in use. Whatever it answers from them must be what a node
// answers that has just started.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { EntityCache } from '../../realtime/log/state/entity-cache.ts'
import type { TopicHead } from '../../realtime/log/head-cache.ts'
import { by, createLogFixture, type LogFixture, type LogNode } from './log-fixture.ts'

let fixture: LogFixture
beforeAll(async () => {
  fixture = await createLogFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())

type Deed = { do: 'append' | 'again' | 'edit' | 'version' | 'rename' | 'trash'; at: number }
const deed = fc.record<Deed>({
  do: fc.constantFrom('append', 'append', 'again', 'edit', 'version', 'rename', 'trash'),
  at: fc.nat(9),
})
const step = fc.record({
  deed,
  byOther: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
  newest: fc.constantFrom(0, 1, 3, 100),
  read: fc.boolean(),
})

/** Does a deed to the conversation, and checks the answer against a node that has just started. */
async function play(
  { conversations }: LogNode,
  user: string,
  id: string,
  { deed, newest }: { deed: Deed; newest: number },
  messages: string[],
): Promise<void> {
  const one = { conversation_id: id }
  const known = messages[deed.at % messages.length]
  const said = (content: string) => ({ role: 'user' as const, content })
  const change = () => {
    switch (deed.do) {
      case 'append': {
        const message = { id: newId(), ...said(`text ${messages.length}`) }
        messages.push(message.id)
        return conversations.change('append', by(user), { ...one, message }, { newest })
      }
      case 'again':
        return conversations.change(
          'append',
          by(user),
          { ...one, message: { id: known, ...said('ignored') } },
          { newest },
        )
      case 'edit':
      case 'version': {
        const version = deed.do === 'version' ? { replaces: known } : { id: known }
        if (deed.do === 'version') messages.push(newId())
        const named = deed.do === 'version' ? { id: messages.at(-1), ...version } : version
        const edited = [{ ...named, ...said(`edit ${deed.at}`) }]
        return conversations.change('update', by(user), { ...one, messages: edited }, { newest })
      }
      case 'rename':
        return conversations.change(
          'update',
          by(user),
          { ...one, title: `t${deed.at}` },
          { newest },
        )
      case 'trash':
        return conversations.change('delete', by(user), one)
    }
  }
  const { conversation, data, changed } = await change()
  if (deed.do === 'trash') await conversations.change('restore', by(user), one)
  const fresh = await fixture.node().conversations.get(user, id, { limit: newest || 1 })
  if (conversation) expect(conversation).toEqual(fresh)
  if (changed && deed.do !== 'trash')
    expect(data).toMatchObject({ version: fresh.version, message_count: fresh.message_count })
}

test('answers from kept states are those of a node that has just started', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 4, maxLength: 20 }),
      fc.nat(12),
      async (steps, n) => {
        const [node, other] = [fixture.node(), fixture.node()]
        const user = await fixture.user()
        const [id, messages] = [newId(), Array.from({ length: n + 1 }, () => newId())]
        const first = messages.map((id) => ({ id, role: 'user' as const, content: 'first' }))
        await other.conversations.change('create', by(user), { id, messages: first })
        for (const { byOther, read, ...what } of steps) {
          await play(byOther ? other : node, user, id, what, messages)
          if (read) await node.log.projectToHead(user, 'conversations')
        }
      },
    ),
    { numRuns: 12 },
  )
})

test('kept states are bounded in bytes, and those go first that were used longest ago', () => {
  const cache = new EntityCache<string>(1_000)
  const head = { key: 'u:conversations' } as TopicHead
  for (let at = 0; at < 10; at++) cache.set(head, `${at}`, `state ${at}`, 100)
  expect(cache.get(head, '0')).toBe('state 0')
  cache.set(head, '10', 'state 10', 100)
  expect([cache.get(head, '0'), cache.get(head, '1')]).toEqual(['state 0', undefined])
  cache.set(head, 'large', 'too large', 500)
  expect([cache.get(head, 'large'), cache.get(head, '2')]).toEqual([undefined, 'state 2'])
  expect(cache.get({ ...head }, '2'), 'of another head of the topic').toBeUndefined()
  expect(cache.get(head, '2'), 'that has replaced it').toBeUndefined()
})
