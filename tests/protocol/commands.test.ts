import { beforeAll, describe, expect, test } from 'vitest'
import { wireCommands } from '@lockstep/protocol/commands'
import { newId } from '@lockstep/protocol/ids'
import { topics } from '@lockstep/protocol/topics'
import { commandPayloads, owner } from '../attacks/valid-requests.ts'
import type { Device } from '../harness/device.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes(2)
let alice: Person
let device: Device
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
  device = await alice.device('conversations')
  return () => device.close()
})
const headOf = async (person: Person) => (await person.ask('listConversations')).seq
const read = (id: string) => alice.ask('getConversation', { params: { id } })

describe('an ack', () => {
  test("has the conversation's summary, the change's seq and the entity's version", async () => {
    const id = newId()
    const before = await headOf(alice)
    const created = await device.done('create', {
      id,
      title: 'Ack',
      messages: [{ role: 'user', content: 'hi' }],
    })
    expect(created).toMatchObject({
      seq: before + 1,
      version: 1,
      data: { id, title: 'Ack', message_count: 1, version: 1 },
    })
    expect(created.data).not.toHaveProperty('messages')
    const appended = await device.done('append', {
      conversation_id: id,
      message: { role: 'user', content: 'more' },
    })
    const { items } = await alice.ask('listConversations')
    expect(appended).toEqual({
      seq: before + 2,
      version: 2,
      data: items.find((summary) => summary.id === id),
    })
    const deleted = await device.done('delete', { conversation_id: id })
    expect(deleted).toMatchObject({
      seq: before + 3,
      version: 3,
      data: { deleted_at: expect.any(String) },
    })
  })

  test.each(topics)('of each command of %s has the shape that AsyncAPI tells', async (topic) => {
    const person = await owner(shared.node)
    await using own = await person.device(topic)
    for (const [name, make] of Object.entries(commandPayloads[topic])) {
      const ack = await own.command(name, await make(person))
      const { success, error } = wireCommands[topic].get(name)!.ack.strict().safeParse(ack)
      expect(success, `${name}: ${JSON.stringify(ack)}, ${error?.message}`).toBe(true)
      // what it may have beside the entity, it has
      const { shape } = wireCommands[topic].get(name)!.ack
      const missing = Object.keys(shape).filter((key) => !(key in ack) && key !== 'stopped_by')
      expect(missing, name).toEqual([])
    }
  })

  test('has the preferences with their version', async () => {
    await using settings = await alice.device('preferences')
    const { data, version, seq } = await settings.done('update', { patch: { theme: 'dark' } })
    expect({ data, version, seq }).toEqual({
      data: { preferences: { theme: 'dark' }, version: 2 },
      version: 2,
      seq: 1,
    })
  })

  test('comes after the database has the change: the next read sees it, on any node', async () => {
    const id = newId()
    await device.done('create', { id })
    for (const node of shared.nodes)
      for (let n = 1; n <= 5; n++) {
        await device.done('update', { conversation_id: id, title: `${node.url} ${n}` })
        const { title } = await alice.at(node).ask('getConversation', { params: { id } })
        expect(title).toBe(`${node.url} ${n}`)
      }
  })

  test('API-4: to a command that would change nothing has the current state, and nothing is written', async () => {
    const id = newId()
    const { data, version } = await device.done('create', { id, title: 'Same' })
    const before = await headOf(alice)
    const same = await device.done('update', {
      conversation_id: id,
      title: 'Same',
      metadata: { none: null },
    })
    expect(same).toMatchObject({ data, version })
    expect(await headOf(alice)).toBe(before)
  })
})

