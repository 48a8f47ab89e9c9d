// `If-Match` and `If-None-Match`: a request counts only for the state of the entity that it names.
import { beforeAll, describe, expect, test } from 'vitest'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { newId } from '@lockstep/protocol/ids'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person, type HttpResponse } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { expectProblem } from './http-fixture.ts'

const shared = sharedNodes()
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})

interface Target {
  /** The address of the entity, which is made for the test. */
  path: string
  version: number
}

async function conversation(): Promise<Target> {
  const { id } = await alice.ask('createConversation', { body: { title: 'First' } })
  const path = `/conversations/${id}`
  const { version } = await alice.ask('putConversation', {
    params: { id },
    body: { title: 'Second' },
  })
  return { path, version }
}

async function trashed(): Promise<Target> {
  const { path, version } = await conversation()
  await alice.rest('DELETE', path)
  return { path, version: version + 1 }
}

async function endedRun(): Promise<Target> {
  const { body } = await alice.rest('POST', '/agent-runs', { agent: 'demo', input: 'Hello' })
  const path = `/agent-runs/${String(body.id)}`
  await alice.rest('POST', `${path}/stop`)
  const run = await eventually(async () => {
    const reply = await alice.rest('GET', path)
    return reply.body.ended_at === null ? undefined : reply.body
  })
  return { path, version: Number(run.version) }
}

async function session(): Promise<Target> {
  const other = await alice.signIn()
  return { path: `/users/me/sessions/${other.session.id}`, version: 1 }
}

/** Every request that changes an entity and may carry `If-Match`. */
const conditional: [
  string,
  () => Promise<Target>,
  (target: Target) => [string, string, unknown?],
][] = [
  ['DELETE of a conversation', conversation, ({ path }) => ['DELETE', path]],
  ['PUT of a conversation', conversation, ({ path }) => ['PUT', path, { title: 'Third' }]],
  ['POST …/purge', conversation, ({ path }) => ['POST', `${path}/purge`]],
  ['POST …/purge from the trash', trashed, ({ path }) => ['POST', `${path}/purge`]],
  ['POST …/restore', trashed, ({ path }) => ['POST', `${path}/restore`]],
  ['DELETE of a run', endedRun, ({ path }) => ['DELETE', path]],
  ['DELETE of a session', session, ({ path }) => ['DELETE', path]],
]

describe.each(conditional)('If-Match on %s', (_what, make, toRequest) => {
  const send = (target: Target, header: string): Promise<HttpResponse> => {
    const [method, path, body] = toRequest(target)
    return alice.rest(method, path, body, { 'if-match': header })
  }

  test('refuses another version, changes nothing and brings the entity', async () => {
    const target = await make()
    const refused = await send(target, `"${target.version + 7}"`)
    expectProblem(refused, 'version_conflict', 409)
    const current = refused.body.current as { id: string; version?: number }
    expect(target.path).toContain(current.id)
    if (current.version !== undefined) expect(current.version).toBe(target.version)
    // had the refused request changed anything, the version would be another one now
    expect((await send(target, `"${target.version}"`)).status).toBeLessThan(300)
  })

  test.each(['W/"n"', 'n', '*'])('accepts the present version as %s', async (form) => {
    const target = await make()
    const reply = await send(target, form.replace('n', String(target.version)))
    expect(reply.status).toBeLessThan(300)
  })
})

test('If-Match on rewind is the version of the conversation', async () => {
  const { id, seq } = await alice.ask('createConversation', { body: { title: 'Before' } })
  const params = { id }
  const { version } = await alice.ask('putConversation', { params, body: { title: 'After' } })
  const rewind = (header: string) =>
    alice.rest('POST', `/conversations/${id}/rewind`, { seq }, { 'if-match': header })
  const refused = await rewind('"1"')
  expectProblem(refused, 'version_conflict', 409)
  expect(refused.body.current).toMatchObject({ id, version, title: 'After' })
  expect(await rewind(`"${version}"`)).toMatchObject({ status: 200, body: { title: 'Before' } })
})

test('A DELETE that is repeated with its Idempotency-Key is no conflict with itself', async () => {
  const { path, version } = await conversation()
  const headers = { 'if-match': `"${version}"`, 'idempotency-key': newId() }
  for (let i = 0; i < 2; i++)
    expect((await alice.rest('DELETE', path, undefined, headers)).status).toBe(204)
})

describe('If-None-Match: *', () => {
  const headers = { 'if-none-match': '*' }

  test('on PUT refuses an entity that exists, and brings it', async () => {
    const { path, version } = await conversation()
    const refused = await alice.rest('PUT', path, { title: 'Third' }, headers)
    expectProblem(refused, 'version_conflict', 409)
    expect(refused.body.current).toMatchObject({ title: 'Second', version })
    const preferences = await alice.rest('PUT', '/users/me/preferences', { a: 1 }, headers)
    expectProblem(preferences, 'version_conflict', 409)
  })

  test('on PUT of a conversation that doesn’t exist is not_found: a PUT creates none', async () => {
    const reply = await alice.rest('PUT', `/conversations/${newId()}`, { title: 'x' }, headers)
    expectProblem(reply, 'not_found', 404)
  })

  test('with anything but * is invalid on PUT', async () => {
    const { path } = await conversation()
    const reply = await alice.rest('PUT', path, { title: 'x' }, { 'if-none-match': '"1"' })
    expectProblem(reply, 'invalid', 422)
  })
})

describe('a compressed body', () => {
  const imported = JSON.stringify({ source: 'lockstep', data: { conversations: [] } })
  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('in %s is refused as 415, also for an import', async (encoding, compress) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': encoding }
    const put = await alice.rest('PUT', '/users/me/preferences', compress('{}'), headers)
    expectProblem(put, 'invalid', 415)
    expectProblem(
      await alice.rest('POST', '/users/me/import', compress(imported), headers),
      'invalid',
      415,
    )
  })

  test('isn’t one if it is called identity', async () => {
    const headers = { 'content-encoding': 'identity' }
    expect((await alice.rest('PUT', '/users/me/preferences', '{}', headers)).status).toBe(200)
  })
})
