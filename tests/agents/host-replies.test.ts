// Replies that a program of the host writes, over real HTTP and sockets: streamed, stopped, broken,
// resumed, and refused.
import { describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import type { Message } from '@lockstep/protocol/message'
import { reasons } from '../../realtime/agents/provider.ts'
import { freshDatabase } from '../harness/database.ts'
import { atBest, eventually } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Upload } from './upload.ts'

// No look at the log makes up for a change that a producer missed.
const timings = { durableMs: 50, hostReturnMs: 700, hostIdleMs: 8_000, silenceCheckMs: 60_000 }
const shared = sharedNodes(2, { options: { agents: { timings } } })

/** The contract's limit for a stop, and ours for the time from when devices hear of it (ms). */
const [PROMISED, AT_ONCE] = [2_000, 1_000]

/** A person with a conversation, whose question a program answers. */
async function asking() {
  const person = await signUp(shared.node)
  const { id } = await person.ask('createConversation', {
    body: { messages: [{ role: 'user', content: 'Question' }] },
  })
  return { person, id }
}
const reply = async (person: Person, id: string): Promise<Message | undefined> =>
  (await person.ask('getConversation', { params: { id } })).messages.find(
    ({ role }) => role === 'assistant',
  )
/** Waits until the log has the reply in this state. */
const until = (person: Person, id: string, is: (message: Message) => boolean) =>
  eventually(async () => {
    const message = await reply(person, id)
    return message !== undefined && is(message) && message
  })

test.concurrent(
  'PRODUCE-6: a reply grows on every device while a program writes it, and has all its parts',
  async () => {
    const { person, id } = await asking()
    await using phone = await Follower.start(await person.signIn(), 'conversations')
    const message_id = newId()
    const upload = new Upload(person, id, { message_id, agent: 'my agent', model: 'm-1' })
    const call = { id: 'call', type: 'tool', name: 'search', call_id: 'c1', arguments: { q: 'x' } }
    upload.send(
      { thinking: 'Let me see' },
      { part: { ...call, state: 'calling' } },
      { text: 'Hello' },
    )
    await until(person, id, ({ content, status }) => content === 'Hello' && status === 'streaming')
    upload.send(
      { part: { ...call, state: 'done', result: { 'a.b': 1 } } },
      { part: { id: 's', type: 'source', url: 'https://example.org' } },
      { metadata: { cost: 3, gone: 1, run_id: 'mine', thinking: 'other', thinking_ms: 'x' } },
      { metadata: { gone: null } },
      { text: ', wörld 🎈' },
    )
    await until(person, id, ({ content }) => content === 'Hello, wörld 🎈')
    upload.send({ done: true })
    const { status, body } = await upload.answer
    expect({ status, body }).toEqual({
      status: 200,
      body: { message_id, run_id: expect.any(String), status: 'complete', length: 15 },
    })
    const message = await reply(person, id)
    expect(message).toMatchObject({
      id: message_id,
      status: 'complete',
      content: 'Hello, wörld 🎈',
      metadata: {
        run_id: body.run_id,
        agent: 'my agent',
        model: 'm-1',
        cost: 3,
        thinking: 'Let me see',
      },
    })
    expect(message!.metadata).not.toHaveProperty('gone')
    expect(message!.parts).toMatchObject([
      { type: 'reasoning', text: 'Let me see' },
      { id: 'call', state: 'done', result: { 'a.b': 1 } },
      { type: 'text', text: 'Hello' },
      { id: 's' },
      { type: 'text', text: ', wörld 🎈' },
    ])
    await phone.caughtUp()
    expect(phone.state).toEqual(await storedState(person, 'conversations'))
    // the same request again, with any body: the first response
    const again = new Upload(person, id, { message_id, offset: 3 }).send({ text: 'ignored' })
    expect((await again.answer).body).toEqual(body)
  },
)

describe.concurrent(
  'PRODUCE-2: a reply that is stopped ends the upload once devices hear of it, and says by whom',
  () => {
    test.each(['on the same node', 'on another node', 'by the trash'])('%s', async (how) => {
      expect(await atBest(1, () => shareOfLimit(how), 5)).toBeLessThan(1)
    })

    async function shareOfLimit(how: string): Promise<number> {
      const { person, id } = await asking()
      await using phone = await person.device('conversations')
      const message_id = newId()
      const upload = new Upload(person, id, { message_id }).send({ text: 'Word ' })
      await until(person, id, ({ content }) => content === 'Word ')
      const other = await person.signIn(how.includes('another') ? shared.nodes[1]! : shared.node)
      const answered = upload.answer.then(() => performance.now())
      const began = performance.now()
      const stopped = how.includes('trash')
        ? other.ask('deleteConversation', { params: { id } })
        : other.ask('stopReply', { params: { id }, body: { message_id } })
      await phone.until('change', ({ actor }) => actor.session_id === other.session.id)
      const heard = performance.now()
      const [{ body }, end] = await Promise.all([upload.answer, answered, stopped])
      expect(body).toMatchObject({
        status: 'stopped',
        length: 5,
        stopped_by: { session_id: other.session.id, device: other.session.device },
      })
      const again = () => new Upload(person, id, { message_id }).end().answer
      if (!how.includes('trash')) expect((await again()).body).toEqual(body)
      return Math.max((end - began) / PROMISED, (end - heard) / AT_ONCE)
    }
  },
)

