// What the server does with conversations whose key only the clients have: it checks the form of
// their texts, keeps them as they are, and refuses what would need to read them.
import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { createEngine } from '@lockstep/client'
import { passphraseEncryption } from '@lockstep/client/encryption'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})

/** Looks like an encrypted text of this many bytes. */
const encrypted = (bytes: number): string => `enc1.${randomBytes(bytes + 28).toString('base64url')}`
const encryptionFor = (owner: string) => ({
  version: 1 as const,
  owner,
  derivation: 'PBKDF2-SHA-256' as const,
  iterations: 600_000,
  salt: randomBytes(16).toString('base64url'),
  key: encrypted(32),
})
const list = (text: string, value: string, type: `data-${string}` = 'data-encrypted') => ({
  ...{ role: 'assistant' as const },
  parts: [
    { id: 'text', type: 'text' as const, text },
    { id: 'parts', type, value },
  ],
})
const say = (content: string) => ({ role: 'user' as const, content })

const named = (id: string) => {
  const message = list(encrypted(9), encrypted(9))
  return {
    ...message,
    parts: message.parts.map((part) => (part.id === 'text' ? part : { ...part, id })),
  }
}
const longer = () => {
  const message = list(encrypted(9), encrypted(9))
  const more = { id: 'more', type: 'data-encrypted' as const, value: encrypted(9) }
  return { ...message, parts: [...message.parts, more] }
}

async function begin(fields: object = {}) {
  const id = newId()
  const encryption = encryptionFor(alice.user.id)
  const body = { id, encryption, messages: [say(encrypted(20))], ...fields }
  const made = await alice.ask('createConversation', { body })
  return { id, encryption, made }
}

