// The engine's option `store`: what a device couldn't send outlives it, and whoever begins with the
// same store sends it, once.
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Store } from '@lockstep/client'
import { noFaults } from './fake-wire.ts'
import { SimulatedUser, type Device } from './simulated-user.ts'

const say = (content: string) => ({ role: 'user' as const, content })
const titles = ({ engine }: Device) =>
  engine.conversations.list('active').items.map(({ title }) => title)
/** The page closes. */
async function end(device: Device): Promise<void> {
  await device.engine.stop()
  device.wire.goOffline()
}

test('without a store nothing is kept: a command that was not sent ends with its engine', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.goOffline()
  const { outcome } = device.engine.conversations.create({ title: 'lost' })
  await end(device)
  expect(await outcome).toEqual({ ok: false, reason: 'dropped' })
  await user.device()
  await user.quiet()
  expect(user.server.head('conversations').seq).toBe(0)
})

test('commands of every topic that could not be sent are sent by the next engine, in order', async () => {
  await using user = new SimulatedUser()
  const store = new Map([['another program’s', 'text']])
  const device = await user.device({ store })
  const { conversations, preferences, account } = device.engine
  const { id } = conversations.create({ title: 'first' })
  void conversations.open(id)
  await user.quiet()
  expect([...store.keys()]).toEqual(['another program’s'])

  device.wire.goOffline()
  const other = newId()
  user.server.signIn(other)
  for (const content of ['one', 'two', 'three']) conversations.append(id, say(content))
  const [first] = conversations.get(id)!.messages
  conversations.edit(id, first!.id, 'ONE')
  conversations.rename(id, 'renamed')
  const created = conversations.create({ title: 'second', messages: [say('hello')] })
  preferences.update({ theme: 'dark' })
  account.revoke(other)
  expect(device.engine.unsent).toBe(8)
  await end(device)
  expect(store.size).toBe(9)

  const next = await user.device({ store })
  void next.engine.conversations.open(id)
  void next.engine.conversations.open(created.id)
  await user.quiet()
  const { messages, title } = next.engine.conversations.get(id)!
  expect(messages.map(({ content }) => content)).toEqual(['ONE', 'two', 'three'])
  expect(title).toBe('renamed')
  const second = next.engine.conversations.get(created.id)!
  expect(second.messages.map(({ content }) => content)).toEqual(['hello'])
  expect(next.engine.preferences.value).toEqual({ theme: 'dark' })
  expect(user.server.sessions.has(other)).toBe(false)
  expect([next.engine.unsent, [...store.keys()]]).toEqual([0, ['another program’s']])
})

test('what waits shows in the outbox of the next engine at once, also what the server refused', async () => {
  await using user = new SimulatedUser()
  const store = new Map<string, string>()
  const device = await user.device({ store })
  const { conversations, agents } = device.engine
  const { id } = conversations.create({ title: 'chat' })
  void conversations.open(id)
  await user.quiet()
  user.server.refuseNext = new Fault('too_large')
  const refused = conversations.append(id, say('refused'))
  await user.time.until(() => device.engine.outbox[0]?.status === 'failed')
  device.wire.goOffline()
  const [kept, gone] = ['go', 'no'].map((input) => agents.run({ agent: 'demo', input }))
  agents.stop(kept!.id)
  agents.delete(gone!.id)
  conversations.reply(id)
  await end(device)

  const next = await user.device({ store, live: false })
  next.wire.blockSockets()
  await user.begun(next.engine)
  expect(next.engine.outbox.map(({ command }) => command)).toEqual([
    'append',
    'reply',
    'run',
    'run',
    'stop',
    'delete',
  ])
  expect(next.engine.outbox[0]).toMatchObject({ message_ids: [refused.id] })
  expect(next.engine.agents.runs.items).toMatchObject([{ id: kept!.id, input: 'go' }])
  void next.engine.conversations.open(id)
  await user.time.until(() => next.engine.conversations.get(id)?.windowed === true)
  expect(next.engine.conversations.get(id)!.messages).toMatchObject([{ content: 'refused' }])
  for (const item of next.engine.outbox) item.discard()
  await user.time.until(() => store.size === 0)
})