describe.concurrent('an upload that breaks', () => {
  test('PRODUCE-4: leaves an interrupted reply with its text, which goes on where it was, letter by letter', async () => {
    const { person, id } = await asking()
    const message_id = newId()
    const first = new Upload(person, id, { message_id })
    first.send({ thinking: 'Hm' }, { text: 'Grüße 🎈' })
    // the connection breaks in the middle of a character
    const line = Buffer.from('{"text":" und é"}\n')
    first.bytes(line.subarray(0, line.indexOf(0xc3) + 1))
    await until(person, id, ({ content }) => content === 'Grüße 🎈')
    first.kill()
    const broken = await until(person, id, ({ status }) => status === 'interrupted')
    expect(broken).toMatchObject({
      content: 'Grüße 🎈',
      metadata: { reason_code: 'host_gone', reason: reasons.host_gone, thinking: 'Hm' },
    })
    // too far: nothing changes
    const beyond = new Upload(person, id, { message_id, offset: 9 }).send({ text: 'x' })
    expect(await beyond.answer).toMatchObject({ status: 422, body: { code: 'invalid' } })
    expect(await reply(person, id)).toEqual(broken)
    // everything again from the beginning
    const second = new Upload(person, id, { message_id })
    second.send({ thinking: 'Hm' }, { text: 'Grüße 🎈 und é' }, { done: true })
    const { body } = await second.answer
    expect(body).toMatchObject({ status: 'complete', length: 14, message_id })
    const message = await reply(person, id)
    expect(message).toMatchObject({
      status: 'complete',
      content: 'Grüße 🎈 und é',
      metadata: { thinking: 'Hm', run_id: body.run_id },
    })
    expect(message!.metadata).not.toHaveProperty('reason')
  })

  test('PRODUCE-5: goes on at once, on the same node or another, and the former upload writes nothing more', async () => {
    const { person, id } = await asking()
    const key = { 'idempotency-key': newId() }
    const first = new Upload(person, id, { headers: key }).send({ text: 'One ' })
    const { id: message_id } = await until(person, id, ({ content }) => content === 'One ')
    const second = new Upload(person, id, { headers: key, offset: 2 }).send({ text: 'e two ' })
    await until(person, id, ({ content }) => content === 'One two ')
    first.send({ text: 'late' })
    const third = new Upload(person.at(shared.nodes[1]!), id, { headers: key, offset: 8 })
    third.send({ text: 'three' }, { done: true })
    expect((await third.answer).body).toMatchObject({ message_id, status: 'complete', length: 13 })
    expect(await reply(person, id)).toMatchObject({ content: 'One two three', status: 'complete' })
    // whoever was overtaken learns how the reply ended, or that it goes on elsewhere
    for (const { answer } of [first, second]) expect([200, 409]).toContain((await answer).status)
  })

  test('PRODUCE-3: may also be a body without its end, or silence', async () => {
    const [ended, silent] = await Promise.all([asking(), asking()])
    const one = new Upload(ended.person, ended.id).send({ text: 'Half' }).end()
    const two = new Upload(silent.person, silent.id).send({ text: 'Half' })
    expect((await one.answer).body).toMatchObject({ status: 'interrupted', length: 4 })
    expect((await two.answer).body).toMatchObject({ status: 'interrupted', length: 4 })
    expect(await reply(silent.person, silent.id)).toMatchObject({
      metadata: { reason_code: 'host_silent', reason: reasons.host_silent },
    })
    two.kill()
  })
})

test.concurrent('a slow program holds its reply: empty lines say that it is there', async () => {
  const { person, id } = await asking()
  const upload = new Upload(person, id)
  for (const letter of 'slow') {
    upload.bytes('\n').send({ text: letter })
    await until(person, id, ({ content }) => content.endsWith(letter))
  }
  upload.send({ failed: 'The tool broke' })
  expect((await upload.answer).body).toMatchObject({ status: 'failed', length: 4 })
  expect(await reply(person, id)).toMatchObject({
    status: 'failed',
    content: 'slow',
    metadata: { reason: 'The tool broke' },
  })
})

