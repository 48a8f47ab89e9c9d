// Records: free-form objects that programs keep for their user, over HTTP, sockets and the client.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEngine } from '@lockstep/client'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { topics } from '@lockstep/protocol/topics'
import { createLog } from '../../realtime/log/log.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { audit } from '../../realtime/operator/audit.ts'
import { createMissingHeads } from '../../realtime/store/heads.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { expectProblem } from './http-fixture.ts'

const shared = sharedNodes()
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

const at = (id: string, kind = 'note') => `/records/${kind}/${id}`

describe('over HTTP', () => {
  test('RECORD-2 RECORD-3 a record is written, patched, deleted and written again, and its version counts on', async () => {
    const alice = await signUp(shared.node, 'alice')
    const id = newId()
    expectProblem(await alice.rest('GET', at(id)), 'not_found', 404)
    const data = { title: 'Garden', tags: ['a', null], nested: { deep: { er: 1, stays: true } } }
    const made = await alice.rest('PUT', at(id), { data })
    expect(made.status).toBe(201)
    expect(made.headers.get('etag')).toBe('"1"')
    const { created_at, updated_at, ...rest } = made.body
    expect(rest).toEqual({ kind: 'note', id, data, version: 1 })
    expect(updated_at).toBe(created_at)
    const read = await alice.rest('GET', at(id))
    expect(read.body).toEqual(made.body)

    const same = await alice.rest('PUT', at(id), read.body)
    expect([same.status, same.body]).toEqual([200, read.body])
    const patch = { data: { title: null, nested: { deep: { er: 2 } } } }
    const patched = await alice.rest('PATCH', at(id), patch, {
      'content-type': 'application/merge-patch+json',
    })
    expect(patched.status).toBe(200)
    expect(patched.body).toMatchObject({
      data: { tags: ['a', null], nested: { deep: { er: 2, stays: true } } },
      version: 2,
      created_at,
    })
    const whole = await alice.rest('PUT', at(id), { data: { other: 1 } })
    expect([whole.status, whole.body.data, whole.body.version]).toEqual([200, { other: 1 }, 3])

    for (let n = 0; n < 2; n++) expect((await alice.rest('DELETE', at(id))).status).toBe(204)
    expectProblem(await alice.rest('GET', at(id)), 'not_found', 404)
    expectProblem(await alice.rest('PATCH', at(id), { data: {} }), 'not_found', 404)
    const again = await alice.rest('PUT', at(id), { data: { again: true } })
    expect([again.status, again.body.version]).toEqual([201, 5])
    expect(String(again.body.created_at) > String(created_at)).toBe(true)
    for (const method of ['PATCH', 'DELETE'])
      expectProblem(
        await alice.rest(method, at(newId()), method === 'PATCH' ? { data: {} } : undefined),
        'not_found',
        404,
      )
  })

  test('API-7 conditions keep devices from replacing what they have not seen', async () => {
    const alice = await signUp(shared.node, 'alice')
    const id = newId()
    const put = (text: string, headers = {}) =>
      alice.rest('PUT', at(id), { data: { text } }, headers)
    expectProblem(await put('x', { 'if-match': '"1"' }), 'not_found', 404)
    expect((await put('first', { 'if-none-match': '*' })).status).toBe(201)
    const refused = [
      await put('first', { 'if-none-match': '*' }),
      await put('other', { 'if-match': '"2"' }),
      await alice.rest('PATCH', at(id), { data: { text: 'other' } }, { 'if-match': '"2"' }),
      await alice.rest('DELETE', at(id), undefined, { 'if-match': '"2"' }),
    ]
    for (const reply of refused) {
      expectProblem(reply, 'version_conflict', 409)
      expect(reply.body.current).toMatchObject({ id, data: { text: 'first' }, version: 1 })
    }
    // what would change nothing succeeds with any version
    expect((await put('first', { 'if-match': '"2"' })).status).toBe(200)
    const writes = Array.from({ length: 8 }, (_, n) => put(`${n}`, { 'if-match': '"1"' }))
    const statuses = (await Promise.all(writes)).map(({ status }) => status).sort()
    expect(statuses).toEqual([200, ...Array<number>(7).fill(409)])
    const once = { 'idempotency-key': newId() }
    const [one, two] = [await put('once', once), await put('once', once)]
    expect(two.body).toEqual(one.body)
    expectProblem(await put('twice', once), 'invalid', 422)
  })

  test('RECORD-1 an id stays with its kind, and kinds, sizes and fields have their limits', async () => {
    const [alice, bob] = [await signUp(shared.node, 'alice'), await signUp(shared.node, 'bob')]
    const id = newId()
    await alice.ask('putRecord', { params: { kind: 'note', id }, body: { data: { of: 'alice' } } })
    expectProblem(await alice.rest('GET', at(id, 'folder')), 'not_found', 404)
    expectProblem(await alice.rest('PUT', at(id, 'folder'), { data: {} }), 'id_taken', 409)
    expectProblem(await alice.rest('DELETE', at(id, 'folder')), 'not_found', 404)
    // API-1: under another user, the same id is another record
    expect((await bob.rest('PUT', at(id, 'folder'), { data: {} })).status).toBe(201)
    const put = (data: object, kind = 'note') => alice.rest('PUT', at(newId(), kind), { data })
    for (const kind of ['a', 'a-b_9', `a${'x'.repeat(31)}`])
      expect((await put({}, kind)).status).toBe(201)
    for (const kind of ['A', '9a', '_a', 'a.b', 'a%2Fb', `a${'x'.repeat(32)}`, 'constructor%20'])
      expectProblem(await put({}, kind), 'invalid', 422)
    expectProblem(await alice.rest('PUT', at('no-uuid'), { data: {} }), 'invalid', 422)
    expectProblem(await put({ $set: 1 }), 'invalid', 422)
    expectProblem(await alice.rest('PUT', at(newId()), { data: {}, other: 1 }), 'invalid', 422)
    expectProblem(await alice.rest('PUT', at(newId()), {}), 'invalid', 422)
    const room = limits.freeFormBytes - JSON.stringify({ text: '' }).length
    const full = newId()
    const text = 'x'.repeat(room)
    expect((await alice.rest('PUT', at(full), { data: { text } })).status).toBe(201)
    expectProblem(await put({ text: `${text}x` }), 'too_large', 413)
    expectProblem(await alice.rest('PATCH', at(full), { data: { more: 1 } }), 'too_large', 413)
    expect((await alice.rest('PATCH', at(full), { data: { text: null, more: 1 } })).status).toBe(
      200,
    )
  })

  test('a list has the records of one kind in pages, in the order of their ids', async () => {
    const alice = await signUp(shared.node, 'alice')
    const put = (kind: string, id = newId()) =>
      alice.ask('putRecord', { params: { kind, id }, body: { data: { id } } })
    const ids = Array.from({ length: 5 }, () => newId()).sort()
    for (const id of ids.toReversed()) await put('note', id)
    await put('notes')
    const gone = await put('note')
    await alice.ask('deleteRecord', { params: { kind: 'note', id: gone.id } })
    const params = { kind: 'note' }
    const first = await alice.ask('listRecords', { params, query: { limit: '3' } })
    const second = await alice.ask('listRecords', {
      params,
      query: { limit: '3', cursor: first.next_cursor! },
    })
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids)
    expect(second).toMatchObject({ next_cursor: null, epoch: first.epoch, seq: 8 })
    // API-5
    const foreign = `/records/notes?cursor=${first.next_cursor}`
    expectProblem(await alice.rest('GET', foreign), 'invalid', 422)
  })
})

