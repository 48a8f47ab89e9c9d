// An export that is imported into an empty account gives that account equal data.
import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { FreeForm } from '@lockstep/protocol/scalars'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { inForm } from '../harness/long-form.ts'

const shared = sharedNodes()

interface Exported extends Record<string, unknown> {
  conversations: { id: string; deleted_at: string | null; messages: unknown[]; metadata: object }[]
  agent_runs: object[]
}

const exportOf = async (person: Person) =>
  (await person.rest<Exported>('GET', '/users/me/export')).body
const importInto = (person: Person, data: unknown, dry_run?: boolean) =>
  person.ask('importMe', { body: { source: 'lockstep', data, dry_run } })
const owned = async (person: Person) => {
  const { exported_at: _at, user: _user, ...rest } = await exportOf(person)
  return rest
}
const nothingNew = { created: 0, updated: 0, failed: [] }

const text = fc.string({ unit: 'grapheme', maxLength: 30 })
const json = fc.jsonValue({ maxDepth: 2, stringUnit: 'grapheme' })
const freeForm = fc
  .dictionary(
    fc.oneof(
      { weight: 9, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 8 }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'constructor',
          'toJSON',
          'toBSON',
          '_id',
          '_bsontype',
          '__proto__',
        ),
      },
    ),
    json,
    { maxKeys: 3 },
  )
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject)
  .filter((value) => FreeForm.safeParse(value).success)
const draft = fc.record({
  id: fc.uuid(),
  place: fc.oneof(fc.constantFrom('new', 'agent:new', 'run:demo'), fc.uuid()),
  text: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
})
const record = fc.record({
  id: fc.uuid(),
  kind: fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/),
  data: freeForm,
})
const role = fc.constantFrom('user', 'assistant', 'system', 'tool')
const time = fc
  .date({ min: new Date('1999-01-01'), max: new Date('2030-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString())
const message = fc.record(
  {
    role,
    content: text,
    created_at: time,
    metadata: freeForm,
    status: fc.constantFrom('complete', 'stopped', 'failed'),
  },
  { requiredKeys: ['role', 'content'] },
)
const conversation = fc.record({
  title: text,
  metadata: freeForm,
  messages: fc.array(message, { maxLength: 4 }),
  versions: fc.nat({ max: 2 }),
  fate: fc.constantFrom('none', 'pinned', 'archived', 'deleted', 'purged'),
})

type Made = ReturnType<typeof conversation.generate>['value_'] &
  Parameters<Parameters<typeof conversation.map>[0]>[0]

async function make(
  person: Person,
  { title, metadata, messages, versions, fate }: Made,
): Promise<void> {
  const { id, messages: made } = await person.ask('createConversation', {
    body: { title, metadata, messages: messages as never },
  })
  const params = { id }
  for (let n = 0; n < versions && made[0]; n++)
    await person.ask('putConversation', {
      params,
      body: { messages: [{ role: made[0].role, content: `v${n}`, replaces: made[0].id }] },
    })
  if (fate === 'pinned' || fate === 'archived')
    await person.ask('putConversation', { params, body: { [fate]: true } })
  if (fate === 'deleted') await person.ask('deleteConversation', { params })
  if (fate === 'purged') await person.ask('purgeConversation', { params })
}

describe('an export', () => {
  test('that is imported into an empty account gives equal data, and importing it again changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(conversation, { minLength: 3, maxLength: 5 }),
        freeForm,
        fc.uniqueArray(draft, { maxLength: 3, selector: ({ id }) => id }),
        fc.uniqueArray(record, { maxLength: 3, selector: ({ id }) => id }),
        async (conversations, preferences, drafts, records) => {
          const [alice, bob] = [
            await signUp(shared.node, 'alice'),
            await signUp(shared.node, 'bob'),
          ]
          await alice.ask('putPreferences', { body: preferences })
          for (const one of conversations) await make(alice, one as Made)
          for (const { id, ...body } of drafts)
            await alice.ask('putDraft', { params: { id }, body })
          for (const { data, ...params } of records)
            await alice.ask('putRecord', { params, body: { data } })
          const exported = await exportOf(alice)

          const tried = await importInto(bob, exported, true)
          expect(await owned(bob)).toMatchObject({ conversations: [], preferences: {} })
          const result = await importInto(bob, exported)
          expect(result).toEqual(tried)
          const created = exported.conversations.length + drafts.length + records.length
          expect(result).toMatchObject({ created, failed: [] })
          expect(await owned(bob)).toEqual(await owned(alice))

          expect(await importInto(bob, exported)).toMatchObject(nothingNew)
          expect(await importInto(alice, exported)).toMatchObject(nothingNew)
          expect(await owned(bob)).toEqual(await owned(alice))
        },
      ),
      { numRuns: inForm(2, 4), examples: [[[], {}, [], []]] },
    )
  }, 60_000)

  test('contains the runs of agents', async () => {
    const [alice, bob] = [await signUp(shared.node, 'alice'), await signUp(shared.node, 'bob')]
    const run = {
      id: newId(),
      agent: 'demo',
      input: 'Hi',
      output: 'Hello',
      status: 'complete',
      conversation_id: null,
      message_id: null,
      started_at: '2025-01-01T00:00:00.000Z',
      ended_at: '2025-01-01T00:00:01.000Z',
      metadata: { model: 'm' },
    }
    const unended = { ...run, id: newId(), status: 'running', ended_at: null }
    expect(await importInto(alice, { agent_runs: [run, unended] })).toMatchObject({
      created: 2,
      failed: [],
    })
    const data = await exportOf(alice)
    const interrupted = { ...unended, status: 'interrupted', ended_at: unended.started_at }
    expect(new Set(data.agent_runs)).toEqual(new Set([run, interrupted]))
    expect(await importInto(bob, data)).toMatchObject({ created: 2 })
    expect(await owned(bob)).toEqual(await owned(alice))
    expect(await importInto(bob, data)).toMatchObject({ ...nothingNew, skipped: 2 })
  })
})

