// Drafts: text up to the size of a message, which no device replaces unseen.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { applySplice, spliceBetween } from '@lockstep/protocol/splice'
import { openClient } from '../harness/database.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { expectProblem } from './http-fixture.ts'

const shared = sharedNodes()
const at = (id: string) => `/users/me/drafts/${id}`

test('a draft may be as long as a message, also where the preferences are full', async () => {
  const alice = await signUp(shared.node, 'alice')
  await alice.ask('putPreferences', { body: { filler: 'x'.repeat(limits.freeFormBytes - 100) } })
  const text = 'é'.repeat(limits.messageBytes / 2)
  const id = newId()
  const written = await alice.rest('PUT', at(id), { place: 'new', text })
  expect(written.status).toBe(201)
  expect(written.body).toMatchObject({ id, place: 'new', version: 1 })
  expect(written.body).not.toHaveProperty('text')
  expect((await alice.ask('getDraft', { params: { id } })).text).toBe(text)
  expectProblem(
    await alice.rest('PUT', at(newId()), { place: 'new', text: `${text}x` }),
    'too_large',
    413,
  )
  const [piece, whole] = [{ offset: 0, removed: 0, text: 'x' }, { text: 'x' }]
  expectProblem(await alice.rest('PUT', at(id), { place: 'new', ...piece }), 'too_large', 413)
  expect((await alice.rest('PUT', at(id), { place: 'new', ...whole })).status).toBe(200)
})

test('what a GET returned can be PUT, an equal text changes nothing, and pieces build the text', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = newId()
  await alice.ask('putDraft', { params: { id }, body: { place: 'new', text: 'one three' } })
  const draft = await alice.ask('getDraft', { params: { id } })
  const again = await alice.rest('PUT', at(id), draft, { 'if-match': '"7"' })
  expect(again.body).toMatchObject({ version: 1 })
  const put = (piece: object, headers = {}) =>
    alice.rest('PUT', at(id), { place: 'new', ...piece }, headers)
  await put({ offset: 4, removed: 0, text: 'two ' }, { 'if-match': '"1"' })
  expect(await alice.ask('getDraft', { params: { id } })).toMatchObject({
    text: 'one two three',
    version: 2,
  })
  expectProblem(await put({ offset: 13, removed: 1, text: '' }), 'invalid', 422)
  expectProblem(await put({ offset: 1, text: '' }), 'invalid', 422)
  expectProblem(await put({ text: '\ud83d' }), 'invalid', 422)
  await put({ text: '😀' })
  expectProblem(await put({ offset: 0, removed: 1, text: '' }), 'invalid', 422)
})

test('conditions keep devices from replacing what they have not seen', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = newId()
  const put = (text: string, headers = {}) =>
    alice.rest('PUT', at(id), { place: 'new', text }, headers)
  expectProblem(await put('x', { 'if-match': '"1"' }), 'not_found', 404)
  await put('first', { 'if-none-match': '*' })
  const refused = [
    await put('other', { 'if-none-match': '*' }),
    await put('other', { 'if-match': '"2"' }),
    await alice.rest('DELETE', at(id), undefined, { 'if-match': '"2"' }),
  ]
  for (const reply of refused) {
    expectProblem(reply, 'version_conflict', 409)
    expect(reply.body.current).toMatchObject({ text: 'first', version: 1 })
  }
  const writes = Array.from({ length: 8 }, (_, n) => put(`${n}`, { 'if-match': '"1"' }))
  const statuses = (await Promise.all(writes)).map(({ status }) => status).sort()
  expect(statuses).toEqual([200, ...Array<number>(7).fill(409)])
  expect((await alice.rest('DELETE', at(id), undefined, { 'if-match': '"2"' })).status).toBe(204)
  expectProblem(await alice.rest('DELETE', at(id)), 'not_found', 404)
})

test('drafts are listed in pages, exported, and gone with the account', async () => {
  const alice = await signUp(shared.node, 'alice')
  expect((await alice.rest('GET', '/users/me/export')).body).not.toHaveProperty('drafts')
  const ids = Array.from({ length: 5 }, () => newId()).sort()
  for (const id of ids)
    await alice.ask('putDraft', { params: { id }, body: { place: `of ${id}`, text: id } })
  const first = await alice.ask('listDrafts', { query: { limit: '3' } })
  const second = await alice.ask('listDrafts', {
    query: { limit: '3', cursor: first.next_cursor! },
  })
  expect([...first.items, ...second.items].map(({ text }) => text)).toEqual(ids)
  expect(second.next_cursor).toBeNull()
  const exported = await alice.rest<{ drafts: { text: string }[] }>('GET', '/users/me/export')
  expect(exported.body.drafts.map(({ text }) => text)).toEqual(ids)

  await using client = await openClient(shared.database.url)
  const drafts = client.db().collection('drafts')
  expect(await drafts.countDocuments({ user_id: alice.user.id })).toBe(5)
  await alice.ask('deleteMe', { body: { password: alice.password } })
  expect(await drafts.countDocuments({ user_id: alice.user.id })).toBe(0)
})

test('every device is told that a draft has changed, and nobody else', async () => {
  const alice = await signUp(shared.node, 'alice')
  const bob = await signUp(shared.node, 'bob')
  await using hers = await (await alice.signIn()).device('account')
  await using his = await bob.device('account')
  const id = newId()
  await alice.ask('putDraft', { params: { id }, body: { place: 'new', text: 'Hello' } })
  expect(await hers.next('draft')).toEqual({ draft_id: id, version: 1 })
  await alice.ask('deleteDraft', { params: { id } })
  expect(await hers.next('draft')).toEqual({ draft_id: id, version: null })
  await bob.ask('putDraft', { params: { id }, body: { place: 'new', text: 'Mine' } })
  expect(await his.next('draft')).toEqual({ draft_id: id, version: 1 })
})

test('a splice turns any text into any other without cutting a pair', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀', '😁', '👍'), maxLength: 12 })
  fc.assert(
    fc.property(text, text, (from, to) => {
      const splice = spliceBetween(from, to)
      expect(splice.text.isWellFormed()).toBe(true)
      expect(applySplice(from, splice)).toBe(to)
    }),
  )
})