const half = 'x'.repeat(limits.messageBytes / 2)
const large = (id: string) =>
  `{"part":{"id":"${id}","type":"data-large","value":"${'x'.repeat(limits.partsBytes / 2)}"}}\n`
test.concurrent.each<[string, string | Uint8Array, number]>([
  ['no JSON', 'nonsense\n', 400],
  ['no UTF-8', Buffer.from([0x22, 0xff, 0x22, 0x0a]), 400],
  ['no object', '[]\n', 422],
  ['two keys', '{"text":"a","done":true}\n', 422],
  ['an unknown key', '{"note":1}\n', 422],
  ['a lone surrogate', '{"text":"\\ud83d"}\n', 422],
  ['a false end', '{"done":false}\n', 422],
  ['a part without its fields', '{"part":{"id":"x","type":"tool"}}\n', 422],
  ['a part that changes text', '{"part":{"id":"text","type":"text","text":"other"}}\n', 422],
  ['metadata with a reserved key', '{"metadata":{"$set":1}}\n', 422],
  ['too much text', `{"text":"${half}"}\n{"text":"${half}"}\n`, 413],
  ['too much thinking', `{"thinking":"${half}"}\n{"thinking":"${half}x"}\n`, 413],
  ['too much metadata', `{"metadata":{"x":"${half}"}}\n`, 413],
  ['too many bytes of parts', large('a') + large('b'), 413],
  ['more bytes than a line may have', Buffer.alloc(limits.bodyBytes + 10, 'x'), 413],
])(
  'PRODUCE-1: a line with %s ends the reply as failed, and what came before stays',
  async (_what, bytes, status) => {
    const { person, id } = await asking()
    const upload = new Upload(person, id).send({ text: 'Kept' }).bytes(bytes)
    expect(await upload.answer).toMatchObject({
      status,
      body: { code: status === 413 ? 'too_large' : 'invalid' },
    })
    const message = await reply(person, id)
    expect(message).toMatchObject({ status: 'failed', metadata: { reason: expect.any(String) } })
    expect(message!.content.startsWith('Kept')).toBe(true)
    upload.kill()
  },
)

test.concurrent('what can’t be begun is refused before anything is written', async () => {
  const { person, id } = await asking()
  const { messages } = await person.ask('getConversation', { params: { id } })
  const { token } = await person.ask('createToken', { body: { name: 'R', scopes: ['read'] } })
  const reading = { cookie: '', authorization: `Bearer ${token}` }
  const refusals: [Upload, number, string][] = [
    [new Upload(person, id, { headers: reading }), 403, 'forbidden_scope'],
    [new Upload(person, newId()), 404, 'not_found'],
    [new Upload(person, id, { message_id: messages[0]!.id }), 409, 'id_taken'],
    [new Upload(person, id, { offset: 1 }), 422, 'invalid'],
    [new Upload(person, id, { headers: { 'content-type': 'application/json' } }), 415, 'invalid'],
    [new Upload(person, id, { headers: { cookie: '' } }), 401, 'unauthenticated'],
  ]
  for (const [upload, status, code] of refusals) {
    upload.send({ text: 'x' })
    expect(await upload.answer).toMatchObject({ status, body: { code } })
    upload.kill()
  }
  const running = new Upload(person, id).send({ text: 'First' })
  await until(person, id, ({ content }) => content === 'First')
  const other = new Upload(person, id).send({ text: 'x' })
  expect(await other.answer).toMatchObject({ status: 409, body: { code: 'already_replying' } })
  running.send({ done: true })
  expect((await running.answer).body).toMatchObject({ status: 'complete', length: 5 })
  expect((await person.ask('getConversation', { params: { id } })).message_count).toBe(2)
})

test.concurrent.each(['a sign-out', 'the end of a token'])(
  'PRODUCE-7: %s cuts an upload within a second, and the reply stays',
  async (what) => {
    const { person, id } = await asking()
    const other = await person.signIn()
    const { id: tokenId, token } = await person.ask('createToken', { body: { name: 'Agent' } })
    const isToken = what.includes('token')
    const headers: Record<string, string> = isToken
      ? { cookie: '', authorization: `Bearer ${token}` }
      : {}
    const upload = new Upload(other, id, { headers }).send({ text: 'Mine' })
    await until(person, id, ({ content }) => content === 'Mine')
    if (isToken) await person.ask('deleteToken', { params: { id: tokenId } })
    else await other.ask('logout')
    await expect(upload.answer).rejects.toThrow()
    await until(person, id, ({ status, content }) => status === 'interrupted' && content === 'Mine')
  },
)

