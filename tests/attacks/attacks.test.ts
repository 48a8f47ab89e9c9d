// Every route and every command, requested by everybody who may not, and with every value that
// shouldn't be sent. Before an attack, the owner shows that the request itself is valid. After it,
// the owner's log, account and sessions are unchanged.
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errors, type ErrorCode } from '@lockstep/protocol/error-codes'
import { newId } from '@lockstep/protocol/ids'
import { routes, type Route } from '@lockstep/protocol/rest'
import type { RouteName } from '@lockstep/protocol/route-paths'
import { wireCommands } from '@lockstep/protocol/commands'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { PROTOCOL } from '@lockstep/protocol/version'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { hashOf } from '../../realtime/commands/secret-links.ts'
import { setReset } from '../../realtime/store/users.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import type { Device } from '../harness/device.ts'
import { request, signUp, type Person, type HttpResponse } from '../harness/person.ts'
import { RawSocket } from '../harness/raw-socket.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { named } from './security-requests.ts'
import { commandPayloads, owner, routeRequests, SECRET, strangers } from './valid-requests.ts'
import {
  injected,
  injections,
  LONG,
  impostors,
  SEALED_WITH,
  altered,
  truthOf,
  wellMade,
  type Disguise,
} from './attackers.ts'

const often = { rate: 1e6, burst: 1e6 }
/** The key of the operator's other servers; no user has it. */
const serviceKey = `lsk_${randomBytes(32).toString('base64url')}`
const shared = sharedNodes(1, {
  serviceKeys: [createHash('sha256').update(serviceKey).digest('hex')],
  webhookAllow: ['127.0.0.1'],
  sessionSecrets: [SEALED_WITH],
  options: {
    http: { ...httpSettings, userRate: often, addressRate: often },
    gateway: { ...gatewaySettings, events: often, eventsPerUser: often, refusals: 1e6 },
  },
})

interface Asked {
  params?: Record<string, string>
  query?: Record<string, unknown>
  body?: unknown
}
type Payload = Record<string, unknown>
const table: Record<string, Route> = routes
const names = Object.keys(routes) as RouteName[]
const answersToCommands = new Map(
  Object.entries(strangers.commands).flatMap(([topic, answers]) =>
    Object.entries(answers).map(([name, answer]) => [`${topic} ${name}`, answer] as const),
  ),
)
const all = topics.flatMap((topic) =>
  [...wireCommands[topic].keys()].map((name) => [topic, name] as const),
)
async function askOf(name: RouteName, of: Person): Promise<Asked> {
  if (name === 'deleteWebhook' || name === 'replayWebhook') {
    const { body } = (await routeRequests.createWebhook(of)) as Asked
    const made = await send('createWebhook', { body }, { authorization: `Bearer ${serviceKey}` })
    return { ...((await routeRequests[name](of)) as Asked), params: { id: String(made.body.id) } }
  }
  if (name !== 'resetPassword') return (await routeRequests[name](of)) as Asked
  const ask = await routeRequests.resetPassword(of)
  const hash = hashOf(ask.body!.token.split('.')[1]!)
  await setReset(database, of.user.id, { hash, expires_at: new Date(Date.now() + 600_000) })
  return ask
}
const payloadOf = async (topic: Topic, name: string, of: Person) => {
  const payload = await (
    commandPayloads[topic] as Record<string, (of: Person) => Promise<Payload>>
  )[name]!(of)
  return wireCommands[topic].get(name)!.logged ? { mutation_id: newId(), ...payload } : payload
}

let database: Database
let [alice, bob]: Person[] = []
/** Everybody who was an owner in a test. Nobody else may ever receive one of their ids. */
const owners: Person[] = []
/** Bob's devices listen on all topics, over one connection. */
let listeners: Record<Topic, Device>
const requests = new Map<string, Asked>()
const payloads = new Map<string, Payload>()
let before: unknown

