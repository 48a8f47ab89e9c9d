// What a trusted proxy passes on without a browser: programs that keep no cookie. They act for the
// user and begin no session, so they never push out the session of a person. A browser begins the
// session that it is offered by bringing the cookie back.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { createSessions } from '../../realtime/auth/sessions.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { Upload } from '../agents/upload.ts'
import { Device } from '../harness/device.ts'
import { eventually } from '../harness/eventually.ts'
import { cookieOf, Person, request } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { expectProblem } from '../rest/http-fixture.ts'
import { by, proxySecret } from './proxy-headers.ts'

const trustedProxy = { userHeader: 'x-user', secrets: [proxySecret] }
const shared = sharedNodes(2, { trustedProxy, trustProxy: 1, withoutPasswords: true })
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

const me = (headers: Record<string, string>, { url } = shared.node) =>
  request(`${url}/users/me`, 'GET', undefined, headers)
const sessionsOf = (user_id: string) => database.sessions.find({ user_id }).toArray()
const opsOf = async (user_id: string): Promise<string[]> =>
  (await database.changes.find({ user_id, topic: 'account' }).sort({ seq: 1 }).toArray()).map(
    ({ op }) => op,
  )

/** The cookie that a new user's browser is offered by its first request. */
async function offered(subject = `subject-${newId()}`) {
  const { headers, body } = await me(by(subject))
  const { user, session } = body as unknown as ConstructorParameters<typeof Person>[1]
  return { subject, user, session, cookie: cookieOf(headers) }
}
/** The same, and the browser has come back with it. */
async function browser(subject?: string) {
  const { user, session, cookie, ...rest } = await offered(subject)
  const person = new Person(shared.node.url, { user, session }, cookie, '')
  expect(await person.ask('getMe')).toMatchObject({ user, session })
  return Object.assign(person, rest)
}

describe('a call through the proxy without a browser', () => {
  test('begins no session, and 107 of them leave a device signed in', async () => {
    const alice = await browser()
    await using device = await alice.device('conversations')
    await using account = await alice.device('account')
    const agents = [
      '',
      'curl/8.5.0',
      'my-host/1.0',
      'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0',
    ]
    const calls = Array.from({ length: 107 }, (_, n) => {
      const { url } = shared.nodes[n % 2]!
      const headers = by(alice.subject, { 'user-agent': agents[n % agents.length]! })
      return n % 3 === 0
        ? request(`${url}/conversations`, 'POST', { title: `Call ${n}` }, headers)
        : request(
            `${url}${n % 3 === 1 ? '/users/me' : '/conversations'}`,
            'GET',
            undefined,
            headers,
          )
    })
    const replies = await Promise.all(calls)
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200, 201]))
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(36)
    await eventually(
      () => device.inbox.received.filter(({ event }) => event === 'change').length === 36,
    )
    for (const { event, payload } of device.inbox.received)
      if (event === 'change') expect(payload).toMatchObject({ actor: { session_id: null } })
    expect((await sessionsOf(alice.user.id)).map(({ _id }) => _id)).toEqual([alice.session.id])
    expect((await alice.ask('listSessions')).items).toHaveLength(1)
    expect(await opsOf(alice.user.id)).toEqual(['session_created'])
    expect([device.connected, account.connected]).toEqual([true, true])
  })

  test('may do all that a user may: sign out, which changes nothing, and write a reply', async () => {
    const alice = await browser()
    const headers = by(alice.subject)
    const out = await request(`${shared.node.url}/auth/logout`, 'POST', undefined, headers)
    expect(out.status).toBe(204)
    const { id } = await alice.ask('createConversation', { body: {} })
    const upload = new Upload(alice, id, { headers: { ...headers, cookie: '' } })
    upload.send({ text: 'From the host' })
    const text = async () => (await alice.ask('getConversation', { params: { id } })).messages[0]
    await eventually(async () => (await text())?.content === 'From the host')
    upload.send({ done: true })
    expect((await upload.answer).body).toMatchObject({ status: 'complete', length: 13 })
    const other = new Upload(alice, id, { headers: { ...headers, cookie: '' } })
    other.send({ text: 'More' })
    const both = async () => (await alice.ask('getConversation', { params: { id } })).messages
    await eventually(async () => (await both())[1]?.content === 'More')
    await database.users.updateOne({ _id: alice.user.id }, { $set: { locked: true } })
    await expect(other.answer).rejects.toThrow()
    expectProblem(await me(headers), 'unauthenticated', 401)
    expect(await sessionsOf(alice.user.id)).toHaveLength(1)
  })
})

