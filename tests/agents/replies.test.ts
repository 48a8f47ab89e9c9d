// Replies in a conversation: started and stopped by the contract's commands, and followed by real
// devices.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Message } from '@lockstep/protocol/message'
import type { Part } from '@lockstep/protocol/parts'
import type { Delta } from '@lockstep/protocol/sync'
import { Follower, storedState } from '../harness/follower.ts'
import { atBest, eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes(1, {
  options: { agents: { demo: { tokensPerSecond: 300 }, timings: { durableMs: 250 } } },
})

/** A person with a conversation of these user messages, and a device that follows it. */
async function asking(...said: string[]) {
  const person = await signUp(shared.node)
  const messages = said.map((content) => ({ role: 'user' as const, content }))
  const { id } = await person.ask('createConversation', { body: { messages } })
  const device = await person.device('conversations')
  return { person, id, device, [Symbol.asyncDispose]: () => device[Symbol.asyncDispose]() }
}

const read = async (person: Person, id: string) =>
  (await person.ask('getConversation', { params: { id } })).messages
const last = async (person: Person, id: string): Promise<Message> =>
  (await read(person, id)).at(-1)!
const over = (person: Person, id: string) =>
  eventually(
    async () => {
      const message = await last(person, id)
      return message.role === 'assistant' && message.status !== 'streaming' && message
    },
    { within: 30_000 },
  )

test.concurrent(
  'a reply is a message that streams, grows and is complete on every device',
  async () => {
    await using asked = await asking('/demo rate 150 think 0.1')
    const { person, id, device } = asked
    await using phone = await Follower.start(await person.signIn(), 'conversations')
    const { data, seq } = await device.done<{ message_count: number; preview: string }>('reply', {
      conversation_id: id,
    })
    expect(data).toMatchObject({ message_count: 2, preview: '' })
    const started = await device.until('change', (change) => change.seq === seq)
    expect(started.data).toMatchObject({
      messages: [
        {
          role: 'assistant',
          content: '',
          status: 'streaming',
          metadata: { agent: 'demo', model: 'demo' },
        },
      ],
    })
    await device.until('change', ({ op }) => op === 'finished')
    const message = await last(person, id)
    expect(message).toMatchObject({
      status: 'complete',
      position: 2,
      metadata: { thinking_ms: expect.any(Number) },
    })
    expect(message.content).toContain('demo agent')

    const pieces = device.changes
      .filter(({ op }) => op === 'extended')
      .map(({ data }) => (data as { text: string }).text)
    expect(pieces.join('')).toBe(message.content)
    expect(pieces.length).toBeGreaterThan(1)
    const finished = device.changes.at(-1)!
    expect(finished.data).toMatchObject({
      status: 'complete',
      length: message.content.length,
      preview: message.content.slice(0, 140),
    })
    await phone.caughtUp()
    expect(phone.state).toEqual(await storedState(person, 'conversations'))
  },
)

test.concurrent(
  'between the durable pieces the text is shown, each piece where it belongs',
  async () => {
    await using asked = await asking('/demo rate 120 silent')
    const { person, id, device } = asked
    await device.done('reply', { conversation_id: id })
    const { content, id: message_id } = await over(person, id)
    const deltas = device.inbox.received.flatMap(({ event, payload }) =>
      event === 'delta' ? [payload as Delta] : [],
    )
    expect(deltas.length).toBeGreaterThan(4)
    for (const { entity_id, offset, text, ...delta } of deltas) {
      expect({ entity_id, message_id: delta.message_id }).toEqual({ entity_id: id, message_id })
      expect(content.slice(offset, offset + text.length)).toBe(text)
    }
    expect(deltas.map(({ text }) => text).join('')).toBe(content)
  },
)

test.concurrent('a device that joins in the middle or was away holds the same text', async () => {
  await using asked = await asking('/demo long rate 4000 silent')
  const { person, id, device } = asked
  await using sleeper = await Follower.start(person, 'conversations')
  await device.done('reply', { conversation_id: id })
  await device.until('change', ({ op }) => op === 'extended')
  await sleeper.leave()
  await using late = await Follower.start(person, 'conversations')
  await over(person, id)
  await sleeper.join()
  const expected = await storedState(person, 'conversations')
  for (const follower of [late, sleeper]) {
    await follower.caughtUp()
    expect(follower.state).toEqual(expected)
  }
})

test.concurrent(
  'two devices that ask at the same moment get one reply and one clear refusal',
  async () => {
    await using asked = await asking('/demo rate 50')
    const { person, id, device } = asked
    await using other = await person.device('conversations')
    const acks = await Promise.all(
      [device, other].map((each) => each.command('reply', { conversation_id: id })),
    )
    expect(acks.filter(({ ok }) => ok)).toHaveLength(1)
    expect(acks.find(({ ok }) => !ok)).toMatchObject({
      error: { code: 'already_replying', status: 409 },
    })
    expect((await read(person, id)).map(({ role }) => role)).toEqual(['user', 'assistant'])
  },
)

test.concurrent('a repeated command starts one reply and returns its first outcome', async () => {
  await using asked = await asking('/demo fast code')
  const { person, id, device } = asked
  const command = { conversation_id: id, mutation_id: newId() }
  const first = await device.done('reply', command)
  await over(person, id)
  const { seq, version, message_id, run_id } = first
  expect(await device.done('reply', command)).toMatchObject({ seq, version, message_id, run_id })
  expect(await read(person, id)).toMatchObject([{}, { id: message_id, metadata: { run_id } }])
})

test.concurrent('a reply has the message id that was asked for, and exists once', async () => {
  await using asked = await asking('/demo fast code', 'Again')
  const { person, id, device } = asked
  const message_id = newId()
  const { run_id } = await device.done('reply', { conversation_id: id, message_id })
  const first = { message_id, run_id }
  // a program that doesn't know whether its request arrived; the reply may be streaming or not
  expect(await device.done('reply', { conversation_id: id, message_id })).toMatchObject(first)
  await over(person, id)
  expect(await device.done('reply', { conversation_id: id, message_id })).toMatchObject(first)
  const again = { params: { id }, body: { message_id, agent: 'nobody' } }
  expect(await person.ask('startReply', again)).toEqual(first)
  expect(await read(person, id)).toHaveLength(3)
  const [{ id: question }] = (await read(person, id)) as [Message]
  expect(
    await device.refused('reply', { conversation_id: id, message_id: question }),
  ).toMatchObject({ code: 'id_taken' })
})

test.concurrent('a program without a socket starts and stops a reply', async () => {
  await using asked = await asking('/demo rate 50')
  const { person, id, device } = asked
  const key = { 'idempotency-key': newId() }
  const start = { params: { id }, body: {}, headers: key }
  const replyPath = `/conversations/${id}/reply`
  const { status, body: reply } = await person.rest('POST', replyPath, {}, key)
  expect({ status, reply }).toEqual({
    status: 202,
    reply: { message_id: expect.any(String), run_id: expect.any(String) },
  })
  expect(await person.ask('startReply', start)).toEqual(reply)
  await device.until('change', ({ op, data }) => op === 'extended' && data?.text !== '')
  const { message_id } = await person.ask('startReply', start)
  const stopped = await person.ask('stopReply', { params: { id }, body: { message_id } })
  const message = stopped.messages.at(-1)!
  expect(message).toMatchObject({ id: message_id, status: 'stopped' })
  expect(message.content).not.toBe('')
  expect(await person.ask('stopReply', { params: { id }, body: { message_id } })).toEqual(stopped)
  const unknown = { message_id: newId() }
  expect(await person.rest('POST', `/conversations/${id}/stop`, unknown)).toMatchObject({
    status: 404,
  })
  expect(await person.rest('POST', replyPath, {}, { 'if-match': '1' })).toMatchObject({
    status: 409,
    body: { code: 'version_conflict', current: { id, version: stopped.version } },
  })
})

test.concurrent('a reply needs a live conversation and an existing agent', async () => {
  await using asked = await asking('Hi')
  const { person, id, device } = asked
  expect(await device.refused('reply', { conversation_id: newId() })).toMatchObject({
    code: 'not_found',
  })
  expect(await device.refused('reply', { conversation_id: id, agent: 'nobody' })).toMatchObject({
    code: 'invalid',
    issues: [{ path: 'agent' }],
  })
  const [{ id: question }] = (await read(person, id)) as [Message]
  for (const replaces of [question, newId()])
    expect(await device.refused('reply', { conversation_id: id, replaces })).toMatchObject({
      code: 'invalid',
    })
  await device.done('delete', { conversation_id: id })
  expect(await device.refused('reply', { conversation_id: id })).toMatchObject({
    code: 'not_found',
  })
})

test.concurrent(
  'at most five replies at once; a place is free again when one has ended',
  async () => {
    await using asked = await asking('/demo hang silent')
    const { person, device } = asked
    const ids: string[] = []
    for (let n = 0; n < 6; n++) {
      const body = { messages: [{ role: 'user' as const, content: '/demo hang silent' }] }
      ids.push((await person.ask('createConversation', { body })).id)
    }
    for (const id of ids.slice(0, 5)) await device.done('reply', { conversation_id: id })
    const sixth = { conversation_id: ids[5], mutation_id: newId() }
    expect(await device.refused('reply', sixth)).toMatchObject({
      code: 'rate_limited',
      retry_after_ms: 5_000,
    })
    await device.done('stop', {
      conversation_id: ids[0],
      message_id: (await last(person, ids[0]!)).id,
    })
    await eventually(async () => (await device.command('reply', sixth)).ok)
  },
)

test.concurrent(
  'devices see at once that the model thinks, and a stop keeps what it thought',
  async () => {
    await using asked = await asking('/demo think 60')
    const { person, id, device } = asked
    await device.done('reply', { conversation_id: id })
    const { message_id, ...shown } = await device.next('delta')
    expect(shown).toEqual({
      entity_id: id,
      run_id: expect.any(String),
      offset: 0,
      text: '',
      thinking_ms: 0,
    })
    await device.until(
      'delta',
      ({ part_id, text, thinking_ms = 0 }) => part_id === undefined && !text && thinking_ms > 500,
    )
    let seen = ''
    for (const { part_id, offset, text } of device.inbox.all<Delta>('delta')) {
      if (part_id === undefined) continue
      expect({ part_id, offset }).toEqual({ part_id: 'reasoning', offset: seen.length })
      seen += text
    }
    await device.done('stop', { conversation_id: id, message_id })
    const { content, metadata, parts } = await last(person, id)
    expect(content).toBe('')
    const [{ text, ms }] = parts as [Extract<Part, { type: 'reasoning' }>]
    expect({ thinking: text, thinking_ms: ms }).toEqual({
      thinking: metadata.thinking,
      thinking_ms: metadata.thinking_ms,
    })
    expect(text.startsWith(seen)).toBe(true)
    expect(seen).toMatch(/^They/)
    expect(metadata).toMatchObject({
      agent: 'demo',
      thinking: expect.stringMatching(/^They wrote/),
    })
    expect(metadata.thinking_ms).toBeGreaterThan(500)
  },
)

test.concurrent(
  'a reply that is stopped from another device keeps all text that was shown',
  async () => {
    const took = await atBest(500, async () => {
      await using asked = await asking('/demo long rate 100 silent')
      const { person, id, device } = asked
      await using other = await (await person.signIn()).device('conversations')
      await device.done('reply', { conversation_id: id })
      await device.until('delta', ({ offset }) => offset > 200)
      const { id: message_id } = await last(person, id)
      const began = performance.now()
      const { seq } = await other.done('stop', { conversation_id: id, message_id })
      const finished = await device.until('change', (change) => change.seq === seq)
      const ms = performance.now() - began
      expect(finished).toMatchObject({
        op: 'finished',
        data: { status: 'stopped' },
        actor: { session_id: expect.any(String) },
      })
      const { content, status } = await last(person, id)
      expect(status).toBe('stopped')
      const shown = device.inbox.received.flatMap(({ event, payload }) =>
        event === 'delta' ? [payload as Delta] : [],
      )
      expect(shown.map(({ text }) => text).join('')).toBe(content)
      const again = await device.done('stop', { conversation_id: id, message_id })
      expect(again.version).toBe((await person.ask('getConversation', { params: { id } })).version)
      const unknown = { conversation_id: id, message_id: newId() }
      expect(await device.refused('stop', unknown)).toMatchObject({ code: 'not_found' })
      return ms
    })
    expect(took).toBeLessThan(500)
  },
)

test.concurrent('moving a conversation to the trash ends its reply', async () => {
  await using asked = await asking('/demo long rate 100 silent')
  const { person, id, device } = asked
  await device.done('reply', { conversation_id: id })
  await device.until('change', ({ op }) => op === 'extended')
  await device.done('delete', { conversation_id: id })
  await device.until('change', ({ op }) => op === 'finished')
  const { messages } = await person.ask('getConversation', {
    params: { id },
    query: { state: 'trash' },
  })
  expect(messages.at(-1)).toMatchObject({ status: 'stopped' })
  await device.done('restore', { conversation_id: id })
  await device.done('reply', { conversation_id: id })
})

test.concurrent('a purge ends a reply and leaves no trace of it', async () => {
  await using asked = await asking('/demo long rate 100 silent')
  const { person, id, device } = asked
  await device.done('reply', { conversation_id: id })
  await device.until('change', ({ op }) => op === 'extended')
  const { seq } = await device.done('purge', { conversation_id: id })
  const body = { messages: [{ role: 'user' as const, content: '/demo fast code' }] }
  const other = await person.ask('createConversation', { body })
  await device.done('reply', { conversation_id: other.id })
  await over(person, other.id)
  expect(device.changes.filter((change) => change.entity_id === id && change.seq > seq)).toEqual([])
})

test.concurrent('nobody can edit a streaming message', async () => {
  await using asked = await asking('/demo hang silent')
  const { person, id, device } = asked
  await device.done('reply', { conversation_id: id })
  const { id: message_id } = await last(person, id)
  const messages = [{ id: message_id, role: 'assistant' as const, content: 'Mine' }]
  await person.ask('putConversation', { params: { id }, body: { messages } })
  expect(await last(person, id)).toMatchObject({ status: 'streaming' })
  expect((await last(person, id)).content).not.toBe('Mine')
})

test.concurrent(
  'when the provider fails, the message fails with its text and a reason',
  async () => {
    await using asked = await asking('/demo fail silent fast')
    const { person, id, device } = asked
    await device.done('reply', { conversation_id: id })
    const message = await over(person, id)
    expect(message).toMatchObject({
      status: 'failed',
      metadata: { reason_code: 'demo', reason: expect.any(String) },
    })
    expect(message.content).not.toBe('')
    const retry = await device.done('reply', { conversation_id: id, replaces: message.id })
    expect(retry.data).toMatchObject({ message_count: 3 })
    expect(await last(person, id)).toMatchObject({ replaces: message.id })
  },
)

test.concurrent(
  'new messages may come while a reply streams; the preview stays the newest message’s',
  async () => {
    await using asked = await asking('/demo code rate 100 silent')
    const { person, id, device } = asked
    await device.done('reply', { conversation_id: id })
    await device.done('append', {
      conversation_id: id,
      message: { role: 'user', content: 'One more thing' },
    })
    await device.until('change', ({ op }) => op === 'finished')
    const { preview, messages } = await person.ask('getConversation', { params: { id } })
    expect(preview).toBe('One more thing')
    expect(messages.map(({ status }) => status)).toEqual(['complete', 'complete', 'complete'])
  },
)