beforeAll(async () => {
  database = await openDatabase(shared.database.url)
  ;[alice, bob] = [await owner(shared.node), await signUp(shared.node, 'bob')]
  owners.push(alice)
  const account = await bob.device('account')
  const others = topics.filter((topic) => topic !== 'account')
  const beside = others.map(
    async (topic) => [topic, await bob!.device(topic, { beside: account })] as const,
  )
  // Assertion: `topics` has every topic.
  listeners = { account, ...Object.fromEntries(await Promise.all(beside)) } as typeof listeners
  for (const name of names) requests.set(name, await askOf(name, alice))
  await alice.ask('turnOffSecondStep') // from now on, her password alone signs in again
  for (const [topic, name] of all)
    payloads.set(`${topic} ${name}`, await payloadOf(topic, name, alice))
  before = await truthOf(database, alice.user.id)
})
afterAll(async () => {
  listeners.account.close()
  await database.close()
})

function send(
  name: string,
  { params = {}, query = {}, body }: Asked,
  headers: Record<string, string> = {},
) {
  const { method, path, streamed } = table[name]!
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(params[key]!))
  const search = new URLSearchParams(query as Record<string, string>).toString()
  return request(
    `${named(shared.node.url)}${filled}${search && `?${search}`}`,
    method,
    streamed ? `${JSON.stringify(body)}\n{"done":true}\n` : body,
    { ...(streamed && { 'content-type': 'application/x-ndjson' }), ...headers },
  )
}
/** How somebody who may do so asks: with a cookie, or with the service key. */
const by = (name: RouteName, { cookie }: Person): Record<string, string> =>
  table[name]!.access === 'service' ? { authorization: `Bearer ${serviceKey}` } : { cookie }
const refused = (code: ErrorCode, status: number = errors[code].status) => ({
  status,
  body: { code, status },
})
const unacked = (code: ErrorCode) => ({ ok: false, error: { code, status: errors[code].status } })

/** Expects that `shown` contains nothing of an owner. */
function isNobodys(shown: unknown): void {
  const text = JSON.stringify(shown)
  for (const trace of [SECRET, ...owners.flatMap(({ user, session }) => [user.id, session.id])])
    expect(text).not.toContain(trace)
}

describe('the owner succeeds, and another user with the same request, before and after, does not', () => {
  /** New users, because some requests end a session or an account. */
  const freshPeople = async () => {
    const [her, his] = [await owner(shared.node), await signUp(shared.node, 'stranger')]
    owners.push(her)
    return { her, his, truth: () => truthOf(database, her.user.id) }
  }

  test.each(names)('%s', async (name) => {
    const { her, his, truth } = await freshPeople()
    const ask = await askOf(name, her)
    const neverWas = { ...ask, params: { ...ask.params, id: newId() } }
    const expected = strangers.routes[name]
    const stranger = async ({ cookie }: Person, headers: Record<string, string> = {}) => {
      const was = await truth()
      const reply: HttpResponse = await send(name, ask, { cookie, ...headers })
      if (expected === 'own' || expected === 'open') expect(reply.status).toBeLessThan(300)
      else expect(reply).toMatchObject(refused(expected))
      if (ask.params && 'id' in ask.params && expected !== 'own')
        expect(reply.body).toEqual((await send(name, neverWas, { cookie })).body)
      isNobodys(reply.body)
      expect(await truth()).toEqual(was)
    }
    const { method, open, access, status, answer } = table[name]!
    expect(expected === 'open').toBe(open === true)
    if (!open && expected !== 'username_taken') await stranger(his)
    const key = { 'idempotency-key': newId() }
    const was = await truth()
    const reply = await send(name, ask, { ...by(name, her), ...key })
    expect([reply.status, reply.body]).toMatchObject([status, expect.anything()])
    answer?.parse(reply.body)
    const changes = method !== 'GET' && !name.startsWith('begin')
    if (changes && !open && access !== 'service') expect(await truth()).not.toEqual(was)
    if (!open) await stranger(name.startsWith('logout') ? await his.signIn() : his, key)
  })

  test.each(all)('%s %s', async (topic, name) => {
    const { her, his, truth } = await freshPeople()
    const payload = await payloadOf(topic, name, her)
    const expected = answersToCommands.get(`${topic} ${name}`)!
    await using hers = await her.device(topic)
    await using theirs = await his.device(topic)
    const stranger = async (mutation_id: unknown) => {
      const was = await truth()
      const ack = await theirs.send(name, mutation_id ? { ...payload, mutation_id } : payload)
      expect(ack).toMatchObject(expected === 'own' ? { ok: true } : unacked(expected))
      isNobodys(ack)
      expect(await truth()).toEqual(was)
    }
    await stranger(payload.mutation_id && newId())
    const was = await truth()
    expect(await hers.send(name, payload)).toMatchObject({ ok: true })
    if (payload.mutation_id) expect(await truth()).not.toEqual(was)
    await stranger(payload.mutation_id)
    isNobodys(theirs.packets)
  })
})

