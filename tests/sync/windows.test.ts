// Paged lists, windows of messages, and the text that streams into them.
import { expect, test } from 'vitest'
import { SimulatedUser, type Device } from './simulated-user.ts'
import { noFaults } from './fake-wire.ts'

const say = (content: string) => ({ role: 'user' as const, content })
const said = ({ engine }: Device, id: string) =>
  engine.conversations.get(id)?.messages.map(({ content }) => content)

/** A conversation of ten messages, and a device that has its newest three open. */
async function longChat(
  user: SimulatedUser,
): Promise<{ writer: Device; reader: Device; id: string; messages: string[] }> {
  const writer = await user.device()
  const { id } = writer.engine.conversations.create({
    messages: Array.from({ length: 10 }, (_, i) => say(`${i + 1}`)),
  })
  void writer.engine.conversations.open(id)
  await user.quiet()
  const reader = await user.device()
  void reader.engine.conversations.open(id)
  await user.quiet()
  expect(said(reader, id)).toEqual(['8', '9', '10'])
  return {
    writer,
    reader,
    id,
    messages: writer.engine.conversations.get(id)!.messages.map((message) => message.id),
  }
}

async function settled(user: SimulatedUser, promise: Promise<unknown>): Promise<void> {
  let done = false
  void promise.then(() => (done = true))
  await user.time.until(() => done)
}

test('older messages go before the window, page by page', async () => {
  await using user = new SimulatedUser()
  const { reader, id } = await longChat(user)
  for (const first of ['5', '2', '1']) {
    expect(reader.engine.conversations.get(id)?.has_more).toBe(true)
    await settled(user, reader.engine.conversations.loadOlder(id))
    expect(said(reader, id)![0]).toBe(first)
  }
  expect(said(reader, id)).toHaveLength(10)
  expect(reader.engine.conversations.get(id)?.has_more).toBe(false)
})

test('CLIENT-3: an edit of an older message that is made while its page loads is never lost', async () => {
  for (const slow of ['response', 'change']) {
    await using user = new SimulatedUser()
    const { writer, reader, id, messages } = await longChat(user)
    reader.wire.faults = { ...noFaults, delay: (what) => (what === slow ? 500 : 5) }
    const older = reader.engine.conversations.loadOlder(id)
    if (slow === 'change') writer.engine.conversations.edit(id, messages[5]!, 'edited')
    await user.time.pass(50)
    if (slow === 'response') writer.engine.conversations.edit(id, messages[5]!, 'edited')
    await settled(user, older)
    await user.quiet()
    expect(said(reader, id), `slow ${slow}`).toEqual(['5', 'edited', '7', '8', '9', '10'])
  }
})

test('a conversation that does not exist is not found, and one in the trash can be opened', async () => {
  await using user = new SimulatedUser()
  const { writer, reader, id } = await longChat(user)
  writer.engine.conversations.delete(id)
  await user.quiet()
  const fresh = await user.device()
  await settled(user, fresh.engine.conversations.open(id))
  expect(fresh.engine.conversations.get(id)?.deleted_at).not.toBeNull()
  writer.engine.conversations.purge(id)
  await user.quiet()
  expect(reader.engine.conversations.get(id)).toBeUndefined()
  const late = await user.device()
  await settled(
    user,
    expect(late.engine.conversations.open(id)).rejects.toMatchObject({ code: 'not_found' }),
  )
})

test('a conversation that is begun offline can be read as soon as it is open, and stays so', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const { conversations } = device.engine
  device.wire.goOffline()
  const { id } = conversations.create({ messages: [say('hello')] })
  expect(conversations.get(id)?.windowed).toBe(false)
  let notices = 0
  const unsubscribe = conversations.subscribe(() => notices++)
  await settled(user, conversations.open(id))
  expect(conversations.get(id)).toMatchObject({ windowed: true, messages: [{ content: 'hello' }] })
  expect(notices).toBeGreaterThan(0)
  unsubscribe()
  device.wire.goOnline()
  await user.quiet()
  expect(conversations.get(id)).toMatchObject({
    windowed: true,
    messages: [{ content: 'hello', delivery: 'sent' }],
  })
})