describe('a conversation that its clients have encrypted', () => {
  test('keeps its mark and its texts in every answer, and has no preview', async () => {
    const metadata = { encrypted: encrypted(30) }
    const { id, encryption, made } = await begin({ title: encrypted(2_000), metadata })
    expect(made).toMatchObject({ encryption, preview: '', metadata })
    const content = encrypted(limits.messageBytes)
    const params = { id }
    const body = { messages: [{ ...say(content), metadata: { encrypted: encrypted(9) } }] }
    expect((await alice.ask('appendMessages', { params, body })).messages[1]!.content).toBe(content)
    const title = encrypted(10)
    await alice.ask('putConversation', { params, body: { title } })
    await alice.ask('deleteConversation', { params })
    await alice.ask('restoreConversation', { params })
    const { seq } = await alice.ask('getConversation', { params })
    await alice.ask('putConversation', { params, body: { title: encrypted(11) } })
    expect(await alice.ask('rewindConversation', { params, body: { seq } })).toMatchObject({
      ...{ title, encryption, preview: '' },
    })
    const at = await alice.ask('getConversationAt', { params, query: { seq } })
    expect(at).toMatchObject({ title, encryption })
    const { items } = await alice.ask('listConversations')
    expect(items.find((item) => item.id === id)).toMatchObject({ encryption, preview: '' })
  })

  const long = 'x'.repeat(100)
  test.each<[string, object, string?]>([
    ['a message', { messages: [say('plain')] }, 'messages.0.content'],
    ['a text that only begins as one', { messages: [say(`enc1.${long} `)] }, 'messages.0.content'],
    ['a text that is too short', { messages: [say('enc1.abc')] }, 'messages.0.content'],
    ['a message’s metadata', { messages: [{ ...say(encrypted(9)), metadata: { thinking: 'x' } }] }],
    ['a part', { messages: [list(encrypted(9), 'plain')] }, 'messages.0.parts'],
    ['a kind of part', { messages: [list(encrypted(9), encrypted(9), 'data-plain')] }],
    ['a part’s name', { messages: [named('plain')] }, 'messages.0.parts'],
    ['more parts than a list', { messages: [longer()] }, 'messages.0.parts'],
    ['a title', { title: 'Plain' }, 'title'],
    ['metadata', { metadata: { note: 'plain' } }, 'metadata'],
    ['hidden metadata', { metadata: { encrypted: { note: 'plain' } } }, 'metadata'],
  ])('refuses %s that can be read, at first and later', async (_what, body, path) => {
    const { id } = await begin()
    const creation = { encryption: encryptionFor(alice.user.id), ...body }
    for (const response of [
      await alice.rest('PUT', `/conversations/${id}`, body),
      await alice.rest('POST', '/conversations', creation),
    ]) {
      expect(response.status).toBe(422)
      expect(response.body).toMatchObject({ code: 'invalid', reason: 'encrypted' })
      expect(JSON.stringify(response.body.detail)).toContain('encrypted with a passphrase')
      if (path) expect(response.body).toMatchObject({ issues: [{ path }] })
    }
    expect((await alice.ask('getConversation', { params: { id } })).version).toBe(1)
  })

  test('keeps the parts of a message as one encrypted list, whatever happens to its text', async () => {
    const { parts, role } = list(encrypted(9), encrypted(9_000))
    const { id } = await begin({ messages: [{ role, parts }] })
    const params = { id }
    const made = await alice.ask('getConversation', { params })
    const [message] = made.messages
    expect(message).toMatchObject({ content: 'text' in parts[0]! && parts[0].text, parts })
    expect(made.preview).toBe('')
    const content = encrypted(20)
    const body = { messages: [{ id: message!.id, role, content }] }
    const edited = await alice.ask('putConversation', { params, body })
    const after = [{ ...parts[0], text: content }, parts[1]]
    expect(edited.messages[0]).toMatchObject({ content, parts: after })
    await alice.ask('rewindConversation', { params, body: { seq: made.seq } })
    expect((await alice.ask('getConversation', { params })).messages[0]).toMatchObject({ parts })
  })

  test('refuses plain edits, drafts and commands of a socket', async () => {
    const { id, made } = await begin()
    const edit = { ...say('plain'), id: made.messages[0]!.id }
    const edited = await alice.rest('PUT', `/conversations/${id}`, { messages: [edit] })
    expect(edited.body).toMatchObject({ reason: 'encrypted' })
    const draft = `/users/me/drafts/${newId()}`
    expect((await alice.rest('PUT', draft, { place: id, text: 'plain' })).body).toMatchObject({
      reason: 'encrypted',
    })
    const kept = { place: id, text: encrypted(limits.messageBytes) }
    expect((await alice.rest('PUT', draft, kept)).status).toBe(201)
    const device = await alice.device('conversations')
    const append = { conversation_id: id, mutation_id: newId(), message: say('plain') }
    expect(await device.command('append', append)).toMatchObject({ error: { reason: 'encrypted' } })
    device.close()
  })

  test('has no replies, runs, Markdown or search, and says why', async () => {
    const { id } = await begin({ title: encrypted(60) })
    for (const response of [
      await alice.rest('POST', `/conversations/${id}/reply`, {}),
      await alice.rest('GET', `/conversations/${id}/markdown`),
      await alice.rest('POST', '/agent-runs', { agent: 'demo', input: 'x', conversation_id: id }),
    ]) {
      expect(response.status).toBe(422)
      expect(response.body).toMatchObject({ code: 'invalid', reason: 'encrypted' })
      expect(response.body.detail).toMatch(
        /encrypted with a passphrase that the server doesn’t have/,
      )
    }
    expect((await alice.ask('listRuns')).items).toEqual([])
    for (const match of ['text', 'words'] as const)
      expect((await alice.ask('listConversations', { query: { q: 'enc1', match } })).items).toEqual(
        [],
      )
  })

  test('belongs to who made it, with a key that is worth trying', async () => {
    const encryption = encryptionFor(alice.user.id)
    for (const other of [
      { owner: newId() },
      { iterations: 599_999 },
      { iterations: 1e9 },
      { salt: 'short' },
      { key: 'plain' },
      { version: 2 },
    ]) {
      const body = { encryption: { ...encryption, ...other } }
      expect((await alice.rest('POST', '/conversations', body)).status).toBe(422)
    }
    const { id } = await begin()
    const change = await alice.rest('PUT', `/conversations/${id}`, { encryption })
    expect(change.status).toBe(422)
  })

  test('is exported and imported as it is, and never in part readable', async () => {
    const { id } = await begin({ title: encrypted(9), metadata: { encrypted: encrypted(9) } })
    const long = { messages: [say(encrypted(limits.messageBytes))] }
    await alice.ask('appendMessages', { params: { id }, body: long })
    const read = async (person: Person) => {
      const { body } = await person.rest<{ conversations: { id: string; messages: object[] }[] }>(
        ...(['GET', '/users/me/export'] as const),
      )
      return body.conversations.find((one) => one.id === id)!
    }
    const exported = await read(alice)
    const bob = await signUp(shared.node, 'bob')
    const into = (conversation: object) =>
      bob.ask('importMe', { body: { source: 'lockstep', data: { conversations: [conversation] } } })
    expect(await into(exported)).toMatchObject({ created: 1, failed: [] })
    expect(await read(bob)).toEqual(exported)
    const reason = expect.stringContaining('encrypted') as string
    const plain = { ...exported, messages: [{ ...say('plain'), id: newId() }] }
    const { encryption: _encryption, ...unmarked } = plain as typeof plain & { encryption: object }
    for (const item of [plain, { ...plain, id: newId() }, unmarked])
      expect(await into(item)).toMatchObject({ created: 0, updated: 0, failed: [{ reason }] })
    expect(await read(bob)).toEqual(exported)
  })
})