describe.each(Object.keys(impostors))('one %s', (who) => {
  let disguise: Disguise
  beforeAll(async () => {
    disguise = await impostors[who]!({ alice: alice!, bob: bob!, database })
    before = await truthOf(database, alice!.user.id)
  })

  test('is nobody on every route', async () => {
    const { cookie = '', user_id } = disguise
    for (const name of names.filter(
      (name) => !table[name]!.open && table[name]!.access !== 'service',
    )) {
      const reply = await send(name, requests.get(name)!, {
        cookie,
        ...(user_id && { 'lockstep-user': user_id }),
      })
      expect([name, reply]).toMatchObject([name, refused('unauthenticated')])
    }
    expect(await truthOf(database, alice!.user.id)).toEqual(before)
  })

  test.each(topics)('may not join /%s, and executes no command without joining', async (topic) => {
    const { cookie, user_id } = disguise
    using socket = await RawSocket.open(shared.node.url, cookie ? { cookie } : {})
    socket.send(
      `40/${topic},${JSON.stringify({ protocol: PROTOCOL, user_id, since: { epoch: 'x', seq: 0 } })}`,
    )
    const refusal = await socket.inbox.until<string>('frame', (frame) =>
      frame.startsWith(`44/${topic},`),
    )
    expect(refusal).toContain('"code":"unauthenticated"')
    const told = socket.inbox.received.length
    for (const name of wireCommands[topic].keys())
      socket.send(`42/${topic},1${JSON.stringify([name, payloads.get(`${topic} ${name}`)])}`)
    await socket.closed
    expect(socket.inbox.received.slice(told)).toEqual([])
    expect(await truthOf(database, alice!.user.id)).toEqual(before)
  })
})

test('a cookie made in the same way, valid now, is the owner’s', async () => {
  for (const { cookie } of await wellMade({ alice: alice! }))
    expect(await send('getMe', {}, { cookie: cookie! })).toMatchObject({
      status: 200,
      body: { user: alice!.user },
    })
})

describe('a page of another site, which a browser sends the owner’s cookie along with,', () => {
  const changing = names.filter((name) => table[name]!.method !== 'GET')
  test.each(['https://evil.example', 'null'])(
    'is forbidden_origin wherever it could change or receive something: %s',
    async (origin) => {
      before = await truthOf(database, alice!.user.id)
      for (const name of changing) {
        const reply = await send(name, requests.get(name)!, { cookie: alice!.cookie, origin })
        expect([name, reply]).toMatchObject([name, refused('forbidden_origin')])
      }
      for (const topic of topics)
        await expect(alice!.device(topic, { headers: { origin } })).rejects.toMatchObject({
          data: { code: 'forbidden_origin' },
        })
      expect(await truthOf(database, alice!.user.id)).toEqual(before)
    },
  )
})

