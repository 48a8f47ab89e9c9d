// What an operator limits for each user: exact whichever node is asked, told before it is reached,
// and never in the way of what frees room.
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Registry } from 'prom-client'
import { newId } from '@lockstep/protocol/ids'
import { startDiskWatch } from '../../realtime/observability/disk-watch.ts'
import { createDailyQuota } from '../../realtime/commands/daily-quota.ts'
import { startHousekeeping } from '../../realtime/commands/housekeeping.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { readFreeSpace } from '../../realtime/store/free-space.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { OpenAiServer, says } from '../agents/openai-server.ts'
import { freshDatabase, type TestDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { recordingLogger } from '../harness/recording-logger.ts'

const quotas = {
  bytes: 1_000_000,
  conversations: 20,
  runsDay: 6,
  tokensDay: 1_000,
  importBytesDay: 3_000,
}
const DAY_MS = 86_400_000

let server: OpenAiServer
let database: TestDatabase
let store: Database
let nodes: TestNode[]
beforeAll(async () => {
  server = await OpenAiServer.start()
  database = freshDatabase()
  const settings = {
    assistant: { baseUrl: server.url, apiKey: 'sk-secret', model: 'small' },
    assistantModels: ['medium'],
    quotas,
  }
  nodes = [await startNode(database, settings), await startNode(database, settings)]
  store = await openDatabase(database.url)
})
afterAll(async () => {
  for (const node of nodes ?? []) await node.stop()
  await store?.close()
  await server?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

const used = async (person: Person) =>
  Object.fromEntries(
    (await person.ask('getUsage')).quotas.map(({ name, ...quota }) => [name, quota] as const),
  )
/** The same person at each node. */
const everywhere = (person: Person) => nodes.map((node) => person.at(node))
/**
 * Sends the headers of an import, and `piece` again and again where one is given, until there is an
 * answer. The body never ends.
 */
async function beginImport(person: Person, headers: Record<string, string>, piece?: string) {
  const sent = request(`${person.url}/users/me/import`, {
    method: 'POST',
    headers: { cookie: person.cookie, 'content-type': 'application/json', ...headers },
  })
  sent.on('error', () => undefined) // the server may close it
  const answered = once(sent, 'response')
  sent.flushHeaders()
  const writing = setInterval(() => piece && sent.write(piece), 5)
  try {
    const [response] = (await answered) as [IncomingMessage]
    const body = (await json(response)) as Record<string, unknown>
    return { status: response.statusCode, body }
  } finally {
    clearInterval(writing)
    sent.destroy()
  }
}
const message = (bytes: number) => ({ role: 'user' as const, content: 'x'.repeat(bytes) })

describe('QUOTA_BYTES', () => {
  test('is too_large on every node once it is reached; what frees room goes on, and purging does', async () => {
    const person = await signUp(nodes[0]!)
    const [here, there] = everywhere(person) as [Person, Person]
    const ids = []
    for (let n = 0; n < 4; n++) {
      const body = { messages: [message(240_000)] }
      ids.push((await (n % 2 ? here : there).ask('createConversation', { body })).id)
    }
    expect((await used(here)).bytes).toMatchObject({ limit: quotas.bytes, resets_at: null })
    // what the other node has stored counts here when that node has projected it
    await eventually(async () => (await used(here)).bytes!.used > 960_000)
    const stored = (await used(here)).bytes!.used
    expect(stored).toBeLessThan(970_000)
    const title = `${'a '.repeat(200)}`
    const { token } = await here.ask('createToken', { body: { name: 'Program' } })
    const byToken = { cookie: '', authorization: `Bearer ${token}` }
    const large = { messages: [message(50_000)] }
    expect(await there.rest('POST', '/conversations', large, byToken)).toMatchObject({
      status: 413,
      body: { code: 'too_large' },
    })
    for (const at of [here, there])
      for (const [method, path, body] of [
        ['POST', '/conversations', { messages: [message(50_000)] }],
        ['PUT', `/conversations/${ids[0]}`, { title, metadata: { note: 'x'.repeat(60_000) } }],
        ['PUT', '/users/me/preferences', { note: 'x'.repeat(60_000) }],
        ['POST', '/agent-runs', { agent: 'demo', input: 'x'.repeat(50_000) }],
      ] as const)
        expect([path, await at.rest(method, path, body)]).toMatchObject([
          path,
          { status: 413, body: { code: 'too_large', limit_bytes: quotas.bytes } },
        ])
    // small things fit, signing in does, and so does all that removes
    await there.ask('putConversation', { params: { id: ids[1]! }, body: { pinned: true } })
    await person.signIn(nodes[1])
    await there.ask('purgeConversation', { params: { id: ids[0]! } })
    await eventually(async () => (await used(here)).bytes!.used < stored - 230_000)
    await here.ask('createConversation', { body: { messages: [message(240_000)] } })
    // the same command again finds its first outcome, even when there is no room
    const key = { 'idempotency-key': newId() }
    const first = await here.rest('POST', '/conversations', { messages: [message(30_000)] }, key)
    expect(first.status).toBe(201)
    const full = await there.rest('POST', '/conversations', { messages: [message(30_000)] })
    expect(full.status).toBe(413)
    const again = await there.rest('POST', '/conversations', { messages: [message(30_000)] }, key)
    expect([again.status, again.body.id]).toEqual([200, first.body.id])
  })

  test('counts drafts as well: many are too_large at once, and take room from everything else', async () => {
    const person = await signUp(nodes[0]!)
    const [here, there] = everywhere(person) as [Person, Person]
    const write = (at: Person, bytes: number, id = newId()) =>
      at.rest('PUT', `/users/me/drafts/${id}`, { place: 'new', text: 'x'.repeat(bytes) })
    const [first, ...more] = Array.from({ length: 4 }, () => newId())
    for (const id of [first!, ...more]) expect((await write(here, 240_000, id)).status).toBe(201)
    const stored = (await used(there)).bytes!.used
    expect(stored).toBeGreaterThan(959_000)
    const refused = { status: 413, body: { code: 'too_large', limit_bytes: quotas.bytes } }
    expect(await write(there, 50_000)).toMatchObject(refused)
    const body = { messages: [message(50_000)] }
    expect(await there.rest('POST', '/conversations', body)).toMatchObject(refused)
    // a person with few drafts may go on writing what can't be sent yet
    const writer = await signUp(nodes[0]!)
    const full = { messages: Array.from({ length: 4 }, () => message(245_000)) }
    expect((await writer.rest('POST', '/conversations', full)).status).toBe(201)
    expect(await writer.rest('POST', '/conversations', body)).toMatchObject(refused)
    expect((await write(writer, 200_000)).status).toBe(201)
    // shortening and removing go on, and free what they took
    expect((await write(there, 100_000, first)).status).toBe(200)
    await here.ask('deleteDraft', { params: { id: more[0]! } })
    expect((await used(here)).bytes!.used).toBeLessThan(stored - 370_000)
    expect((await there.rest('POST', '/conversations', body)).status).toBe(201)
  })

  test('counts what two nodes append at the same time, and no byte twice', async () => {
    const person = await signUp(nodes[0]!)
    const bodies = Array.from({ length: 16 }, () => ({ messages: [message(100_000)] }))
    const answers = await Promise.all(
      bodies.map((body, n) => everywhere(person)[n % 2]!.rest('POST', '/conversations', body)),
    )
    const created = answers.filter(({ status }) => status === 201).length
    expect(created).toBe(9)
    expect(answers.every(({ status }) => status === 201 || status === 413)).toBe(true)
    await eventually(async () => (await used(person)).bytes!.used > 900_000)
    const entries = await store.changes.find({ user_id: person.user.id }).toArray()
    const inserted = entries.reduce((sum, { content_bytes = 0 }) => sum + content_bytes, 0)
    expect(inserted).toBeGreaterThan(900_000)
    expect((await used(person)).bytes!.used).toBeLessThanOrEqual(quotas.bytes)
  })

  test('gets back what retention removes', async () => {
    const person = await signUp(nodes[0]!)
    await person.ask('createConversation', { body: { messages: [message(200_000)] } })
    await eventually(async () => (await used(person)).bytes!.used > 200_000)
    const housekeeping = startHousekeeping(
      store,
      { purgeTrashed: () => Promise.resolve() } as never,
      { logRetentionDays: 90, logger: createLogger('silent') },
    )
    await housekeeping.run(Date.now() + 91 * DAY_MS)
    await housekeeping.run(Date.now() + 91 * DAY_MS)
    await housekeeping.stop()
    const left = (await used(person)).bytes!.used
    expect(left).toBeLessThan(5_000)
    expect(left).toBeGreaterThan(0)
  })
})

test('the usage has how many devices of the user are on the node, and how many may be', async () => {
  const person = await signUp(nodes[0]!)
  expect((await used(person)).devices).toEqual({ used: 0, limit: 50, resets_at: null })
  const devices = [await person.device('account'), await person.device('account')]
  expect((await used(person)).devices!.used).toBe(2)
  for (const device of devices) device.close()
  await eventually(async () => (await used(person)).devices!.used === 0)
})

describe('quotas of a day', () => {
  test('of runs are rate_limited until the next day on every node, and count replies; what doesn’t begin doesn’t count', async () => {
    const person = await signUp(nodes[0]!)
    const [here, there] = everywhere(person) as [Person, Person]
    const run = (at: Person, key?: string) =>
      at.rest(
        'POST',
        '/agent-runs',
        { agent: 'demo', input: '/demo help' },
        key ? { 'idempotency-key': key } : {},
      )
    const key = newId()
    const first = await run(here, key)
    expect(first.status).toBe(202)
    expect([(await run(there, key)).body.id, (await run(here, key)).body.id]).toEqual([
      first.body.id,
      first.body.id,
    ])
    const lost = { agent: 'demo', input: 'x', conversation_id: newId() }
    expect((await here.rest('POST', '/agent-runs', lost)).status).toBe(404)
    const { id } = await here.ask('createConversation', { body: { messages: [message(3)] } })
    await using device = await there.device('conversations')
    await device.done('reply', { conversation_id: id, agent: 'demo' })
    await device.until('change', ({ op }) => op === 'finished', 20_000)
    expect((await used(there)).runs_day).toMatchObject({ used: 2, limit: 6 })
    for (let n = 0; n < 4; n++) {
      await eventually(async () => (await run(n % 2 ? here : there)).status === 202, {
        within: 20_000,
      })
    }
    await eventually(
      async () => (await here.ask('listRuns')).items.every(({ ended_at }) => ended_at !== null),
      { within: 20_000 },
    )
    for (const at of [here, there]) {
      const refused = await run(at)
      expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
      const seconds = Number(refused.headers.get('retry-after'))
      const midnight = new Date((await used(at)).runs_day!.resets_at!)
      expect(Math.abs(+midnight - Date.now() - seconds * 1_000)).toBeLessThan(5_000)
      expect(midnight.toISOString()).toMatch(/T00:00:00.000Z$/)
    }
    expect(await device.refused('reply', { conversation_id: id })).toMatchObject({
      code: 'rate_limited',
    })
    expect((await run(here, key)).body.id).toBe(first.body.id)
    expect((await used(here)).runs_day).toMatchObject({ used: 6 })
  })

  test('of tokens count what the provider reports, or an estimate from the text, and are exceeded by one reply at most', async () => {
    const person = await signUp(nodes[0]!)
    const ask = async (...said: Parameters<typeof says>) => {
      server.answerWith(says(...said))
      const { id } = await person.ask('createRun', { body: { agent: 'assistant', input: 'Why?' } })
      await eventually(
        async () => (await person.ask('getRun', { params: { id } })).status === 'complete',
      )
    }
    await ask('Because.', { prompt_tokens: 300, completion_tokens: 500 })
    await eventually(async () => (await used(person)).tokens_day?.used === 800)
    await ask('x'.repeat(1_200))
    await eventually(async () => (await used(person)).tokens_day!.used >= 1_100)
    expect((await used(person)).tokens_day!.used).toBeLessThan(1_110)
    const body = { agent: 'assistant', input: 'And now?' }
    expect(await person.at(nodes[1]!).rest('POST', '/agent-runs', body)).toMatchObject({
      status: 429,
      body: { detail: expect.stringContaining('tokens of today') as string },
    })
  })

  test('begin anew at midnight, and are exact in parallel', async () => {
    const day = Date.UTC(2026, 0, 31, 23, 30)
    let now = new Date(day)
    const logger = createLogger('silent')
    const quota = createDailyQuota(store, { runs: 5 }, { logger, now: () => now })
    const user_id = newId()
    const begin = async () =>
      (await Promise.all(Array.from({ length: 12 }, () => quota.beginRun(user_id)))).filter(
        (refusal) => refusal === undefined,
      ).length
    expect(await begin()).toBe(5)
    expect((await quota.beginRun(user_id))!.extra.retry_after_ms).toBe(30 * 60_000)
    await quota.giveRunBack(user_id)
    expect(await begin()).toBe(1)
    now = new Date(day + 3_600_000)
    expect(await begin()).toBe(5)
  })

  test('of imported bytes are rate_limited, and dry runs count too', async () => {
    const person = await signUp(nodes[0]!)
    const send = (at: Person) =>
      at.rest('POST', '/users/me/import', {
        source: 'lockstep',
        data: { conversations: [{ id: newId(), title: 'x'.repeat(450), messages: [] }] },
        dry_run: true,
      })
    const statuses = []
    for (let n = 0; n < 9; n++) statuses.push((await send(everywhere(person)[n % 2]!)).status)
    expect(statuses.indexOf(429)).toBeGreaterThan(3)
    expect(statuses.slice(statuses.indexOf(429)).every((status) => status === 429)).toBe(true)
    const { used: bytes, limit, resets_at } = (await used(person)).import_bytes_day!
    expect(limit).toBe(quotas.importBytesDay)
    expect(bytes).toBeGreaterThan(limit - 600)
    expect(bytes).toBeLessThanOrEqual(limit)
    expect(resets_at).toMatch(/T00:00:00.000Z$/)
  })

  test('of imported bytes can’t be passed by one large import, announced or not, nor by many at once', async () => {
    const person = await signUp(nodes[0]!)
    const left = { status: 429, body: { code: 'rate_limited' } }
    const announced = await beginImport(person, { 'content-length': '3001' })
    expect(announced).toMatchObject(left)
    const stream = await beginImport(person, { 'transfer-encoding': 'chunked' }, 'x'.repeat(1_000))
    expect(stream).toMatchObject(left)
    for (const { body } of [announced, stream]) {
      expect(body.detail).toContain('3000 bytes that you may import today')
      expect(body.retry_after_ms).toBeGreaterThan(0)
    }
    // as much as a spooled body has
    const large = await beginImport(
      person,
      { 'transfer-encoding': 'chunked' },
      'x'.repeat(1_500_000),
    )
    expect(large).toMatchObject(left)
    expect((await used(person)).import_bytes_day!.used).toBe(0)

    const body = { source: 'lockstep', data: { conversations: [] }, dry_run: true }
    const bytes = JSON.stringify(body).length
    const exact = { ...body, data: { conversations: [], pad: 'x'.repeat(1_400 - bytes - 9) } }
    expect(JSON.stringify(exact)).toHaveLength(1_400)
    const statuses = await Promise.all(
      Array.from({ length: 3 }, (_, n) =>
        everywhere(person)[n % 2]!.rest('POST', '/users/me/import', exact),
      ),
    )
    expect(statuses.map(({ status }) => status).toSorted()).toEqual([200, 200, 429])
    expect((await used(person)).import_bytes_day!.used).toBe(2_800)
    expect((await person.rest('POST', '/users/me/import', body)).status).toBe(200)
    expect((await used(person)).import_bytes_day!.used).toBe(2_800 + bytes)
  })
})

test('ASSISTANT_MODELS lists the models that users may name; another one is invalid and never asked for', async () => {
  const person = await signUp(nodes[0]!)
  for (const at of everywhere(person))
    expect((await at.ask('getUsage')).models).toEqual(['small', 'medium'])
  const agent_settings = {
    allowed: { name: 'A', model: 'medium' },
    costly: { name: 'B', model: 'large' },
    assistant: { model: '' },
  }
  await person.ask('putPreferences', { body: { agent_settings } })
  server.answerWith(says('Yes.'))
  server.questions.length = 0
  const { id } = await person.ask('createRun', { body: { agent: 'allowed', input: 'May you?' } })
  await eventually(async () => (await person.ask('getRun', { params: { id } })).ended_at !== null)
  const refused = await person.rest('POST', '/agent-runs', { agent: 'costly', input: 'You?' })
  expect(refused).toMatchObject({
    status: 422,
    body: { code: 'invalid', issues: [{ path: 'agent' }] },
  })
  expect(refused.body.detail).toContain('small, medium')
  const chat = await person.ask('createConversation', { body: { messages: [message(3)] } })
  await using device = await person.device('conversations')
  expect(
    await device.refused('reply', { conversation_id: chat.id, agent: 'costly' }),
  ).toMatchObject({ code: 'invalid' })
  expect(server.questions.map(({ body }) => body.model)).toEqual(['medium'])
})

test('QUOTA_CONVERSATIONS counts conversations, the trash included, and is shown', async () => {
  const person = await signUp(nodes[0]!)
  for (let n = 0; n < 20; n++) await person.ask('createConversation', { body: {} })
  expect((await used(person)).conversations).toMatchObject({ used: 20, limit: 20 })
  expect((await person.rest('POST', '/conversations', {})).status).toBe(422)
})

test('a filling disk is told at each step, before it is full, and is a metric', async () => {
  const { logger, lines } = recordingLogger()
  const metrics = new Registry()
  let free = 90
  const total = 100 * 1024 ** 3
  const watch = startDiskWatch({
    read: () => Promise.resolve({ free: (total / 100) * free, total }),
    ...{ logger, metrics },
  })
  const levels: unknown[] = []
  for (free of [90, 21, 19, 18, 9, 4, 2, 50, 9]) {
    const before = lines.length
    await watch.look()
    levels.push(lines[before] ? (JSON.parse(lines[before]) as { level: unknown }).level : null)
  }
  await watch.stop()
  expect(levels).toEqual([null, null, 40, null, 40, 50, null, null, 40])
  expect(await metrics.metrics()).toContain(`lockstep_disk_free_bytes ${(total / 100) * 9}`)
  const space = await readFreeSpace(store, '/')
  expect(space!.free).toBeGreaterThan(0)
  expect(space!.total).toBeGreaterThan(space!.free)
})
