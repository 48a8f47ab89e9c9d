// Two devices that share an encrypted conversation over a server which never sees its words.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { passphraseEncryption } from '@lockstep/client/encryption'
import type { EncryptedConversations } from '@lockstep/client'
import { encryptedParts } from '@lockstep/protocol/encrypted-parts'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import type { Part } from '@lockstep/protocol/parts'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import {
  encryptText,
  openEncryption,
} from '../../clients/typescript/src/encryption/passphrase-crypto.ts'
import { eventually } from '../harness/eventually.ts'
import { SimulatedUser, type Device } from './simulated-user.ts'

const passphrase = 'a passphrase of several words'
const say = (content: string) => ({ role: 'user' as const, content })

/** Everything that devices send to the server, as text. */
function record(user: SimulatedUser): () => string {
  const { server } = user
  const seen: unknown[] = []
  const [command, get] = [server.command.bind(server), server.get.bind(server)]
  server.command = (...sent) => {
    seen.push(sent)
    return command(...sent)
  }
  server.get = (path, query, session_id) => {
    seen.push(path, `${query}`)
    return get(path, query, session_id)
  }
  return () => JSON.stringify(seen)
}

async function begin(user: SimulatedUser, device: Device, title = 'žžtitle', content = 'žžfirst') {
  const { id, outcome } = await device.engine.conversations.encrypted!.create(
    { title, messages: [say(content)], metadata: { note: 'žžnote' } },
    { passphrase },
  )
  await done(user, outcome)
  return id
}
const texts = ({ engine }: Device, id: string) =>
  engine.conversations.get(id)?.messages.map(({ content }) => content)
const partsOf = ({ engine }: Device, id: string) =>
  engine.conversations.get(id)?.messages.map((message) => message.parts)
const titles = ({ engine }: Device) =>
  engine.conversations.list('active').items.map(({ title }) => title)

/** Encryption takes real time, and the wire virtual time. */
async function done<T>(user: SimulatedUser, outcome: Promise<T>): Promise<T> {
  let end: { value: T } | undefined
  void outcome.then((value) => (end = { value }))
  return eventually(async () => {
    await user.time.pass(20)
    return end
  }).then(({ value }) => value)
}
const shows = (user: SimulatedUser, expectation: () => void) =>
  eventually(async () => {
    await user.time.pass(20)
    expectation()
    return true
  })

async function two(user: SimulatedUser) {
  const [laptop, phone] = [
    await user.device({ encryption: passphraseEncryption }),
    await user.device({ encryption: passphraseEncryption }),
  ]
  const id = await begin(user, laptop)
  for (const { engine } of [laptop, phone]) void engine.conversations.open(id)
  await user.quiet()
  return { laptop, phone, id }
}

test('two devices read and write what the server only has encrypted', async () => {
  await using user = new SimulatedUser()
  const seen = record(user)
  const { laptop, phone, id } = await two(user)
  await shows(user, () => expect(texts(laptop, id)).toEqual(['žžfirst']))
  // locked: nothing but a placeholder, and no way to write
  const locked = phone.engine.conversations
  expect(locked.get(id)).toMatchObject({ locked: true, title: 'Encrypted conversation' })
  expect(locked.list('active').items[0]).toMatchObject({ locked: true, metadata: {}, preview: '' })
  expect(texts(phone, id)).toEqual([''])
  expect(() => locked.append(id, say('žžlocked'))).toThrow(/unlock it with its passphrase/)
  expect(() => locked.rename(id, 'žžlocked')).toThrow(Fault)
  expect(await locked.encrypted!.unlock(id, 'a wrong passphrase')).toBe('wrong_passphrase')
  expect(locked.get(id)?.locked).toBe(true)
  expect(await locked.encrypted!.unlock(id, passphrase)).toBe('unlocked')
  await shows(user, () => {
    expect(texts(phone, id)).toEqual(['žžfirst'])
    expect(titles(phone)).toEqual(['žžtitle'])
    expect(locked.get(id)).toMatchObject({ metadata: { note: 'žžnote' } })
  })

  // live on both, in the order in which it was written
  const sent = ['žžone', 'žžtwo', 'žžthree'].map((text) => locked.append(id, say(text)))
  expect(phone.engine.unsent).toBe(3)
  expect(locked.outbox.map(({ command }) => command)).toEqual(['append', 'append', 'append'])
  for (const { outcome } of sent) expect(await done(user, outcome)).toMatchObject({ ok: true })
  const first = locked.get(id)!.messages[0]!
  await done(user, locked.edit(id, first.id, 'žžedited').outcome)
  await done(user, laptop.engine.conversations.rename(id, 'žžrenamed').outcome)
  await done(user, locked.update(id, { metadata: { agent: 'žžagent' }, pinned: true }).outcome)
  const all = ['žžedited', 'žžone', 'žžtwo', 'žžthree']
  for (const device of [laptop, phone])
    await shows(user, () => {
      expect(texts(device, id)).toEqual(all)
      expect(titles(device)).toEqual(['žžrenamed'])
      expect(device.engine.conversations.get(id)).toMatchObject({
        ...{ metadata: { note: 'žžnote', agent: 'žžagent' }, pinned: true },
      })
    })

  // a branch has a key of its own under the same passphrase
  const { id: branch, outcome } = await locked.encrypted!.create(
    { title: 'žžbranch', messages: [say('žžcopy')] },
    { like: id },
  )
  await done(user, outcome)
  expect(await laptop.engine.conversations.encrypted!.unlock(branch, passphrase)).toBe('unlocked')
  await shows(user, () => expect(titles(laptop)).toContain('žžbranch'))
  const marks = [id, branch].map((one) => locked.get(one)!.encryption)
  expect(marks[0]!.key).not.toBe(marks[1]!.key)

  // what was read apart is revealed as well
  const held = user.server.conversations.get(id)
  if (!isConversation(held)) throw new Error('it is there')
  expect(JSON.stringify(held)).not.toContain('žž')
  expect((await locked.encrypted!.reveal(held)).messages.map(({ content }) => content)).toEqual(all)

  locked.encrypted!.lock(id)
  expect(texts(phone, id)?.join('')).toBe('')
  expect(titles(phone)).toContain('Encrypted conversation')
  expect(seen()).toContain('enc1.')
  expect(seen()).not.toContain('žž')
  expect(seen()).not.toContain('passphrase of')
}, 60_000)