describe('the owner’s own program', () => {
  beforeAll(async () => {
    before = await truthOf(database, alice!.user.id)
  })

  /** Routes whose whole body may have 16 KB. */
  const isSmall = (name: string) =>
    /^\/auth\/|^\/users\/me\/(?:password|passkeys|second-step)/.test(table[name]?.path ?? '')
  /**
   * Content of free-form objects and messages is too large, and so is any long text where the whole
   * body must be small; any other long text is invalid.
   */
  const tooLong = (path: string[], name: string): ErrorCode =>
    ['content', 'input', 'text', 'note'].includes(path.at(-1)!) || isSmall(name)
      ? 'too_large'
      : 'invalid'
  /**
   * Exports of other products are accepted in any form and cleaned
   * (tests/user-data/sources.test.ts).
   */
  const isForeign = (name: string, path: string[]) => name === 'importMe' && path[0] === 'data'

  const places = (
    value: unknown,
    name = '',
  ): { path: string[]; value: unknown; code: ErrorCode }[] =>
    [
      ...injected(value).map((bad) => ({ ...bad, code: 'invalid' as const })),
      ...[...altered(value, LONG)].map((bad) => ({ ...bad, code: tooLong(bad.path, name) })),
    ].filter(({ path }) => !isForeign(name, path))

  test.each(names)('with a harmful value in any place of %s is refused', async (name) => {
    const { params = {}, query = {}, body } = requests.get(name)!
    const attempts: { code: ErrorCode; path: string[]; ask: Asked }[] = []
    // a line of a stream is refused when the rest has been taken: see tests/agents/host-replies
    const isWhole = body !== undefined && !table[name]!.streamed
    for (const { path, value, code } of isWhole ? places(body, name) : [])
      attempts.push({ code, path, ask: { params, query, body: value } })
    for (const bad of [
      ...injections.map((put) => JSON.stringify(put)),
      'x'.repeat(2_000),
      '../me',
      '%00',
      `${newId()}x`,
      newId().slice(1),
    ])
      for (const key of Object.keys(params))
        attempts.push({
          code: 'invalid',
          path: [key, bad],
          ask: { params: { [key]: bad }, query, body },
        })
    for (const key of [
      '$where',
      '__proto__',
      'a.b',
      ...Object.keys(query).flatMap((name) => [`${name}[$gt]`, `${name}.x`]),
    ])
      attempts.push({
        code: 'invalid',
        path: [key],
        ask: { params, query: { ...query, [key]: '1' }, body },
      })
    if (isWhole && name !== 'importMe')
      attempts.push({
        code: 'too_large',
        path: ['2 MB'],
        ask: { params, query, body: { pad: 'x'.repeat(2 * 1024 * 1024) } },
      })
    const attempt = async ({ code, path, ask }: (typeof attempts)[number]) => {
      const reply = await send(name, ask, by(name, alice!))
      expect([path, reply.status, reply.body.code]).toEqual([path, errors[code].status, code])
    }
    await Promise.all(attempts.map(attempt))
    expect(await truthOf(database, alice!.user.id)).toEqual(before)
  })

  test.each(all)('with a harmful value in any place of %s %s is refused', async (topic, name) => {
    await using device = await alice!.device(topic)
    const attempt = async ({ path, value, code }: ReturnType<typeof places>[number]) =>
      expect([path, await device.send(name, value)]).toMatchObject([path, unacked(code)])
    await Promise.all(places(payloads.get(`${topic} ${name}`)).map(attempt))
    expect(await truthOf(database, alice!.user.id)).toEqual(before)
  })
})

test('nobody received a byte of another user’s data in all that time, while owners received theirs', async () => {
  await using hers = await alice!.device('preferences')
  await alice!.ask('putPreferences', { body: { note: SECRET } })
  // Bob's own change comes last on the same feed, so everything sent to him earlier has arrived.
  const { seq } = await bob!.ask('putPreferences', { body: { fence: newId() } })
  await listeners.preferences.until('change', (change) => change.seq === seq)
  await hers.until('change', ({ data }) => JSON.stringify(data).includes(SECRET))
  isNobodys(listeners.preferences.packets)
})