describe('API-3: a mutation_id', () => {
  test('is required and must be a UUID', async () => {
    for (const mutation_id of [undefined, null, '', 'x', 1, { $ne: 1 }]) {
      const ack = await device.send('create', { title: 'No', mutation_id })
      expect(ack).toMatchObject({
        ok: false,
        error: { code: 'invalid', issues: [{ path: 'mutation_id' }] },
      })
    }
  })

  test('that is repeated returns the first outcome and changes nothing', async () => {
    const mutation_id = newId()
    const first = await device.done('create', { mutation_id, title: 'Once' })
    const before = await headOf(alice)
    const again = await device.done('create', { mutation_id, title: 'Once' })
    expect(again).toMatchObject({
      seq: first.seq,
      version: first.version,
      data: { id: first.data.id },
    })
    expect(await headOf(alice)).toBe(before)
  })

  test('that is repeated after later changes still returns the first seq', async () => {
    const id = newId()
    await device.done('create', { id })
    const append = {
      conversation_id: id,
      mutation_id: newId(),
      message: { role: 'user', content: 'once' },
    }
    const first = await device.done('append', append)
    await device.done('append', {
      conversation_id: id,
      message: { role: 'user', content: 'later' },
    })
    const again = await device.done('append', append)
    expect(again.seq).toBe(first.seq)
    expect((await read(id)).messages.map(({ content }) => content)).toEqual(['once', 'later'])
  })

  test('of another command is invalid, and nothing changes', async () => {
    const mutation_id = newId()
    const { data } = await device.done('create', { mutation_id, title: 'First' })
    const id = data.id as string
    const before = await read(id)
    for (const [name, payload] of [
      ['create', { title: 'Second' }],
      ['update', { conversation_id: id, title: 'Second' }],
      ['delete', { conversation_id: id }],
    ] as const)
      expect(await device.refused(name, { mutation_id, ...payload })).toMatchObject({
        code: 'invalid',
      })
    expect(await read(id)).toEqual(before)
  })

  test('of another user or another topic is independent', async () => {
    const mutation_id = newId()
    await device.done('create', { mutation_id, title: 'Mine' })
    const bob = await signUp(shared.node, 'bob')
    await using his = await bob.device('conversations')
    expect((await his.done('create', { mutation_id, title: 'His' })).data).toMatchObject({
      title: 'His',
    })
    await using settings = await alice.device('preferences')
    expect(
      (await settings.done('update', { mutation_id, patch: { own: true } })).version,
    ).toBeGreaterThan(1)
  })

  test('is shared by HTTP and sockets: a command sent over both is executed once', async () => {
    const mutation_id = newId()
    const id = newId()
    await alice.rest(
      'POST',
      '/conversations',
      { id, title: 'Both' },
      { 'idempotency-key': mutation_id },
    )
    const before = await headOf(alice)
    expect(await device.done('create', { mutation_id, id, title: 'Both' })).toMatchObject({
      data: { id },
      version: 1,
    })
    expect(await headOf(alice)).toBe(before)
  })

  test('whose ack was lost can be repeated on another node', async () => {
    const mutation_id = newId()
    const leaving = await alice.device('conversations')
    leaving.socket.emit('create', { mutation_id, title: 'Lost ack' }, () => undefined)
    await device.until('change', (change) => change.mutation_id === mutation_id)
    leaving.close()
    await using retry = await alice.at(shared.nodes[1]!).device('conversations')
    const { seq } = await retry.done('create', { mutation_id, title: 'Lost ack' })
    const changes = await device.until('change', (change) => change.mutation_id === mutation_id)
    expect(seq).toBe(changes.seq)
    expect((await alice.ask('listConversations', { query: { q: 'Lost ack' } })).items).toHaveLength(
      1,
    )
  })

  test('that arrives at two nodes at the same time is executed once, with the same ack', async () => {
    await using second = await alice.at(shared.nodes[1]!).device('conversations')
    const before = await headOf(alice)
    for (let round = 1; round <= 10; round++) {
      const payload = { mutation_id: newId(), title: `At once ${round}` }
      const acks = await Promise.all(
        [device, second, device, second].map((one) => one.done('create', payload)),
      )
      expect(new Set(acks.map(({ seq }) => seq))).toEqual(new Set([before + round]))
      expect(new Set(acks.map(({ data }) => data.id)).size).toBe(1)
    }
    expect(await headOf(alice)).toBe(before + 10)
  })
})