test('the passphrase opens a chat that was imported into another account', async () => {
  const bob = await signUp(shared.node, 'bob')
  const passphrase = 'a passphrase of several words'
  const engineOf = async (person: Person) => {
    const { token } = await person.ask('createToken', { body: { name: 'Engine' } })
    const [origin, encryption] = [shared.node.url, passphraseEncryption]
    const engine = createEngine({ origin, token: () => Promise.resolve(token), encryption })
    await engine.start()
    return engine
  }
  const [hers, his] = [await engineOf(alice), await engineOf(bob)]
  const made = await hers.conversations.encrypted!.create(
    { title: 'Her title', messages: [say('Her words')] },
    { passphrase },
  )
  expect(await made.outcome).toMatchObject({ ok: true })
  const { body: data } = await alice.rest<{ conversations: { id: string }[] }>(
    ...(['GET', '/users/me/export'] as const),
  )
  const conversations = data.conversations.filter(({ id }) => id === made.id)
  expect(JSON.stringify(conversations)).not.toContain('Her')
  const imported = await bob.ask('importMe', {
    body: { source: 'lockstep', data: { conversations } },
  })
  expect(imported).toMatchObject({ created: 1, failed: [] })
  await his.conversations.open(made.id)
  const { encrypted: lock } = his.conversations
  expect(await lock!.unlock(made.id, 'another passphrase')).toBe('wrong_passphrase')
  expect(await lock!.unlock(made.id, passphrase)).toBe('unlocked')
  await eventually(() => {
    expect(his.conversations.get(made.id)).toMatchObject({
      title: 'Her title',
      messages: [{ content: 'Her words' }],
    })
    return true
  })
  // and goes on there: what he adds opens for him alone
  expect(await his.conversations.append(made.id, say('His words')).outcome).toMatchObject({
    ok: true,
  })
  expect(his.conversations.get(made.id)?.messages.map(({ content }) => content)).toEqual([
    'Her words',
    'His words',
  ])
  for (const engine of [hers, his]) await engine.stop()
})

test('messages with encrypted parts are exported and imported as they are, however large, edited or deleted', async () => {
  const [short, long] = [list(encrypted(9), encrypted(9)), list(encrypted(9), encrypted(90_000))]
  const { id, made } = await begin({ messages: [say(encrypted(20)), short, long] })
  const params = { id }
  const edit = { id: made.messages[1]!.id, role: 'assistant' as const, content: encrypted(30) }
  await alice.ask('putConversation', { params, body: { messages: [edit] } })
  const more = list(encrypted(0), encrypted(9))
  await alice.ask('appendMessages', {
    params,
    body: { messages: [more, list(encrypted(9), encrypted(9))] },
  })
  const { messages } = await alice.ask('getConversation', { params })
  const [last] = messages.slice(-1)
  await alice.ask('deleteMessage', { params: { id, message_id: last!.id } })
  const exportOf = async (person: Person) => {
    const { body } = await person.rest<{ conversations: { id: string; messages: object[] }[] }>(
      ...(['GET', '/users/me/export'] as const),
    )
    return body
  }
  const exported = await exportOf(alice)
  const hers = exported.conversations.find((one) => one.id === id)!
  expect(hers.messages).toHaveLength(4)
  expect(hers.messages.map((message) => 'parts' in message)).toEqual([false, true, true, true])
  const carol = await signUp(shared.node, 'carol')
  const into = (conversations: object[]) =>
    carol.ask('importMe', { body: { source: 'lockstep', data: { conversations } } })
  expect(await into([hers])).toMatchObject({ created: 1, failed: [] })
  expect((await exportOf(carol)).conversations).toEqual([hers])
  const texts = (person: Person) => person.ask('getConversation', { params })
  const [of, from] = [await texts(carol), await texts(alice)]
  const read = ({ role, content, parts }: (typeof of.messages)[0]) => ({ role, content, parts })
  expect(of.messages.map(read)).toEqual(from.messages.map(read))
  expect(await into([hers])).toMatchObject({ created: 0, skipped: 1, failed: [] })
  // no part of an import is readable
  const text = { id: 'text', type: 'text', text: encrypted(9) }
  const broken: { role: 'assistant'; parts: object[] }[] = [
    list(encrypted(9), 'plain'),
    list('plain', encrypted(9)),
    list(encrypted(9), encrypted(9), 'data-other'),
    named('other'),
    longer(),
    { role: 'assistant', parts: [...short.parts].reverse() },
    { role: 'assistant', parts: [text, { id: 'r', type: 'reasoning', text: 'plain' }] },
  ]
  const reason = expect.stringContaining('encrypted') as string
  for (const { role, parts } of broken) {
    const content = parts
      .flatMap((part) => ('text' in part && !('id' in part && part.id === 'r') ? [part.text] : []))
      .join('')
    const item = { ...hers, id: newId(), messages: [{ ...hers.messages[0], role, content, parts }] }
    expect(await into([item]), JSON.stringify(parts)).toMatchObject({
      created: 0,
      failed: [{ reason }],
    })
  }
  expect((await exportOf(carol)).conversations).toEqual([hers])
})

test('in other conversations, the limits of encrypted texts don’t count', async () => {
  const { id } = await alice.ask('createConversation', { body: {} })
  const put = (body: object) => alice.rest('PUT', `/conversations/${id}`, body)
  const content = encrypted(limits.messageBytes)
  expect((await put({ messages: [say(content)] })).body).toMatchObject({ code: 'too_large' })
  expect((await put({ title: encrypted(600) })).body).toMatchObject({ code: 'invalid' })
  expect((await put({ messages: [say(encrypted(60))] })).status).toBe(200)
})
