import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { freshDatabase } from '../harness/database.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { expectProblem } from './http-fixture.ts'

const database = freshDatabase()
let node: TestNode
beforeAll(async () => {
  node = await startNode(database)
})
afterAll(async () => {
  await node.stop()
  await database[Symbol.asyncDispose]()
})

const path = '/users/me/preferences'

describe('preferences', () => {
  test('start empty as version 1', async () => {
    const alice = await signUp(node)
    const { body, headers } = await alice.rest('GET', path)
    expect(body).toEqual({ preferences: {}, version: 1, epoch: expect.any(String), seq: 0 })
    expect(headers.get('etag')).toBe('"1"')
  })

  test('are merged as in RFC 7396: objects deeply, null removes, anything else replaces', async () => {
    const alice = await signUp(node)
    await alice.ask('putPreferences', {
      body: { theme: 'dark', editor: { size: 12, tabs: [1, 2] }, gone: true },
    })
    const put = await alice.rest('PUT', path, {
      editor: { size: 14, tabs: [3] },
      gone: null,
      never: null,
    })
    expect(put.body).toMatchObject({
      preferences: { theme: 'dark', editor: { size: 14, tabs: [3] } },
      version: 3,
      seq: 2,
    })
    expect(put.body.preferences).not.toHaveProperty('gone')
    expect(put.headers.get('etag')).toBe('"3"')
    expect((await alice.rest('GET', path)).body).toEqual(put.body)
  })

  test('accept a patch under its own content type', async () => {
    const alice = await signUp(node)
    const type = { 'content-type': 'application/merge-patch+json' }
    expect((await alice.rest('PUT', path, { a: 1 }, type)).body).toMatchObject({
      preferences: { a: 1 },
    })
  })

  test('are not written if nothing would change', async () => {
    const alice = await signUp(node)
    const before = await alice.ask('putPreferences', { body: { a: { b: 1 } } })
    for (const body of [{}, { a: {} }, { a: { b: 1 } }, { x: null }] as JsonObject[])
      expect(await alice.ask('putPreferences', { body })).toEqual(before)
    expect(await alice.ask('getPreferences')).toEqual(before)
  })

  test('are changed with If-Match in that version only, and the refusal shows them', async () => {
    const alice = await signUp(node)
    await alice.ask('putPreferences', { body: { theme: 'dark' } })
    for (const etag of ['"1"', '1', 'W/"1"']) {
      const reply = await alice.rest('PUT', path, { theme: 'light' }, { 'if-match': etag })
      expectProblem(reply, 'version_conflict', 409)
      expect(reply.body.current).toMatchObject({ preferences: { theme: 'dark' }, version: 2 })
    }
    for (const [etag, theme] of [
      ['"2"', 'light'],
      ['W/"3"', 'blue'],
      ['4', 'red'],
      ['*', 'any'],
    ] as const)
      expect((await alice.rest('PUT', path, { theme }, { 'if-match': etag })).status).toBe(200)
    expectProblem(await alice.rest('PUT', path, {}, { 'if-match': 'yesterday' }), 'invalid', 422)
    expect(await alice.ask('getPreferences')).toMatchObject({
      preferences: { theme: 'any' },
      version: 6,
    })
  })

  test('of two devices at once are merged', async () => {
    const alice = await signUp(node)
    const keys = Array.from({ length: 20 }, (_, i) => `key${i}`)
    await Promise.all(keys.map((key, i) => alice.ask('putPreferences', { body: { [key]: i } })))
    expect(await alice.ask('getPreferences')).toMatchObject({
      preferences: Object.fromEntries(keys.map((key, i) => [key, i])),
      version: 21,
      seq: 20,
    })
  })

  test('are too large if the patch or the result would be', async () => {
    const alice = await signUp(node)
    const half = 'x'.repeat(limits.freeFormBytes * 0.6)
    for (const body of [
      { a: 'x'.repeat(limits.freeFormBytes) },
      { a: 'ä'.repeat(limits.freeFormBytes / 2) },
    ]) {
      const reply = await alice.rest('PUT', path, body)
      expectProblem(reply, 'too_large', 413)
      expect(reply.body.limit_bytes).toBe(limits.freeFormBytes)
    }
    await alice.ask('putPreferences', { body: { a: half } })
    expectProblem(await alice.rest('PUT', path, { b: half }), 'too_large', 413)
    expect(await alice.ask('getPreferences')).toMatchObject({
      preferences: { a: half },
      version: 2,
    })
  })

  test('may be 20 levels deep', async () => {
    const alice = await signUp(node)
    const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) })
    expect((await alice.rest('PUT', path, { a: nested(19), b: 1 })).status).toBe(200)
    expectProblem(await alice.rest('PUT', path, nested(21)), 'invalid', 422)
  })

  test.each([
    '{"$set":{"a":1}}',
    '{"a":{"$ne":1}}',
    '{"a":[{"$gt":""}]}',
    '{"a.b":1}',
    '{"a":{"b.c":1}}',
    '{"a\\u0000":1}',
    '{"__proto__":{"a":1}}',
    '{"a":{"__proto__":1}}',
    '{"a":"\\ud800"}',
    '{"\\udc00":1}',
    '[{"a":1}]',
    '"a"',
    'null',
  ])('never become %s', async (body) => {
    const alice = await signUp(node)
    expectProblem(await alice.rest('PUT', path, body), 'invalid', 422)
    expect(await alice.ask('getPreferences')).toMatchObject({ preferences: {}, version: 1, seq: 0 })
  })

  test('may have any other key and value', async () => {
    const alice = await signUp(node)
    const body = {
      constructor: { prototype: 1 },
      toString: 'x',
      '': 0,
      a$: 1,
      'ключ 🔑': [null, 1.5, -0.1, 1e300, true, '\n'],
    }
    const { preferences } = await alice.ask('putPreferences', { body })
    expect(preferences).toEqual(body)
  })
})