test('each write of one device reaches the others, in order, and late devices catch up', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = newId()
  await using device = await alice.device('records')
  const { epoch, to } = await device.next('sync')
  expect(to).toBe(0)
  const put = await device.done('put', { kind: 'note', id, data: { n: 1 } })
  expect(put).toMatchObject({ data: { kind: 'note', id, data: { n: 1 } }, seq: 1, version: 1 })
  expect(await device.next('change')).toMatchObject({
    ...{ topic: 'records', seq: 1, op: 'put', entity_id: id, version: 1 },
    data: { kind: 'note', data: { n: 1 } },
  })
  await alice.ask('patchRecord', { params: { kind: 'note', id }, body: { data: { m: 2 } } })
  // a patch is sent as the whole result
  expect(await device.next('change')).toMatchObject({
    ...{ seq: 2, op: 'put', version: 2 },
    data: { kind: 'note', data: { n: 1, m: 2 } },
  })
  const conflict = await device.send('patch', {
    ...{ kind: 'note', id, data: { n: 3 }, if_version: 1, mutation_id: newId() },
  })
  expect(conflict).toMatchObject({
    ok: false,
    error: { code: 'version_conflict', current: { version: 2 } },
  })
  expect(await device.done('delete', { kind: 'note', id })).toMatchObject({ data: null, seq: 3 })
  expect(await device.next('change')).toMatchObject({
    seq: 3,
    op: 'deleted',
    data: { kind: 'note' },
  })
  // what was written before a deletion is gone from the log as well, once the documents follow
  await alice.ask('listRecords', { params: { kind: 'note' } })
  const late = await alice.ask('readChanges', {
    params: { topic: 'records' },
    query: { epoch, seq: '0' },
  })
  expect(late.changes.map(({ op, stripped, data }) => [op, stripped, data])).toEqual([
    ['put', true, undefined],
    ['put', true, undefined],
    ['deleted', undefined, { kind: 'note' }],
  ])
})

