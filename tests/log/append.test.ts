import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { conversationAt } from '../../realtime/log/conversation-at.ts'
import { toEntry } from '../../realtime/log/entry.ts'
import { by, entriesOf, createLogFixture, type LogFixture } from './log-fixture.ts'

let fixture: LogFixture
beforeAll(async () => {
  fixture = await createLogFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())
afterEach(() => vi.restoreAllMocks())

const hello = { role: 'user' as const, content: 'hello' }

describe('the log', () => {
  test('LOG-1: two nodes that append at the same time leave one contiguous log with everything in it', async () => {
    const [a, b] = [fixture.node(), fixture.node()]
    const user = await fixture.user()
    const id = newId()
    await a.conversations.change('create', by(user), { id })
    const both = [a, b].flatMap(({ conversations }) =>
      Array.from({ length: 15 }, () =>
        conversations.change('append', by(user), { conversation_id: id, message: hello }),
      ),
    )
    const outcomes = await Promise.all(both)
    const entries = await entriesOf(fixture.database, user)
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1))
    expect(outcomes.map(({ seq }) => seq).sort((x, y) => x - y)).toEqual(
      entries.slice(1).map(({ seq }) => seq),
    )
    const { messages } = await b.conversations.get(user, id)
    expect(messages.map(({ position }) => position)).toEqual(
      Array.from({ length: 30 }, (_, i) => i + 1),
    )
  })

  test('LOG-3: the same command at two nodes at the same time is appended once, and both get its outcome', async () => {
    const [a, b] = [fixture.node(), fixture.node()]
    const user = await fixture.user()
    const id = newId()
    await a.conversations.change('create', by(user), { id })
    const request = by(user)
    const command = { conversation_id: id, message: hello }
    const outcomes = await Promise.all([
      a.conversations.change('append', request, command),
      b.conversations.change('append', request, command),
      a.conversations.change('append', request, command),
    ])
    expect(outcomes.map(({ seq, version }) => [seq, version])).toEqual([
      [2, 2],
      [2, 2],
      [2, 2],
    ])
    expect(outcomes.filter(({ changed }) => changed)).toHaveLength(1)
    expect(await entriesOf(fixture.database, user)).toHaveLength(2)
  })

  test('LOG-3: a mutation_id that was used for another command is invalid', async () => {
    const { conversations } = fixture.node()
    const user = await fixture.user()
    const request = by(user)
    await conversations.change('create', request, { id: newId() })
    const other = conversations.change('create', request, { id: newId() })
    await expect(other).rejects.toMatchObject({
      code: 'invalid',
      extra: { issues: [{ path: 'mutation_id' }] },
    })
  })

  test('LOG-5: a projection that ends while a command loads its state removes nothing from that state', async () => {
    // the node that decides has no state of the conversation, and reads its document
    const [{ log }, { conversations }] = [fixture.node(), fixture.node()]
    const user = await fixture.user()
    const id = newId()
    await conversations.change('create', by(user), { id })
    const { conversations: collection } = fixture.database
    const read = collection.findOne.bind(collection)
    // the document is read before the projection, and the tail is applied to it after the
    // projection
    const spy = vi.spyOn(collection, 'findOne').mockImplementationOnce(async (...args) => {
      const document = await read(...args)
      await log.projectToHead(user, 'conversations')
      return document
    })
    const { state } = await log.append({
      context: by(user),
      topic: 'conversations',
      entity_id: id,
      identity: 'look',
      decide: () => undefined,
    })
    expect(spy).toHaveBeenCalled()
    expect(state.held).toMatchObject({ id, version: 1 })
  })

  test('LOG-4: a node with a stale head neither refuses a command nor takes it for a no-op', async () => {
    const [a, b] = [fixture.node(), fixture.node()]
    const user = await fixture.user()
    const id = newId()
    await a.conversations.change('create', by(user), { id, title: 'one' })
    await b.conversations.change('update', by(user), {
      conversation_id: id,
      title: 'two',
      if_version: 1,
    })
    // `a` still believes that the title is "one", yet renaming to it is a change, and version 2 is
    // no conflict
    const back = await a.conversations.change('update', by(user), {
      conversation_id: id,
      title: 'one',
      if_version: 2,
    })
    expect(back).toMatchObject({ changed: true, version: 3, data: { title: 'one' } })
  })

  test('LOG-4: a repeated command gets its first outcome even if its condition would fail now', async () => {
    const { conversations } = fixture.node()
    const user = await fixture.user()
    const id = newId()
    await conversations.change('create', by(user), { id })
    const request = by(user)
    const command = { conversation_id: id, title: 'mine', if_version: 1 }
    const first = await conversations.change('update', request, command)
    await conversations.change('update', by(user), { conversation_id: id, title: 'later' })
    const again = await conversations.change('update', request, command)
    expect(again).toMatchObject({ changed: false, seq: first.seq, version: first.version })
  })

  test('LOG-6: a read at one node shows what another node acknowledged a moment before', async () => {
    const [a, b] = [fixture.node(), fixture.node()]
    const user = await fixture.user()
    const id = newId()
    await a.conversations.change('create', by(user), { id })
    for (let i = 1; i <= 20; i++) {
      const { seq } = await a.conversations.change('append', by(user), {
        conversation_id: id,
        message: hello,
      })
      const read = await b.conversations.get(user, id)
      expect([read.seq, read.message_count, read.messages.length]).toEqual([seq, i, i])
    }
  })

  test('LOG-7: nothing follows the closing entry', async () => {
    const { log, conversations } = fixture.node()
    const user = await fixture.user()
    await log.append({
      context: by(user),
      topic: 'conversations',
      entity_id: user,
      identity: 'close',
      decide: () => ({ op: 'closed', entity_id: user, version: 1, data: {} }),
    })
    for (const { conversations: node } of [{ conversations }, fixture.node()])
      await expect(node.change('create', by(user), {})).rejects.toMatchObject({
        code: 'unauthenticated',
      })
    expect(await entriesOf(fixture.database, user)).toHaveLength(1)
  })

  test('a command that has waited in the queue for too long is unavailable, and writes nothing', async () => {
    const { log, conversations } = fixture.node()
    const user = await fixture.user()
    const begun = Promise.withResolvers<void>()
    const held = Promise.withResolvers<boolean>()
    const isFull = () => {
      begun.resolve()
      return held.promise
    }
    const first = log.append({
      context: by(user),
      topic: 'conversations',
      entity_id: newId(),
      identity: 'slow',
      needs: { quota: { isFull } },
      decide: () => undefined,
    })
    const second = conversations.change('create', by(user), {})
    await begun.promise
    const late = performance.now() + 60_000
    vi.spyOn(performance, 'now').mockImplementation(() => late)
    held.resolve(false)
    await expect(first).resolves.toMatchObject({ kind: 'unchanged' })
    await expect(second).rejects.toMatchObject({
      code: 'unavailable',
      extra: { retry_after_ms: 1_000 },
    })
    vi.restoreAllMocks()
    await conversations.change('create', by(user), {})
    expect(await entriesOf(fixture.database, user)).toHaveLength(1)
  })

  test('the time of an entry is never before that of the previous entry', async () => {
    const { conversations } = fixture.node()
    const user = await fixture.user()
    await conversations.change('create', by(user), {})
    const ahead = new Date(Date.now() + 60_000)
    await fixture.database.changes.updateOne({ user_id: user, seq: 1 }, { $set: { at: ahead } })
    await fixture.node().conversations.change('create', by(user), {})
    const [, second] = await entriesOf(fixture.database, user)
    expect(second!.at).toEqual(ahead)
  })
})