test('windows of conversations closed long ago are discarded', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const { conversations } = device.engine
  const ids = Array.from(
    { length: 25 },
    () => conversations.create({ messages: [say('hello')] }).id,
  )
  for (const id of ids) void conversations.open(id)
  await user.quiet()
  for (const id of ids) conversations.close(id)
  const windowed = ids.filter((id) => conversations.get(id)?.windowed)
  expect(windowed).toEqual(ids.slice(5))
  expect(ids.map((id) => conversations.get(id)?.messages.length)).toEqual([
    ...Array(5).fill(0),
    ...Array(20).fill(1),
  ])
})

test('lists are read page by page and stay live', async () => {
  await using user = new SimulatedUser()
  const writer = await user.device()
  for (let i = 0; i < 7; i++) writer.engine.conversations.create({ title: `${i}` })
  await user.quiet()
  const reader = await user.device()
  const titles = () => reader.engine.conversations.list('active').items.map(({ title }) => title)
  expect(titles()).toHaveLength(3)
  await settled(user, reader.engine.conversations.loadMore('active'))
  await settled(user, reader.engine.conversations.loadMore('active'))
  expect(titles()).toHaveLength(7)
  expect(reader.engine.conversations.list('active').more).toBe(false)
  const [last] = reader.engine.conversations.list('active').items.slice(-1)
  writer.engine.conversations.archive(last!.id, true)
  await user.quiet()
  expect(titles()).toHaveLength(6)
  expect(reader.engine.conversations.list('archived').items.map(({ id }) => id)).toEqual([last!.id])
})

test('a snapshot stays the same object while nothing changes, and so do messages at rest', async () => {
  await using user = new SimulatedUser()
  const { writer, reader, id } = await longChat(user)
  const before = reader.engine.conversations.get(id)!
  await user.time.pass(60_000)
  expect(reader.engine.conversations.get(id)).toBe(before)
  expect(reader.engine.conversations.list('active')).toBe(
    reader.engine.conversations.list('active'),
  )
  writer.engine.conversations.append(id, say('11'))
  await user.quiet()
  const after = reader.engine.conversations.get(id)!
  expect(after).not.toBe(before)
  expect(after.messages[0]).toBe(before.messages[0])
})

test('streamed text shows up to its first gap, and durable text replaces it', async () => {
  await using user = new SimulatedUser()
  const { reader, id } = await longChat(user)
  const { server } = user
  const now = new Date(user.time.now()).toISOString()
  const reply = {
    id: 'reply',
    role: 'assistant',
    content: '',
    position: 11,
    version: 1,
    status: 'streaming',
  }
  const messages = [{ ...reply, replaces: null, metadata: {}, created_at: now, updated_at: now }]
  const updated = { messages, message_count: 11, preview: '', updated_at: now }
  server.append('conversations', { op: 'updated', entity_id: id, version: 2, data: updated })
  const delta = (offset: number, text: string) =>
    server.emit('conversations', 'delta', {
      entity_id: id,
      message_id: 'reply',
      run_id: 'run',
      offset,
      text,
    })
  const shown = async () => {
    await user.time.pass(100)
    return said(reader, id)!.at(-1)
  }
  delta(0, 'one ')
  expect(await shown()).toBe('one ')
  delta(8, 'three ')
  expect(await shown()).toBe('one ')
  delta(4, 'two ')
  delta(4, 'two ')
  expect(await shown()).toBe('one two three ')
  const extended = { message_id: 'reply', run_id: 'run', offset: 0, text: 'one two ' }
  server.append('conversations', { op: 'extended', entity_id: id, version: 3, data: extended })
  expect(await shown()).toBe('one two three ')
  const rest = { message_id: 'reply', run_id: 'run', offset: 8, text: 'three four' }
  server.append('conversations', { op: 'extended', entity_id: id, version: 4, data: rest })
  expect(await shown()).toBe('one two three four')
  const end = { status: 'complete', length: 18, metadata: {}, preview: 'one', updated_at: now }
  const finished = { message_id: 'reply', run_id: 'run', ...end }
  server.append('conversations', { op: 'finished', entity_id: id, version: 5, data: finished })
  delta(18, ' too late')
  expect(await shown()).toBe('one two three four')
})