test('RECORD-4 export and import, activity and the operator’s audit know records', async () => {
  const [alice, bob] = [await signUp(shared.node, 'alice'), await signUp(shared.node, 'bob')]
  const put = (id: string, data: object) => alice.rest('PUT', at(id), { data })
  const [kept, gone] = [newId(), newId()]
  for (const id of [kept, gone]) await put(id, { n: 1 })
  await put(kept, { n: 2 })
  const data = (await alice.rest<{ records: object[] }>('GET', '/users/me/export')).body
  const { records } = data
  const body = { source: 'lockstep', data } as const
  expect(await bob.ask('importMe', { body: { ...body, dry_run: true } })).toMatchObject({
    created: 2,
  })
  expect(await bob.ask('importMe', { body })).toMatchObject({ created: 2, failed: [] })
  expect((await bob.rest('GET', '/users/me/export')).body.records).toEqual(records)
  // the owner's changes since then stay: the import only adds what the account never had
  await alice.ask('deleteRecord', { params: { kind: 'note', id: gone } })
  await put(kept, { n: 3 })
  expect(await alice.ask('importMe', { body })).toMatchObject({ created: 0, skipped: 2 })
  const { items } = await alice.ask('listRecords', { params: { kind: 'note' } })
  expect(items.map(({ data }) => data)).toEqual([{ n: 3 }])
  const bad = {
    source: 'lockstep',
    data: { records: [{ kind: 'Note', id: kept, data: {} }] },
  } as const
  expect(await bob.ask('importMe', { body: bad })).toMatchObject({
    failed: [{ item: 'record', reason: expect.stringContaining('kind') }],
  })

  const activity = await alice.ask('listActivity', { query: { topic: 'records' } })
  expect(activity.items.slice(0, 2).map(({ summary }) => summary)).toEqual([
    'Wrote a record of kind note',
    'Deleted a record of kind note',
  ])
  const log = createLog(database, createLogger('silent'))
  const faults: unknown[] = []
  const report = { fault: (fault: unknown) => void faults.push(fault), entry: async () => {} }
  await audit(database, log, [alice.user.id, bob.user.id], report)
  expect(faults).toEqual([])
  await database.records.updateOne({ _id: `${alice.user.id}:${kept}` }, { $set: { version: 9 } })
  await database.records.deleteOne({ _id: `${bob.user.id}:${gone}` })
  await audit(database, log, [alice.user.id, bob.user.id], report)
  await log.stop()
  expect(faults).toMatchObject([
    { user_id: alice.user.id, topic: 'records', entity_id: kept },
    { user_id: bob.user.id, topic: 'records', entity_id: gone, fault: 'there is no document' },
  ])
})

describe('an account that is older than the topic', () => {
  /** The database as a version without the topic left it. */
  async function older(): Promise<Person> {
    const person = await signUp(shared.node, 'old')
    await database.heads.deleteOne({ _id: `${person.user.id}:records` })
    return person
  }

  test('has its records over sockets and HTTP, under the epoch of its other logs', async () => {
    const [alice, bob] = [await older(), await older()]
    const { epoch } = await alice.ask('getMe')
    await using device = await alice.device('records')
    expect(await device.next('sync')).toMatchObject({ epoch, from: 0, to: 0, reset: false })
    await device.done('put', { kind: 'note', id: newId(), data: {} })
    expect(await device.next('change')).toMatchObject({ epoch, seq: 1 })
    const asked = await bob.ask('listRecords', { params: { kind: 'note' } })
    expect(asked).toMatchObject({ items: [], seq: 0 })
    expect((await bob.rest('GET', '/users/me/export')).body.records).toBeUndefined()
  })

  test('is deleted with all its logs, and gets no new one afterwards', async () => {
    const alice = await older()
    await alice.ask('deleteMe', { body: { password: alice.password } })
    const left = await database.changes.find({ user_id: alice.user.id }).toArray()
    expect(left.map(({ op, topic }) => [op, topic]).sort()).toEqual(
      topics.map((topic) => ['closed', topic]).sort(),
    )
    await database.heads.deleteOne({ _id: `${alice.user.id}:records` })
    await createMissingHeads(database, [alice.user.id, newId()], topics)
    expect(await database.heads.countDocuments({ user_id: alice.user.id })).toBe(topics.length - 1)
  })
})

