// Whatever arrives over a socket, the server stays up, changes nothing and continues to serve
// others.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import type { Device } from '../harness/device.ts'
import { signUp, type Person } from '../harness/person.ts'
import { RawSocket } from '../harness/raw-socket.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let eve: Person
let alice: Person
let witness: Device
let before: number
/** Any command of eve's that was executed would move her head. */
const head = async () => (await eve.ask('listConversations')).seq
beforeAll(async () => {
  eve = await signUp(shared.node, 'eve')
  alice = await signUp(shared.node, 'alice')
  await eve.ask('createConversation', { body: { title: 'Untouched' } })
  before = await head()
  witness = await alice.device('conversations')
})
afterAll(() => witness.close())
afterEach(async () => {
  await witness.done('create', { title: 'Still served' })
  expect(await head()).toBe(before)
})

describe('an event', () => {
  test.each([
    'unknown',
    'sync',
    'change',
    'head',
    'message',
    '__proto__',
    'constructor',
    'toString',
    '',
  ])('that is not defined is invalid: %s', async (event) => {
    await using device = await eve.device('conversations')
    const ack = await device.send(event, { mutation_id: newId() })
    expect(ack).toMatchObject({ ok: false, error: { code: 'invalid', status: 422 } })
    expect(device.connected).toBe(true)
  })

  test('of another topic is invalid', async () => {
    await using device = await eve.device('preferences')
    for (const name of ['create', 'append', 'revoke', 'viewing'])
      expect(await device.refused(name, {})).toMatchObject({ code: 'invalid' })
  })

  test('without an ack, or with an ack that is not a function, executes nothing', async () => {
    await using device = await eve.device('conversations')
    const payload = () => ({ mutation_id: newId(), title: 'Nobody asked' })
    device.socket.emit('create', payload())
    device.socket.emit('create', payload(), 'ack')
    device.socket.emit('create', payload(), { call: 'me' })
    device.socket.emit('create')
    // Frames are handled in the order in which they were sent.
    expect(await device.range(1, 1)).toMatchObject({ ok: true })
    expect(await head()).toBe(before)
  })

  test.each([
    [[]],
    [[null]],
    [['text']],
    [[5]],
    [[[]]],
    [[{}, {}]],
    [[{ mutation_id: 1 }, 'more']],
  ])('with a malformed payload is invalid: %j', async (args) => {
    await using device = await eve.device('conversations')
    expect(await device.send('create', ...args)).toMatchObject({
      ok: false,
      error: { code: 'invalid' },
    })
  })

  test('with binary attachments is invalid, wherever the attachments are', async () => {
    await using device = await eve.device('conversations')
    const bytes = new Uint8Array([1, 2, 3])
    for (const payload of [bytes, { title: bytes }, { metadata: { bytes } }, { id: bytes }])
      expect(
        await device.refused('create', payload instanceof Uint8Array ? { 0: bytes } : payload),
      ).toMatchObject({
        code: 'invalid',
      })
    expect(await device.send('create', bytes)).toMatchObject({
      ok: false,
      error: { code: 'invalid' },
    })
  })
})

describe('a frame', () => {
  const frames = [
    ['no packet', ['x']],
    ['an empty message', ['4']],
    ['an event without a name', ['42/conversations,1[]']],
    ['an event that is an object', ['42/conversations,1{}']],
    ['half an event', ['42/conversations,1["create",{']],
    ['an event that is a number', ['42/conversations,1[5,{}]']],
    ['a reserved event', ['42/conversations,1["disconnect"]']],
    ['another reserved event', ['42/conversations,1["connect_error",{}]']],
    ['a reserved event with an ack', ['42/conversations,1["newListener",{}]']],
    ['an answer to nothing', ['43/conversations,77[{}]']],
    ['an error of the client', ['44/conversations,{"message":"x"}']],
    ['a packet of no type', ['49/conversations,[]']],
    [
      'attachments that never come',
      [
        '451-/conversations,1["create",{"_placeholder":true,"num":0}]',
        '42/conversations,2["range",{}]',
      ],
    ],
    [
      'countless attachments',
      ['4599999999-/conversations,1["create",{"_placeholder":true,"num":0}]'],
    ],
    ['an attachment that was not announced', [new Uint8Array([1, 2, 3])]],
    [
      'a placeholder that points nowhere',
      ['451-/conversations,1["create",{"_placeholder":true,"num":7}]', new Uint8Array([1])],
    ],
    [
      'a placeholder that points at a prototype',
      [
        '451-/conversations,1["create",{"_placeholder":true,"num":"__proto__"}]',
        new Uint8Array([1]),
      ],
    ],
    ['a second connect', ['40/conversations,{"protocol":1}']],
    ['a connect without auth', ['40/preferences,']],
    ['a connect with auth that is none', ['40/preferences,"x"']],
    ['a connect with auth that is a list', ['40/preferences,[1]']],
    ['a connect with auth that is null', ['40/preferences,null']],
    [
      'deep nesting',
      [`42/conversations,1["create",${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}]`],
    ],
    [
      'a prototype',
      ['42/conversations,1["create",{"__proto__":{"title":"x"},"metadata":{"__proto__":{}}}]'],
    ],
    [
      'half a surrogate pair',
      [`42/conversations,1["create",{"mutation_id":"${newId()}","title":"\\ud83d"}]`],
    ],
  ] as const

  test.each(frames)('that is %s affects nobody else', async (_what, sent) => {
    using raw = await RawSocket.join(shared.node.url, eve.cookie, 'conversations')
    for (const frame of sent) raw.send(frame as string)
    await witness.done('create', { title: 'In between' })
    expect(raw.inbox.all<string>('frame').filter((frame) => frame.includes('"ok":true'))).toEqual(
      [],
    )
  })

  test('above 2 MB ends its own connection', async () => {
    using raw = await RawSocket.join(shared.node.url, eve.cookie, 'conversations')
    raw.send(`42/conversations,1["create",{"title":"${'x'.repeat(limits.frameBytes)}"}]`)
    await raw.closed
  })

  test('just below 2 MB is accepted', async () => {
    await using device = await alice.device('conversations')
    const content = 'x'.repeat(limits.messageBytes - 100)
    const messages = Array.from({ length: 7 }, () => ({ role: 'user', content }))
    expect((await device.done('create', { messages })).data).toMatchObject({ message_count: 7 })
  })
})

describe('a connection', () => {
  test('with another Engine.IO version is rejected', async () => {
    for (const query of [
      'EIO=3&transport=websocket',
      'EIO=4&transport=websocket&sid=nobody',
      'EIO=4&transport=polling',
    ]) {
      const reply = await eve.rest('GET', `/socket.io/?${query}`)
      expect(reply.status).toBeGreaterThanOrEqual(400)
      expect(reply.status).toBeLessThan(500)
    }
  })

  test('without a cookie receives nothing, however long it waits', async () => {
    using early = await RawSocket.open(shared.node.url, {})
    early.send('42/conversations,1["range",{"from":1,"to":2}]')
    using late = await RawSocket.open(shared.node.url, {})
    late.send('40/conversations,{"protocol":1}')
    late.send('42/conversations,1["range",{"from":1,"to":2}]')
    await Promise.all([early.closed, late.closed])
    const frames = [early, late].flatMap(({ inbox }) => inbox.all<string>('frame'))
    expect(frames.filter((frame) => frame.startsWith('42') || frame.startsWith('43'))).toEqual([])
  })

  test('to another path of Socket.IO is not found', async () => {
    expect((await eve.rest('GET', '/socket.io/socket.io.js')).status).toBeGreaterThanOrEqual(400)
  })
})
