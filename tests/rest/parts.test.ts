// contract.md, "Parts", as programs see them: over HTTP and sockets, through the log, the history,
// an export and an import.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Message } from '@lockstep/protocol/message'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes(1, { options: { agents: { demo: { tokensPerSecond: 300 } } } })

const parts: Message['parts'] = [
  { id: 'r', type: 'reasoning', text: 'A harbour, probably.', ms: 1_200 },
  {
    ...{ id: 'call', type: 'tool', name: 'look_up', call_id: 'c-1', state: 'done' },
    // keys that a database, its driver or a prototype would interpret
    arguments: JSON.parse('{"$where": "1", "a.b": {"__proto__": 1, "": [null]}}') as null,
    result: JSON.parse('[{"_bsontype": "ObjectId", "\\u0000": "NUL"}]') as null,
  },
  { id: 't1', type: 'text', text: 'Lisbon has ' },
  { id: 's', type: 'source', url: 'https://example.com/lisbon', title: 'Lisbon' },
  { id: 't2', type: 'text', text: 'one.' },
  { id: 'f', type: 'file', url: 'data:,map', name: 'map.txt', media_type: 'text/plain', bytes: 3 },
  { id: 'd', type: 'data-map', value: { zoom: 3 } },
]
const read = async (person: Person, id: string) =>
  (await person.ask('getConversation', { params: { id } })).messages

test('parts come back as they were written, over HTTP and sockets, with the content and the thinking that follow from them', async () => {
  const person = await signUp(shared.node)
  await using device = await Follower.start(person, 'conversations')
  const [id, answer] = [newId(), newId()]
  const messages = [
    { id: newId(), role: 'user' as const, content: 'Which city has a harbour?' },
    { id: answer, role: 'assistant' as const, parts },
  ]
  const created = await person.ask('createConversation', { body: { id, messages } })
  const [, message] = created.messages
  expect(message).toMatchObject({
    content: 'Lisbon has one.',
    metadata: { thinking: 'A harbour, probably.' },
    parts,
  })
  expect(created.messages[0]).not.toHaveProperty('parts')
  expect(created.preview).toBe('Lisbon has one.')
  expect(await read(person, id)).toEqual(created.messages)
  const { seq } = await person.ask('getConversation', { params: { id } })

  // GET → PUT changes nothing
  const { messages: again, version } = await person.ask('putConversation', {
    params: { id },
    body: { messages: created.messages },
  })
  expect({ again, version }).toEqual({ again: created.messages, version: created.version })

  const edited = await person.ask('putConversation', {
    params: { id },
    body: { messages: [{ id: answer, role: 'assistant', content: 'Porto has one.' }] },
  })
  expect(edited.messages[1]!.parts!.map(({ id: part }) => part)).toEqual([
    ...['r', 'call', 't1', 's', 'f', 'd'],
  ])
  expect((await person.ask('listConversations', { query: { q: 'porto' } })).items).toHaveLength(1)

  const then = await person.ask('getConversationAt', { params: { id }, query: { seq } })
  expect(then.messages[1]!.parts).toEqual(parts)
  const back = await person.ask('rewindConversation', { params: { id }, body: { seq } })
  expect(back.messages[1]).toMatchObject({ parts, content: 'Lisbon has one.', version: 3 })
  await device.caughtUp()
  expect(device.state).toEqual(await storedState(person, 'conversations'))

  const other = await signUp(shared.node)
  const { body: data } = await person.rest('GET', '/users/me/export')
  await other.ask('importMe', { body: { source: 'lockstep', data } })
  expect((await read(other, id))[1]).toMatchObject({ parts, content: 'Lisbon has one.' })
})

test('what a model thinks is a reasoning part, and devices of version 1.0 stay right', async () => {
  const person = await signUp(shared.node)
  const { id } = await person.ask('createConversation', {
    body: { messages: [{ role: 'user', content: '/demo rate 300 think 0.5' }] },
  })
  await using device = await Follower.start(person, 'conversations')
  await using old = await person.device('conversations')
  await old.done('reply', { conversation_id: id })
  await old.until('change', ({ op }) => op === 'finished')
  const { content, metadata, parts = [] } = (await read(person, id)).at(-1)!
  expect(parts).toEqual([
    { id: 'reasoning', type: 'reasoning', text: metadata.thinking, ms: metadata.thinking_ms },
    { id: 'text', type: 'text', text: content },
  ])
  // it adds what it knows, and looks at nothing else
  const ops = old.changes.map(({ op, data }) => ({ op, text: data?.text }))
  const known = ops.filter(({ op }) => op === 'extended')
  expect(known.map(({ text }) => text).join('')).toBe(content)
  expect(ops.map(({ op }) => op)).toContain('part')
  await device.caughtUp()
  expect(device.state).toEqual(await storedState(person, 'conversations'))
})