test('an account that is full takes no more records, and has room again after a deletion', async () => {
  await using node = await startNode(shared.database, {
    quotas: { bytes: 200_000 },
  })
  const alice = await signUp(node, 'alice')
  const put = (id: string) => alice.rest('PUT', at(id), { data: { text: 'x'.repeat(60_000) } })
  const ids = Array.from({ length: 4 }, () => newId())
  for (const id of ids.slice(0, 3)) expect((await put(id)).status).toBe(201)
  expectProblem(await put(ids[3]!), 'too_large', 413)
  expect((await alice.rest('DELETE', at(ids[0]!))).status).toBe(204)
  expect((await put(ids[3]!)).status).toBe(201)
})

describe('the client', () => {
  test('shows a write at once, keeps it through a cut, merges patches, and tells of conflicts', async () => {
    const alice = await signUp(shared.node, 'alice')
    const { token } = await alice.ask('createToken', { body: { name: 'Notes' } })
    await using wire = await Wire.to({ port: Number(new URL(shared.node.url).port) })
    const records = ['note', 'folder']
    const laptop = createEngine({
      origin: `http://${wire.address}`,
      token: () => token,
      records,
      random: () => 0,
    })
    const phone = createEngine({ origin: shared.node.url, token: () => token, records: ['note'] })
    try {
      await Promise.all([laptop.start(), phone.start()])
      await eventually(() => laptop.connection === 'live' && phone.connection === 'live')
      const made = laptop.records.put('note', { title: 'Garden', done: false })
      const shown = laptop.records.get('note', made.id)
      expect(shown).toMatchObject({ data: { title: 'Garden' }, delivery: 'sending' })
      expect(laptop.records.list('note')).toEqual([shown])
      expect(laptop.records.list('note')).toBe(laptop.records.list('note'))
      expect(await made.outcome).toMatchObject({ ok: true, version: 1 })
      laptop.records.put('folder', { name: 'Elsewhere' })
      await eventually(() => phone.records.get('note', made.id))

      wire.cut()
      const offline = laptop.records.patch('note', made.id, { done: true })
      expect(laptop.records.get('note', made.id)!.data).toEqual({ title: 'Garden', done: true })
      await phone.records.patch('note', made.id, { title: 'Balcony' }).outcome
      const stale = laptop.records.put('note', { title: 'Mine' }, { id: made.id, if_version: 2 })
      wire.restore()
      expect(await offline.outcome).toMatchObject({ ok: true, version: 3 })
      expect(await stale.outcome).toMatchObject({
        ok: false,
        problem: { code: 'version_conflict', current: { version: 3 } },
      })
      const merged = { title: 'Balcony', done: true }
      await eventually(() => laptop.records.get('note', made.id)?.version === 3)
      expect(laptop.records.get('note', made.id)!.data).toEqual(merged)
      laptop.outbox.find(({ status }) => status === 'failed')!.retry({ overwrite: true })
      await eventually(() => phone.records.get('note', made.id)?.data.title === 'Mine')
      // a kind that isn't followed is left out
      await eventually(() => phone.records.settled && laptop.records.settled)
      expect(laptop.records.list('folder')).toHaveLength(1)
      expect(phone.records.list('folder')).toEqual([])

      const gone = phone.records.delete('note', made.id)
      expect(phone.records.list('note')).toEqual([])
      expect(await gone.outcome).toMatchObject({ ok: true })
      await eventually(() => laptop.records.list('note').length === 0)
      await laptop.records.put('note', { title: 'Again' }, { id: made.id }).outcome
      await eventually(() => phone.records.get('note', made.id)?.data.title === 'Again')
    } finally {
      await Promise.all([laptop.stop(), phone.stop()])
    }
  })
})