describe('an import', () => {
  let alice: Person
  beforeAll(async () => {
    alice = await signUp(shared.node, 'alice')
  })
  const exported = (id: string, contents: string[], more: object = {}) => {
    const messages = contents.map((content, n) => ({
      id: `${id.slice(0, -2)}${10 + n}`,
      role: 'user',
      content,
    }))
    return { id, title: 'Imported', messages, ...more }
  }

  test('adds missing messages, and leaves alone what the owner has changed', async () => {
    const id = newId()
    await importInto(alice, { conversations: [exported(id, ['one', 'two'])] })
    await alice.ask('putConversation', {
      params: { id },
      body: { title: 'Renamed', messages: [{ role: 'user', content: 'mine' }] },
    })
    const newer = { conversations: [exported(id, ['one', 'two', 'three'])] }
    expect(await importInto(alice, newer, true)).toMatchObject({ created: 0, updated: 1 })
    expect(await importInto(alice, newer)).toMatchObject({ created: 0, updated: 1 })
    const { title, messages } = await alice.ask('getConversation', { params: { id } })
    expect(title).toBe('Renamed')
    expect(messages.map(({ content }) => content)).toEqual(['one', 'two', 'mine', 'three'])
    expect(await importInto(alice, newer)).toMatchObject({ ...nothingNew, skipped: 1 })
  })

  test('leaves a conversation in the trash if its owner put it there, and reports that a purged one can’t come back', async () => {
    const [trashed, purged] = [newId(), newId()]
    const data = {
      conversations: [exported(trashed, ['x']), exported(purged, ['y'], { title: 'Gone' })],
    }
    await importInto(alice, data)
    await alice.ask('deleteConversation', { params: { id: trashed } })
    await alice.ask('purgeConversation', { params: { id: purged } })
    const again = {
      created: 0,
      updated: 0,
      skipped: 1,
      failed: [{ item: 'Gone', reason: expect.any(String), code: 'purged' }],
    }
    expect(await importInto(alice, data, true)).toEqual(again)
    expect(await importInto(alice, data)).toEqual(again)
  })

  test('keeps preferences that are set, and adds those that are missing', async () => {
    await alice.ask('putPreferences', { body: { theme: 'dark', agent: { name: 'x' } } })
    const data = {
      preferences: { theme: 'light', density: 'compact', agent: { name: 'y', heat: 1 } },
    }
    expect(await importInto(alice, data)).toMatchObject({ updated: 1 })
    const { preferences } = await alice.ask('getPreferences')
    expect(preferences).toEqual({
      theme: 'dark',
      density: 'compact',
      agent: { name: 'x', heat: 1 },
    })
    expect(await importInto(alice, data)).toEqual({ ...nothingNew, skipped: 0 })
  })

  test('reports each failed item with its reason, and imports the others', async () => {
    const id = newId()
    const roleless = { id: newId(), title: 'No role', messages: [{ id: newId(), content: 'x' }] }
    const nameless = { title: 'No id', messages: [] }
    const data = { conversations: [roleless, nameless, exported(id, ['fine'])] }
    const expected = {
      ...{ created: 1, updated: 0, skipped: 0 },
      failed: [
        {
          ...{ item: 'No role', code: 'invalid_field' },
          reason: expect.stringMatching(/^messages.*role/),
        },
        { item: 'No id', code: 'invalid_field', reason: expect.stringMatching(/^id /) },
      ],
    }
    expect(await importInto(alice, data, true)).toEqual(expected)
    expect(await importInto(alice, data)).toEqual(expected)
    expect((await alice.ask('getConversation', { params: { id } })).messages).toHaveLength(1)
  })

  test('continues a message that is too long in further messages, once', async () => {
    const id = newId()
    const long = `${'ü'.repeat(200 * 1024)}\n${'x'.repeat(300 * 1024)}`
    const data = { conversations: [exported(id, [long, 'After it'])] }
    const created = { created: 1, updated: 0, skipped: 0, failed: [] }
    expect(await importInto(alice, data)).toEqual(created)
    expect(await importInto(alice, data)).toEqual({ ...created, created: 0, skipped: 1 })
    const { messages } = await alice.ask('getConversation', { params: { id } })
    const contents = messages.map(({ content }) => content)
    expect(contents.slice(0, -1).join('')).toBe(long)
    expect(contents.at(-1)).toBe('After it')
    expect(new Set(messages.map(({ role }) => role)).size).toBe(1)
  })

  test('renames keys that metadata may not have, and reports what is nested too deep', async () => {
    const deep = (levels: number) => `${'{"state":['.repeat(levels)}1${']}'.repeat(levels)}`
    const one = (id: string, more: string) =>
      `{"id":"${id}","title":"${id}","messages":[{"role":"user","content":"${id}"}]${more}}`
    const items = [
      one('plain', ''),
      one('typed', ',"_bsontype":"ObjectId","a":[{"_bsontype":"Long","__proto__":1}]'),
      one('deep', `,"deep":${deep(20_000)}`),
      `{"id":"dated","createdAt":${deep(20_000)},"messages":[{"role":"user","content":"dated"}]}`,
      `{"id":"said","messages":[{"role":"user","content":${deep(20_000)}}]}`,
      one('last', ''),
    ]
    const bob = await signUp(shared.node, 'bob')
    const data = `{"conversations":[${items.join()}],"config":{"_bsontype":"x","deep":${deep(20_000)}}}`
    const reply = await bob.rest('POST', '/users/me/import', `{"source":"browser","data":${data}}`)
    expect(reply).toMatchObject({ status: 200, body: { created: 6, updated: 1, failed: [] } })
    const { items: made } = await bob.ask('listConversations')
    const metadata = (title: string) => made.find((item) => item.title === title)!.metadata
    expect(metadata('typed')).toMatchObject({
      bsontype: 'ObjectId',
      a: [{ bsontype: 'Long', proto__: 1 }],
    })
    expect(metadata('deep')).toMatchObject({ not_imported: ['deep'] })
    expect((await bob.ask('getPreferences')).preferences).toEqual({
      bsontype: 'x',
      not_imported: ['deep'],
    })
  })

  test('that is larger than one change is never seen half, and continues where it was interrupted', async () => {
    const id = newId()
    const messages = Array.from({ length: 36 }, (_, n) => ({
      id: newId(),
      role: 'user',
      content: `${n}:${'x'.repeat(200_000)}`,
    }))
    const conversations = [{ id, title: 'Long', messages, updated_at: '2024-05-05T00:00:00.000Z' }]
    await using device = await alice.device('conversations')
    await device.next('sync')
    expect(await importInto(alice, { conversations })).toMatchObject({ created: 1, failed: [] })
    const {
      seq,
      messages: newest,
      message_count,
      metadata,
      updated_at,
    } = await alice.ask('getConversation', { params: { id } })
    expect({ message_count, metadata, updated_at }).toEqual({
      message_count: 36,
      metadata: {},
      updated_at: '2024-05-05T00:00:00.000Z',
    })
    const found = [...newest]
    while (found[0]!.position > 1) {
      const older = await alice.ask('getConversation', {
        params: { id },
        query: { before: found[0]!.position },
      })
      found.unshift(...older.messages)
    }
    expect(found.map(({ id }) => id)).toEqual(messages.map(({ id }) => id))
    await device.until('change', (change) => change.seq === seq)
    const ops = device.changes.filter(({ entity_id }) => entity_id === id)
    expect(ops.length).toBeGreaterThan(3)
    expect(ops.at(-1)).toMatchObject({ op: 'restored', data: { deleted_at: null } })
    expect(ops[0]).toMatchObject({ op: 'created', data: { deleted_at: expect.any(String) } })
    expect(await importInto(alice, { conversations })).toMatchObject({ ...nothingNew, skipped: 1 })
  }, 60_000)

  test('of data that is not an export is refused as a whole', async () => {
    const reply = (body: unknown) => alice.rest('POST', '/users/me/import', body)
    expect(await reply('{"source":"lockstep","data":')).toMatchObject({
      status: 400,
      body: { code: 'invalid' },
    })
    for (const body of [
      {},
      { source: 'elsewhere', data: [] },
      { source: { $gt: '' }, data: [] },
      { source: 'lockstep', data: 5 },
      { source: 'lockstep', data: null },
      { source: 'lockstep', data: [], more: 1 },
      { source: 'lockstep', data: { conversations: 'x' } },
      { source: 'chatgpt', data: 'x' },
      { source: 'browser', data: [] },
    ])
      expect([body, await reply(body)]).toEqual([body, expect.objectContaining({ status: 422 })])
  })
})