/** Every string of it is a secret, also those that name something. */
const parts: Part[] = [
  { id: 'žžr', type: 'reasoning', text: 'žžthought', ms: 3 },
  { id: 'žža', type: 'text', text: 'žžbefore ' },
  {
    ...{ id: 'žžt', type: 'tool', name: 'žžtool', call_id: 'žžcall', state: 'done' },
    ...{ arguments: { žžkey: ['žžargument'] }, result: 'žžresult' },
  },
  { id: 'žžb', type: 'text', text: 'žžafter' },
  { id: 'žžs', type: 'source', url: 'https://example.org/žžpage', title: 'žžsource' },
  { id: 'žžf', type: 'file', url: 'https://example.org/žžfile', name: 'žžf', media_type: 'a/žž' },
  { id: 'žžd', type: 'data-žžkind', value: { žž: 1 } },
]

test('parts leave a device as one encrypted text, and come back with all that they have', async () => {
  await using user = new SimulatedUser()
  const seen = record(user)
  const { laptop, phone, id } = await two(user)
  const { conversations } = laptop.engine
  const append = (message: object) =>
    done(user, conversations.append(id, { role: 'assistant', ...message }).outcome)
  for (const message of [{ parts }, { parts: [parts[2]!] }, { parts: [parts[1]!] }])
    expect(await append(message)).toMatchObject({ ok: true })
  for (const [message, code] of [
    [{ parts: [parts[1]!, parts[1]!] }, 'invalid'],
    [{ parts, content: 'žžother' }, 'invalid'],
    [{ parts: [{ id: 's', type: 'source', url: 'javascript:alert(1)' }] }, 'invalid'],
    [{ parts: [{ ...parts[1]!, text: 'ž'.repeat(limits.messageBytes) }] }, 'too_large'],
    [{}, 'invalid'],
  ] as const)
    expect(await append(message)).toMatchObject({ problem: { code } })
  await phone.engine.conversations.encrypted!.unlock(id, passphrase)
  const messages = ({ engine }: Device) => engine.conversations.get(id)!.messages.slice(1)
  for (const device of [laptop, phone])
    await shows(user, () => {
      const [all, tool, text] = messages(device)
      expect(all).toMatchObject({
        content: 'žžbefore žžafter',
        metadata: { thinking: 'žžthought' },
      })
      expect(all!.parts).toEqual(parts)
      expect(tool).toMatchObject({ content: '', parts: [parts[2]] })
      expect(text).toMatchObject({ content: 'žžbefore ' })
      expect(text!.parts).toBeUndefined()
    })

  // an edit keeps what isn't text, also if it comes from a client that knows no parts
  const [whole] = messages(phone)
  await done(user, phone.engine.conversations.edit(id, whole!.id, 'žžedited').outcome)
  const edited = parts.flatMap((part) =>
    part.id === 'žžb' ? [] : part.id === 'žža' ? { ...part, text: 'žžedited' } : part,
  )
  await shows(user, () => expect(messages(laptop)[0]!.parts).toEqual(edited))
  const held = user.server.conversations.get(id)
  if (!isConversation(held)) throw new Error('it is there')
  expect(held.messages[1]!.parts!.map(({ id: part, type }) => [part, type])).toEqual([
    ['text', 'text'],
    ['parts', 'data-encrypted'],
  ])

  // what nobody has checked on its way is checked here
  const key = (await openEncryption(held.encryption!, id, passphrase))!
  const message = held.messages[1]!
  const encrypt = (field: 'content' | 'parts', text: string, subject = message.id) =>
    encryptText(key, { owner: held.encryption!.owner, conversation_id: id, subject, field }, text)
  const reveal = async (content: string, list: string) => {
    const texts = { content, parts: encryptedParts(content, list) }
    const { encrypted } = phone.engine.conversations
    return encrypted!.revealMessage(id, { ...message, ...texts })
  }
  const list = await encrypt('parts', JSON.stringify(parts))
  expect(await reveal(await encrypt('content', 'žžalone'), list)).toMatchObject({
    ...{ content: 'žžalone', metadata: { thinking: 'žžthought' } },
    parts: [parts[0], { ...parts[1], text: 'žžalone' }, parts[2], ...parts.slice(4)],
  })
  const script = JSON.stringify([{ id: 's', type: 'source', url: 'javascript:alert(1)' }])
  for (const bad of [
    await encrypt('parts', JSON.stringify(parts), held.messages[2]!.id),
    await encrypt('parts', script),
    await encrypt('parts', JSON.stringify([parts[1], parts[1]])),
    await encrypt('parts', 'no JSON'),
    await encrypt('content', JSON.stringify(parts)),
  ]) {
    const shown = await reveal(message.content, bad)
    expect(shown).toMatchObject({ unreadable: true })
    expect(shown.parts).toBeUndefined()
  }
  expect(seen()).not.toContain('žž')
}, 60_000)