test('a command that the server has executed without anybody hearing of it is executed once', async () => {
  await using user = new SimulatedUser()
  const store = new Map<string, string>()
  const device = await user.device({ store })
  device.wire.faults = { ...noFaults, drops: (what) => what === 'ack' || what === 'change' }
  device.engine.conversations.create({ title: 'once' })
  device.engine.preferences.update({ count: 1 })
  await user.time.until(() => user.server.head('preferences').seq === 1)
  await end(device)
  expect(store.size).toBe(2)

  const next = await user.device({ store })
  await user.quiet()
  expect(titles(next)).toEqual(['once'])
  expect(user.server.head('conversations').seq).toBe(1)
  expect(user.server.head('preferences').seq).toBe(1)
  expect(store.size).toBe(0)
})

test('two tabs share a store: each command is executed once, whoever sends it', async () => {
  await using user = new SimulatedUser()
  const store = new Map<string, string>()
  const first = await user.device({ store })
  first.wire.goOffline()
  const { id } = first.engine.conversations.create({ title: 'from the first tab' })
  await user.time.until(() => store.size === 1)
  const second = await user.device({ store })
  await user.quiet()
  expect(titles(second)).toEqual(['from the first tab'])
  first.wire.goOnline()
  first.engine.nudge()
  await user.quiet()
  expect(titles(first)).toEqual(['from the first tab'])
  expect(first.engine.conversations.get(id)!.version).toBe(1)
  expect([user.server.head('conversations').seq, store.size]).toEqual([1, 0])
})

test('a sign-out forgets what the user had not sent, and nothing of another user', async () => {
  await using user = new SimulatedUser()
  const store = new Map<string, string>([[`lockstep:${newId()}:${newId()}`, 'another user’s']])
  const device = await user.device({ store })
  device.wire.faults = { ...noFaults, drops: (what) => what === 'command' }
  device.engine.preferences.update({ secret: true })
  await user.time.until(() => store.size === 2)
  expect([...store.values()].join()).toContain('secret')
  user.server.sessions.delete(device.session_id)
  await user.time.until(() => device.engine.state.name === 'signed-out')
  await user.time.until(() => store.size === 1)
  expect([...store.values()]).toEqual(['another user’s'])
})

test('the README’s store keeps nothing that can be read, and gives it back', async () => {
  const readme = await readFile('clients/typescript/README.md', 'utf8')
  const [, code = ''] = /\n(function encryptedStore[\s\S]*?\n})\n/.exec(readme)!
  const source = `data:text/javascript,${encodeURIComponent(`export ${code}`)}`
  const { encryptedStore } = (await import(source)) as {
    encryptedStore(storage: object, key: CryptoKey): Store
  }
  const kept = new Map([['theme', 'dark']])
  const storage = {
    get length() {
      return kept.size
    },
    key: (index: number) => [...kept.keys()][index],
    getItem: (name: string) => kept.get(name),
    setItem: (name: string, text: string) => kept.set(name, text),
    removeItem: (name: string) => kept.delete(name),
  }
  const algorithm = { name: 'AES-GCM', length: 256 }
  const key = await crypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt'])

  await using user = new SimulatedUser()
  const device = await user.device({ store: encryptedStore(storage, key) })
  device.wire.goOffline()
  device.engine.conversations.create({ title: 'a secret' })
  await end(device)
  expect(kept.size).toBe(2)
  expect([...kept.values()].join()).not.toContain('secret')
  const next = await user.device({ store: encryptedStore(storage, key) })
  await user.quiet()
  expect(titles(next)).toEqual(['a secret'])
  await next.engine.stop()
  expect([...kept.keys()]).toEqual(['theme'])
})

const broken = (): never => {
  throw new Error('The disk is full')
}
const stores: Record<string, Store> = {
  'can’t be read or written': { entries: broken, set: broken, delete: broken },
  rejects: {
    entries: () => Promise.reject(new Error('locked')),
    set: () => Promise.reject(new Error('locked')),
    delete: () => Promise.reject(new Error('locked')),
  },
}
test.each(Object.keys(stores))('a store that %s keeps nobody from working', async (which) => {
  await using user = new SimulatedUser()
  const device = await user.device({ store: stores[which]! })
  device.engine.conversations.create({ title: 'written' })
  await user.quiet()
  expect(titles(device)).toEqual(['written'])
})