test.concurrent('the same over the socket: batches that say where they go on', async () => {
  const { person, id } = await asking()
  await using device = await person.device('conversations')
  const message_id = newId()
  const start = { conversation_id: id, message_id, agent: 'mine' }
  const send = (offset: number, pieces: object[], mutation_id = newId()) =>
    device.send('produce', { ...start, offset, pieces, mutation_id })
  const first = [{ thinking: 'a' }, { text: 'One ' }]
  const mutation_id = newId()
  const ack = await send(0, first, mutation_id)
  expect(ack).toMatchObject({ ok: true, message_id, status: 'streaming', length: 4 })
  expect(await reply(person, id)).toMatchObject({ content: 'One ' })
  await send(0, first, mutation_id) // repeated, because its ack was lost
  expect(await send(4, [{ text: 'two' }])).toMatchObject({ ok: true, length: 7 })
  expect(await send(9, [])).toMatchObject({ ok: false, error: { code: 'invalid' } })
  expect(await send(7, [{ done: true }])).toMatchObject({
    ok: true,
    data: { id, message_count: 2 },
    message_id,
    status: 'complete',
    length: 7,
  })
  expect(await reply(person, id)).toMatchObject({
    content: 'One two',
    status: 'complete',
    metadata: { thinking: 'a' },
  })
})

test.concurrent(
  'PRODUCE-4: a batch that another node has taken already, before its ack was lost, is taken once',
  async () => {
    const { person, id } = await asking()
    await using first = await person.device('conversations')
    await using second = await person.at(shared.nodes[1]!).device('conversations')
    const start = { conversation_id: id, message_id: newId() }
    const isOk = (ack: unknown) => (ack as { ok: boolean }).ok
    let [offset, thinking_offset] = [0, 0]
    /**
     * Both nodes get the same command; the later one knows only what the log has. A node that was
     * overtaken asks for the command again.
     */
    const send = async (...pieces: object[]) => {
      const command = { ...start, offset, thinking_offset, pieces, mutation_id: newId() }
      for (const device of [first, second])
        await eventually(async () => isOk(await device.send('produce', command)))
      for (const piece of pieces as { text?: string; thinking?: string }[]) {
        offset += piece.text?.length ?? 0
        thinking_offset += piece.thinking?.replaceAll(' ', '').length ?? 0
      }
    }
    await send({ thinking: 'Let me' })
    await send({ thinking: ' see.' }, { thinking: ' Aha:' })
    await send(
      { thinking: ' two.' },
      { text: 'It is ' },
      { thinking: ' Or three?' },
      { text: 'two' },
    )
    await send({ part: { id: 's', type: 'source', url: 'https://example.org' } })
    await send({ thinking: 'No.' })
    const tooFar = { ...start, offset, thinking_offset: 99, pieces: [], mutation_id: newId() }
    expect(await second.send('produce', tooFar)).toMatchObject({
      ok: false,
      error: { code: 'invalid', issues: [{ path: 'thinking_offset' }] },
    })
    await send({ done: true })
    const { content, parts } = (await reply(person, id))!
    expect(content).toBe('It is two')
    expect(parts!.map((part) => ('text' in part ? part.text : part.type))).toEqual([
      ...['Let me see. Aha: two. Or three?', 'It is two', 'source', 'No.'],
    ])
  },
)

test.concurrent(
  'a node that is killed: another one goes on at once, or ends the reply',
  async () => {
    await using database = freshDatabase()
    await using other = await startNode(database)
    const node = await spawnNode(database)
    const person = await signUp(node)
    const { id } = await person.ask('createConversation', { body: {} })
    const { id: left } = await person.ask('createConversation', { body: {} })
    const message_id = newId()
    const upload = new Upload(person, id, { message_id }).send({ text: 'Before ' })
    const leftAlone = new Upload(person, left).send({ text: 'All there was' })
    await until(person, id, ({ content }) => content === 'Before ')
    await until(person, left, ({ content }) => content === 'All there was')
    node.process.signal('SIGKILL')
    await expect(upload.answer).rejects.toThrow()
    await expect(leftAlone.answer).rejects.toThrow()
    const there = person.at(other)
    const next = new Upload(there, id, { message_id, offset: 3 })
    next.send({ text: 'ore after' }, { done: true })
    expect((await next.answer).body).toMatchObject({ status: 'complete', length: 12 })
    expect(await reply(there, id)).toMatchObject({ content: 'Before after', status: 'complete' })
    const ended = await eventually(
      async () => {
        const message = await reply(there, left)
        return message?.status === 'interrupted' && message
      },
      { within: 60_000 },
    )
    const metadata = { reason_code: 'lost', reason: reasons.lost }
    expect(ended).toMatchObject({ content: 'All there was', metadata })
  },
)