describe('an offered session', () => {
  test('begins once, however many requests and sockets of its browser come at once', async () => {
    for (let round = 0; round < 5; round++) {
      const alice = await offered()
      expect(await sessionsOf(alice.user.id)).toEqual([])
      const { cookie } = alice
      const sockets = shared.nodes.map(({ url }) => Device.open(url, cookie, 'conversations', {}))
      const asking = shared.nodes.flatMap((node) => [me({ cookie }, node), me({ cookie }, node)])
      for (const { status, body } of await Promise.all(asking)) {
        expect(status).toBe(200)
        expect(body).toMatchObject({ user: alice.user, session: alice.session })
      }
      for (const device of await Promise.all(sockets)) {
        expect(device.connected).toBe(true)
        await device[Symbol.asyncDispose]()
      }
      expect((await sessionsOf(alice.user.id)).map(({ _id }) => _id)).toEqual([alice.session.id])
      expect(await opsOf(alice.user.id)).toEqual(['session_created'])
    }
  })

  test('never begins again after it has ended, and the proxy’s user is offered another', async () => {
    const { subject, cookie, user, session } = await browser()
    expect((await request(`${shared.node.url}/auth/logout`, 'POST', {}, { cookie })).status).toBe(
      204,
    )
    for (const node of shared.nodes)
      expectProblem(await me({ cookie }, node), 'unauthenticated', 401)
    await expect(Device.open(shared.node.url, cookie, 'account', {})).rejects.toMatchObject({
      data: { code: 'unauthenticated' },
    })
    expect(await sessionsOf(user.id)).toEqual([])
    const next = await me(by(subject, { cookie }))
    expect(next.body).toMatchObject({ user })
    expect(next.body.session).not.toMatchObject({ id: session.id })
    expect(await opsOf(user.id)).toEqual(['session_created', 'session_revoked'])
  })

  test('doesn’t begin for a user who was locked or deleted meanwhile', async () => {
    for (const $set of [{ locked: true }, { closing: true }, { waiting: true }] as const) {
      const { cookie, user } = await offered()
      await database.users.updateOne({ _id: user.id }, { $set: $set as object })
      expectProblem(await me({ cookie }), 'unauthenticated', 401)
      expect(await sessionsOf(user.id)).toEqual([])
    }
  })

  test('doesn’t begin after two minutes', async () => {
    let now = Date.now()
    const begun: string[] = []
    const sessions = createSessions({
      ...{ database, secrets: ['a secret that only the tests know, 32+'], now: () => now },
      logger: createLogger('silent'),
      beginOffered: (id) => Promise.resolve(void begun.push(id)),
    })
    const offer = { user_id: newId(), device: 'curl', address: '', created_at: now }
    const cookie = (await sessions.cookie.issue('offered', true, offer)).split(';')[0]
    now += 119_000
    await sessions.identify(cookie)
    expect(begun).toEqual(['offered'])
    now += 2_000
    expect(await sessions.identify(cookie)).toBeUndefined()
    expect(begun).toEqual(['offered'])
  })

  test('ends one without a socket if there are too many, never one that has an open socket', async () => {
    const alice = await browser()
    await using device = await alice.device('conversations')
    const [first] = await sessionsOf(alice.user.id)
    const others = Array.from({ length: limits.sessionsPerUser - 1 }, () => ({
      ...first!,
      ...{ _id: newId(), created_at: new Date() },
    }))
    await database.sessions.insertMany(others)
    const next = await browser(alice.subject)
    const left = (await sessionsOf(alice.user.id)).map(({ _id }) => _id)
    expect(left).toHaveLength(limits.sessionsPerUser)
    expect(left).toEqual(expect.arrayContaining([alice.session.id, next.session.id]))
    expect(device.connected).toBe(true)
  })
})