describe('the size of an entry', () => {
  const MB = 1024 * 1024
  const position = { topic: 'preferences' as const, epoch: 'e', seq: 1, at: new Date(0) }
  const entryOf = (data: Record<string, unknown>, before?: Record<string, unknown>) =>
    toEntry(
      by('user'),
      position,
      { mutation_id: newId(), fingerprint: '' },
      { op: 'updated', entity_id: 'user', version: 2, data, before },
    )

  const attempt = (act: () => unknown) => {
    try {
      return act()
    } catch (fault) {
      return fault
    }
  }

  test('is bounded as JSON, and as the database stores it, where lists of numbers are larger', () => {
    const few = Array.from({ length: 100_000 }, () => 1)
    expect(entryOf({ few }, { few })).toMatchObject({ data: { few }, before: { few } })
    const tooLarge = (data: Record<string, unknown>) =>
      expect(attempt(() => entryOf(data))).toMatchObject({
        code: 'too_large',
        extra: { limit_bytes: limits.changeBytes },
      })
    tooLarge({ text: 'x'.repeat(4 * MB) })
    const many = Array.from({ length: 1_500_000 }, () => 1)
    expect(JSON.stringify(many).length).toBeLessThan(limits.changeBytes)
    tooLarge({ many })
  })

  test('excludes replaced values that are too large', () => {
    expect(entryOf({ text: '' }, { text: 'x'.repeat(11 * MB) })).toHaveProperty('before')
    expect(entryOf({ text: '' }, { text: 'x'.repeat(12 * MB) })).not.toHaveProperty('before')
  })

  test('lets a short edit replace any number of long messages: devices get it, and rewind ends there', async () => {
    const { database } = fixture
    const { log, conversations } = fixture.node()
    const user = await fixture.user()
    const long = 'x'.repeat(255 * 1024)
    const ids = Array.from({ length: 52 }, () => newId())
    const { data } = await conversations.change('create', by(user), {})
    const { id } = data!
    for (let from = 0; from < ids.length; from += 13) {
      const messages = ids
        .slice(from, from + 13)
        .map((id) => ({ id, role: 'user' as const, content: long }))
      await conversations.change('update', by(user), { conversation_id: id, messages })
    }
    const messages = ids.map((id) => ({ id, role: 'user' as const, content: 'short' }))
    const { seq } = await conversations.change('update', by(user), {
      conversation_id: id,
      messages,
    })
    await conversations.change('update', by(user), { conversation_id: id, title: 'Shortened' })
    const { changes } = await log.range(user, 'conversations', seq - 1, seq)
    expect(changes).toMatchObject([
      { seq, data: { messages: messages.map((message) => ({ ...message, version: 2 })) } },
    ])
    const at = (moment: number) =>
      conversationAt(
        database,
        log,
        { user_id: user, conversation_id: id },
        { seq: moment },
        { limit: 100 },
      )
    expect(await at(seq)).toMatchObject({ title: 'New conversation', messages })
    await expect(at(seq - 1)).rejects.toMatchObject({ code: 'not_found' })
  })
})
