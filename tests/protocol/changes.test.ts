// Each row of the table of changes in protocol/SPEC.md: a second device receives the change that a
// command makes.
import { beforeAll, describe, expect, test } from 'vitest'
import { accountChanges } from '@lockstep/protocol/account'
import { WireChange } from '@lockstep/protocol/change'
import { conversationChanges } from '@lockstep/protocol/conversations'
import { newId } from '@lockstep/protocol/ids'
import { preferencesChanges } from '@lockstep/protocol/preferences'
import type { Topic } from '@lockstep/protocol/topics'
import type { Device } from '../harness/device.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let alice: Person
let other: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
  other = await alice.signIn()
})

const schemas: Partial<Record<Topic, Record<string, { parse(data: unknown): unknown }>>> = {
  conversations: conversationChanges,
  preferences: preferencesChanges,
  account: accountChanges,
}

/**
 * The change with this `seq` as the device received it. Throws unless it and its data are exactly
 * what protocol/ describes.
 */
async function received(device: Device, seq: number): Promise<WireChange> {
  const change = await device.until('change', (candidate) => candidate.seq === seq)
  expect(WireChange.strict().parse(change)).toEqual(change)
  expect(schemas[change.topic]![change.op]!.parse(change.data)).toEqual(change.data)
  return change
}

test('the envelope names actor, op and entity, and has no field that is not for the wire', async () => {
  await using here = await alice.device('conversations')
  await using there = await other.device('conversations')
  const { epoch } = await there.next('sync')
  const mutation_id = newId()
  const { seq, version } = await here.done('create', { mutation_id, title: 'Hello' })
  const change = await received(there, seq)
  expect(change).toMatchObject({
    topic: 'conversations',
    epoch,
    seq,
    version,
    op: 'created',
    mutation_id,
  })
  expect(change.actor).toEqual({ session_id: alice.session.id, device: alice.session.device })
  expect(Math.abs(Date.parse(change.at) - Date.now())).toBeLessThan(60_000)
  expect(await received(here, seq)).toEqual(change)
})

describe('of a conversation', () => {
  let here: Device
  let there: Device
  let id: string
  beforeAll(async () => {
    here = await alice.device('conversations')
    there = await other.device('conversations')
    return () => [here, there].forEach((device) => device.close())
  })
  const made = async (name: string, payload: object) => {
    const { seq, version } = await here.done(name, { conversation_id: id, ...payload })
    const change = await received(there, seq)
    expect(change).toMatchObject({ entity_id: id, version, seq })
    return change
  }
  beforeAll(async () => {
    id = newId()
    const messages = [{ id: newId(), role: 'user', content: 'first' }]
    const { seq } = await here.done('create', { id, title: 'Table', messages, metadata: { a: 1 } })
    const created = await received(there, seq)
    const {
      epoch: _epoch,
      seq: _seq,
      ...read
    } = await alice.ask('getConversation', { params: { id } })
    expect(created).toMatchObject({ op: 'created', entity_id: id, version: 1, data: read })
  })

  test('updated: the fields that changed and no others; metadata as a whole', async () => {
    const { updated_at } = await alice.ask('getConversation', { params: { id } })
    const flags = await made('update', { pinned: true, archived: true, metadata: { b: 2 } })
    const rest = { message_count: 1, preview: 'first' }
    expect(flags).toMatchObject({ op: 'updated' })
    expect(flags.data).toEqual({
      pinned: true,
      archived: true,
      metadata: { a: 1, b: 2 },
      updated_at,
      ...rest,
    })
    const title = await made('update', { title: 'Renamed', pinned: true })
    expect(title.data).toEqual({ title: 'Renamed', updated_at: title.at, ...rest })
  })

  test('updated: whole messages, new and edited ones', async () => {
    const appended = await made('append', { message: { role: 'user', content: 'second' } })
    expect(appended).toMatchObject({ op: 'updated', data: { message_count: 2, preview: 'second' } })
    const { messages } = await alice.ask('getConversation', { params: { id } })
    expect(appended.data?.messages).toEqual([messages[1]])
    const edited = await made('update', { messages: [{ ...messages[0]!, content: 'edited' }] })
    expect(edited.data?.messages).toEqual([
      { ...messages[0]!, content: 'edited', version: 2, updated_at: edited.at },
    ])
    expect(edited.data).toMatchObject({ message_count: 2, preview: 'second' })
  })

  test('deleted, restored, purged', async () => {
    const deleted = await made('delete', {})
    expect(deleted).toMatchObject({ op: 'deleted', data: { deleted_at: deleted.at } })
    const restored = await made('restore', {})
    const { items } = await alice.ask('listConversations', { query: { state: 'archived' } })
    expect(restored).toMatchObject({
      op: 'restored',
      data: items.find((summary) => summary.id === id),
    })
    expect(restored.data).not.toHaveProperty('messages')
    const purged = await made('purge', {})
    expect(purged).toMatchObject({ op: 'purged', data: {} })
  })

  test('purged: a range has the earlier changes without their content, marked as stripped', async () => {
    const gone = newId()
    const { seq } = await here.done('create', {
      id: gone,
      title: 'secret',
      messages: [{ role: 'user', content: 'secret' }],
    })
    const purged = await here.done('purge', { conversation_id: gone })
    await received(there, purged.seq)
    // Entries are stripped some time after the purge.
    await eventually(async () => {
      const ack = await there.range(seq, purged.seq)
      const changes = ack.ok ? ack.data.changes : []
      expect(changes[0]).toMatchObject({ seq, op: 'created', stripped: true })
      expect(changes.at(-1)).toMatchObject({ seq: purged.seq, op: 'purged' })
      expect(JSON.stringify(changes)).not.toContain('secret')
      return true
    })
  })
})

test('of the preferences: updated, with the patch as it was sent', async () => {
  await using here = await alice.device('preferences')
  await using there = await other.device('preferences')
  const patch = { theme: 'dark', agents: { demo: { temperature: 0.5 } }, none: null }
  const { seq, version } = await here.done('update', { patch })
  const change = await received(there, seq)
  expect(change).toMatchObject({
    op: 'updated',
    entity_id: alice.user.id,
    version,
    data: { patch },
  })
})

test('of the account: session_created, session_revoked, renamed, password_changed', async () => {
  const carol = await signUp(shared.node, 'carol')
  await using device = await carol.device('account')
  const { to } = await device.next('sync')
  const second = await carol.signIn()
  expect(await received(device, to + 1)).toMatchObject({
    op: 'session_created',
    entity_id: second.session.id,
    data: { session: second.session },
  })
  await carol.ask('renameMe', { body: { username: `${carol.user.username}-2` } })
  expect(await received(device, to + 2)).toMatchObject({
    op: 'renamed',
    entity_id: carol.user.id,
    data: { username: `${carol.user.username}-2` },
  })
  await second.ask('logout')
  expect(await received(device, to + 3)).toMatchObject({
    op: 'session_revoked',
    entity_id: second.session.id,
    data: { session_id: second.session.id },
  })
  await carol.ask('changePassword', {
    body: { current_password: carol.password, new_password: newId() },
  })
  const changed = await device.until('change', ({ op }) => op === 'password_changed')
  expect(await received(device, changed.seq)).toMatchObject({
    op: 'password_changed',
    entity_id: carol.user.id,
    data: {},
  })
})