describe('commands at the same time', () => {
  test('at two nodes are all executed, each once, in one order for all devices', async () => {
    const bob = await signUp(shared.node, 'bob')
    const id = newId()
    await bob.ask('createConversation', { body: { id } })
    const writers = await Promise.all(
      shared.nodes.map((node) => bob.at(node).device('conversations')),
    )
    const acks = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        writers[n % 2]!.done('append', {
          conversation_id: id,
          message: { role: 'user', content: `${n}` },
        }),
      ),
    )
    expect(acks.map(({ seq }) => seq).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, n) => n + 2),
    )
    const expected = await bob.ask('getConversation', { params: { id } })
    expect(expected.messages.map(({ position }) => position)).toEqual(
      Array.from({ length: 40 }, (_, n) => n + 1),
    )
    for (const writer of writers) {
      await eventually(() => writer.changes.at(-1)?.seq === 41)
      expect(writer.changes.map(({ seq }) => seq)).toEqual(
        Array.from({ length: 40 }, (_, n) => n + 2),
      )
      writer.close()
    }
  })

  test('of one socket are executed in the order in which they were sent', async () => {
    const id = newId()
    const sent = [device.done('create', { id })]
    for (let n = 1; n <= 20; n++)
      sent.push(
        device.done('append', { conversation_id: id, message: { role: 'user', content: `${n}` } }),
      )
    const seqs = (await Promise.all(sent)).map(({ seq }) => seq)
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
    expect((await read(id)).messages.map(({ content }) => Number(content))).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 1),
    )
  })
})

describe('a refused command', () => {
  test('changes nothing: unknown entities and fields, wrong types, operators, values that are too large', async () => {
    const id = newId()
    await device.done('create', { id, title: 'Steady' })
    const before = await read(id)
    const on = { conversation_id: id }
    const message = { role: 'user', content: 'x' }
    const refusals: [string, object, string][] = [
      ['update', { conversation_id: newId(), title: 'x' }, 'not_found'],
      ['update', { ...on, title: 'x', owner: 'me' }, 'invalid'],
      ['update', { ...on, title: { $set: 'x' } }, 'invalid'],
      ['update', { ...on, title: 'x'.repeat(501) }, 'invalid'],
      ['update', { ...on, title: 'half \ud83d' }, 'invalid'],
      ['update', { ...on, metadata: { $where: 'x' } }, 'invalid'],
      ['update', { ...on, metadata: { 'a.b': 1 } }, 'invalid'],
      ['update', { ...on, metadata: { big: 'x'.repeat(70_000) } }, 'too_large'],
      ['update', { conversation_id: { $ne: null }, title: 'x' }, 'invalid'],
      ['update', { conversation_id: 'x', title: 'x' }, 'invalid'],
      ['append', { ...on, message: { ...message, role: 'admin' } }, 'invalid'],
      ['append', { ...on, message: { ...message, status: 'streaming' } }, 'invalid'],
      [
        'append',
        { ...on, message: { ...message, content: 'x'.repeat(256 * 1024 + 1) } },
        'too_large',
      ],
      ['append', { ...on, message: { ...message, content: 5 } }, 'invalid'],
      ['append', { ...on, message: [message] }, 'invalid'],
      ['append', on, 'invalid'],
      ['append', { ...on, message, messages: [message] }, 'invalid'],
      ['append', { ...on, messages: [] }, 'invalid'],
      ['create', { id: 'not-a-uuid' }, 'invalid'],
    ]
    for (const [name, payload, code] of refusals)
      expect([name, payload, (await device.refused(name, payload)).code]).toEqual([
        name,
        payload,
        code,
      ])
    expect(await read(id)).toEqual(before)
    const problem = await device.refused('append', {
      ...on,
      message: { ...message, content: 'x'.repeat(300_000) },
    })
    expect(problem).toMatchObject({ status: 413, limit_bytes: 256 * 1024 })
  })

  test('can be repeated with the same mutation_id once the reason for the refusal is gone', async () => {
    const id = newId()
    const payload = { mutation_id: newId(), conversation_id: id, title: 'Later' }
    expect(await device.refused('update', payload)).toMatchObject({ code: 'not_found' })
    await device.done('create', { id })
    expect((await device.done('update', payload)).data).toMatchObject({ title: 'Later' })
  })
})