test('commands wait encrypted while offline, and a conflict shows both texts', async () => {
  await using user = new SimulatedUser()
  const seen = record(user)
  const { laptop, phone, id } = await two(user)
  expect(await phone.engine.conversations.encrypted!.unlock(id, passphrase)).toBe('unlocked')
  await shows(user, () => expect(texts(phone, id)).toEqual(['žžfirst']))
  const { id: message_id, version } = phone.engine.conversations.get(id)!.messages[0]!
  phone.wire.goOffline()
  const edit = phone.engine.conversations.edit(id, message_id, 'žžmine', { version })
  phone.engine.conversations.append(id, say('žžoffline'))
  await shows(user, () => expect(texts(phone, id)).toEqual(['žžmine', 'žžoffline']))
  await done(user, laptop.engine.conversations.edit(id, message_id, 'žžtheirs').outcome)
  phone.wire.goOnline()
  expect(await done(user, edit.outcome)).toMatchObject({
    problem: { code: 'version_conflict' },
  })
  const [failed] = phone.engine.conversations.outbox
  const current = failed!.problem!.current as Parameters<EncryptedConversations['revealMessage']>[1]
  expect(JSON.stringify(current)).not.toContain('žž')
  expect(await phone.engine.conversations.encrypted!.revealMessage(id, current)).toMatchObject({
    content: 'žžtheirs',
  })
  failed!.retry({ overwrite: true })
  for (const device of [laptop, phone])
    await shows(user, () => expect(texts(device, id)).toEqual(['žžmine', 'žžoffline']))
  expect(seen()).not.toContain('žž')
}, 60_000)

test('keys end with the session, and what waited for encryption is dropped', async () => {
  await using user = new SimulatedUser()
  const seen = record(user)
  const device = await user.device({ encryption: passphraseEncryption })
  const id = await begin(user, device)
  void device.engine.conversations.open(id)
  await shows(user, () => expect(texts(device, id)).toEqual(['žžfirst']))
  const late = device.engine.conversations.append(id, say('žžlate'))
  await device.engine.stop()
  expect(await done(user, late.outcome)).toEqual({ ok: false, reason: 'dropped' })
  void device.engine.start()
  void device.engine.conversations.open(id).catch(() => undefined)
  await user.quiet()
  expect(device.engine.conversations.get(id)).toMatchObject({ locked: true })
  expect(texts(device, id)).toEqual([''])
  expect(seen()).not.toContain('žž')
}, 60_000)

test('a device that doesn’t know a conversation yet sends no plain text to it', async () => {
  await using user = new SimulatedUser()
  const seen = record(user)
  const [laptop, phone] = [
    await user.device({ encryption: passphraseEncryption }),
    await user.device({ encryption: passphraseEncryption }),
  ]
  const old = await begin(user, laptop)
  // so many newer ones that the phone’s first page lacks it
  for (let n = 0; n < 5; n++) laptop.engine.conversations.create({ title: `${n}` })
  await user.quiet()
  await phone.engine.stop()
  void phone.engine.start()
  await user.quiet()
  expect(phone.engine.conversations.get(old)).toBeUndefined()
  for (const issued of [
    phone.engine.conversations.append(old, say('žžappend')),
    phone.engine.conversations.rename(old, 'žžrename'),
  ])
    expect(await done(user, issued.outcome)).toMatchObject({
      problem: { code: 'invalid', reason: 'encrypted' },
    })
  const nowhere = phone.engine.conversations.append(newId(), say('nobody has it'))
  expect(await done(user, nowhere.outcome)).toMatchObject({ problem: { code: 'not_found' } })
  expect(seen()).not.toContain('žž')
}, 60_000)

test('what the server swaps, adds or takes away isn’t shown as the conversation’s', async () => {
  await using user = new SimulatedUser()
  const seen = record(user)
  const { laptop, id } = await two(user)
  const { server } = user
  await done(user, laptop.engine.conversations.append(id, say('žžsecond')).outcome)
  const held = server.conversations.get(id)
  if (!isConversation(held)) throw new Error('it is there')
  const [one, other] = held.messages as [(typeof held.messages)[0], (typeof held.messages)[0]]
  const { encryption: _encryption, messages: _messages, ...unmarked } = held
  const forged = { ...one, id: newId(), position: 3, content: 'send me your passphrase' }
  const data = {
    messages: [
      { ...one, content: other.content, version: 2 },
      { ...other, content: one.content, version: 2 },
      forged,
    ],
    ...{ message_count: 3, preview: '', updated_at: held.updated_at },
  }
  const change = { op: 'updated', entity_id: id, version: held.version + 1, data }
  server.append('conversations', change)
  await shows(user, () => {
    const { messages } = laptop.engine.conversations.get(id)!
    expect(messages.map(({ content, unreadable }) => [content, unreadable])).toEqual([
      ['', true],
      ['', true],
      ['', true],
    ])
  })
  // the mark is gone, and still nothing leaves as plain text
  const restored = { op: 'restored', entity_id: id, version: held.version + 2, data: unmarked }
  server.append('conversations', restored)
  laptop.engine.conversations.append(id, say('žžthird'))
  await shows(user, () => expect(texts(laptop, id)?.at(-1)).toBe('žžthird'))
  expect(seen()).not.toContain('žž')
}, 60_000)

test('no word of any history reaches the server', async () => {
  await using user = new SimulatedUser()
  const seen = record(user)
  const { laptop, phone, id } = await two(user)
  expect(await phone.engine.conversations.encrypted!.unlock(id, passphrase)).toBe('unlocked')
  const word = fc.string({ unit: fc.constantFrom(...'abcdef'), minLength: 2, maxLength: 9 })
  const step = fc.record({
    who: fc.constantFrom(laptop, phone),
    what: fc.constantFrom('append', 'parts', 'edit', 'rename', 'metadata', 'online', 'pin'),
    word,
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      for (const { who, what, word: chosen } of steps) {
        const text = `žž${chosen}`
        const { conversations } = who.engine
        const told = { id: 'žža', type: 'text' as const }
        const last = conversations.get(id)?.messages.at(-1)
        if (what === 'append') conversations.append(id, { ...say(text), metadata: { text } })
        else if (what === 'parts')
          conversations.append(id, { role: 'assistant', parts: parts.with(1, { ...told, text }) })
        else if (what === 'edit' && last) conversations.edit(id, last.id, text)
        else if (what === 'rename') conversations.rename(id, text)
        else if (what === 'metadata') conversations.update(id, { metadata: { [text]: text } })
        else if (what === 'pin') conversations.pin(id, chosen.length % 2 === 0)
        else if (who.wire.online) who.wire.goOffline()
        else who.wire.goOnline()
        await user.time.pass(3)
      }
      for (const { wire } of [laptop, phone]) wire.goOnline()
      await eventually(async () => {
        await user.quiet()
        return laptop.engine.unsent + phone.engine.unsent === 0
      })
      await shows(user, () => {
        expect(texts(phone, id)).toEqual(texts(laptop, id))
        expect(partsOf(phone, id)).toEqual(partsOf(laptop, id))
        expect(titles(phone)).toEqual(titles(laptop))
      })
      expect(seen()).not.toContain('žž')
    }),
    { numRuns: 6 },
  )
}, 90_000)
