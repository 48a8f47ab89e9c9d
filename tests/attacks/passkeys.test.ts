// Attacks on passkeys and on the second step: answers that a browser would never send, challenges
// of others, codes that were used, and guesses. Two nodes share the database, because what one node
// began any other must be able to finish, and to refuse.
import { beforeAll, afterAll, describe, expect, test } from 'vitest'
import type { PasskeyOptions } from '@lockstep/protocol/passkeys'
import { totpCode, totpStep } from '../../realtime/auth/totp.ts'
import { createWebAuthn, relyingParty } from '../../realtime/auth/webauthn.ts'
import { createTickets } from '../../realtime/auth/tickets.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { Authenticator, type Twist } from '../harness/authenticator.ts'
import { cookieOf, request, signUp, type Person } from '../harness/person.ts'
import { startNode } from '../harness/node.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { expectProblem } from '../rest/http-fixture.ts'
import { appOf, fromBase32, named, passkeyOf, ticketOf } from './security-requests.ts'

const shared = sharedNodes(2)
let database: Database
let [node, other]: { url: string }[] = []
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
  ;[node, other] = shared.nodes.map(({ url }) => ({ url: named(url) }))
})
afterAll(() => database.close())

const person = (name: string) => signUp(node!, name)
const optionsFor = async (at = node!, body: object = {}) =>
  (await request<PasskeyOptions>(`${at.url}/auth/passkeys/options`, 'POST', body)).body
const enter = (passkey: unknown, at = node!, headers = {}) =>
  request(`${at.url}/auth/passkeys`, 'POST', { passkey }, headers)
const finish = (body: object, at = node!) => request(`${at.url}/auth/second-step`, 'POST', body)
const sessions = (of: Person) => database.sessions.countDocuments({ user_id: of.user.id })

describe('a passkey', () => {
  test('signs in without a name or a password, and tells the other devices', async () => {
    const alice = await person('alice')
    await using device = await alice.device('account')
    const { authenticator, id } = await passkeyOf(alice, '  My phone ')
    const { data, actor } = await device.until('change', ({ op }) => op === 'security_changed')
    expect([data, actor.session_id]).toEqual([{ what: 'passkey_added' }, alice.session.id])
    const { status, body, headers } = await enter(authenticator.prove(await optionsFor()))
    expect([status, body.user]).toEqual([200, alice.user])
    const cookie = { cookie: cookieOf(headers) }
    const me = await request<{ user: object }>(`${node!.url}/users/me`, 'GET', undefined, cookie)
    expect(me.body.user).toEqual(alice.user)
    const { passkeys, second_step } = await alice.ask('getSecurity')
    expect(passkeys).toMatchObject([{ id, name: 'My phone', host: 'localhost' }])
    expect(Date.parse(passkeys[0]!.last_used_at!)).toBeGreaterThan(Date.now() - 60_000)
    expect(second_step).toEqual({ on: false, app: false, recovery_codes: 0 })
    await alice.ask('renamePasskey', { params: { id }, body: { name: 'Old phone' } })
    await alice.ask('removePasskey', { params: { id } })
    expect((await alice.ask('getSecurity')).passkeys).toEqual([])
    expectProblem(await enter(authenticator.prove(await optionsFor())), 'invalid_credentials', 401)
    const { items } = await alice.ask('listActivity', { query: { topic: 'account' } })
    expect(items.map(({ summary }) => summary)).toEqual(
      expect.arrayContaining(['Added a passkey', 'Renamed a passkey', 'Removed a passkey']),
    )
  })

  test('ends the session that its browser had before, and so does a second step', async () => {
    const alice = await person('alice')
    const { authenticator } = await passkeyOf(alice)
    const earlier = { cookie: alice.cookie }
    const isIn = async (cookie: string) =>
      (await request(`${node!.url}/users/me`, 'GET', undefined, { cookie })).status === 200
    const { headers } = await enter(authenticator.prove(await optionsFor()), node, earlier)
    expect([await isIn(alice.cookie), await isIn(cookieOf(headers))]).toEqual([false, true])

    const bob = await person('bob')
    const { recovery_codes } = await appOf(bob)
    const { ticket } = await ticketOf(bob)
    const code = recovery_codes[0]!
    const second = await request(
      ...([`${node!.url}/auth/second-step`, 'POST', { ticket, code }] as const),
      { cookie: bob.cookie },
    )
    expect([second.status, await isIn(bob.cookie)]).toEqual([200, false])
  })

  const foreign: [string, (authenticator: Authenticator) => Twist][] = [
    ['another origin', () => ({ origin: 'https://evil.example' })],
    ['another port', ({ origin }) => ({ origin: origin.replace(/\d+$/, '1') })],
    ['a page below ours', ({ origin }) => ({ origin: origin.replace('localhost', 'a.localhost') })],
    ['another relying party', () => ({ rpId: 'evil.example' })],
    ['the wrong ceremony', () => ({ type: 'webauthn.create' })],
    ['a challenge of its own', () => ({ challenge: 'AAAA' })],
    ['no challenge', () => ({ challenge: '' })],
    ['a key of its own', () => ({ foreignKey: true })],
    ['nobody present', () => ({ present: false })],
    ['an unverified user', () => ({ verified: false })],
    ['the name of another user', () => ({ userHandle: Buffer.from('x').toString('base64url') })],
    ['a counter that stands still', () => ({ counter: 0 })],
  ]
  test.each(foreign)('with %s proves nothing', async (_what, twist) => {
    const alice = await person('alice')
    const { authenticator } = await passkeyOf(alice)
    expect((await enter(authenticator.prove(await optionsFor()))).status).toBe(200)
    const before = await sessions(alice)
    const options = await optionsFor()
    const reply = await enter(authenticator.prove(options, twist(authenticator)))
    expectProblem(reply, 'invalid_credentials', 401)
    expect(await sessions(alice)).toBe(before)
  })

  test('proves something once, at whichever node, and only with a challenge of a sign-in', async () => {
    const alice = await person('alice')
    const { authenticator } = await passkeyOf(alice)
    const options = await optionsFor(other)
    const proof = authenticator.prove(options)
    const replies = await Promise.all([enter(proof), enter(proof), enter(proof)])
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 401, 401])
    expectProblem(await enter(proof), 'invalid_credentials', 401)
    expectProblem(await enter(authenticator.prove(options)), 'invalid_credentials', 401)
    for (const begin of ['beginConfirmation', 'beginPasskey'] as const) {
      const own = await alice.ask(begin)
      expectProblem(await enter(authenticator.prove(own)), 'invalid_credentials', 401)
    }
  })

  test('can’t be made with a challenge of another session, twice, or for somebody else', async () => {
    const [alice, mallory] = [await person('alice'), await person('mallory')]
    const again = await alice.signIn()
    const add = (of: Person, passkey: unknown, headers = {}) =>
      of.rest('POST', '/users/me/passkeys', { name: 'x', passkey }, headers)
    const authenticator = new Authenticator(node!.url)
    const options = await alice.ask('beginPasskey')
    for (const thief of [mallory, again])
      expectProblem(await add(thief, authenticator.create(options)), 'invalid', 422)
    const foreign = await alice.ask('beginPasskey')
    for (const twist of [
      { origin: 'https://evil.example' },
      { rpId: 'evil' },
      { type: 'webauthn.get' },
    ])
      expectProblem(await add(alice, authenticator.create(foreign, twist)), 'invalid', 422)

    const made = authenticator.create(await alice.ask('beginPasskey'))
    const key = { 'idempotency-key': crypto.randomUUID() }
    const first = await add(alice, made, key)
    expect(first.status).toBe(201)
    expect((await add(alice, made, key)).body).toEqual(first.body)
    expectProblem(await add(alice, made), 'invalid', 422)
    const stolen = authenticator.create(await mallory.ask('beginPasskey'))
    expectProblem(await add(mallory, stolen), 'id_taken', 409)
  })

  test('needs a recent sign-in to be added or removed, which a passkey itself can be', async () => {
    const alice = await person('alice')
    const { authenticator, id } = await passkeyOf(alice)
    const longAgo = new Date(Date.now() - 11 * 60_000)
    await database.sessions.updateMany(
      { user_id: alice.user.id },
      { $set: { created_at: longAgo, confirmed_at: longAgo } },
    )
    const asked: [string, string, object?][] = [
      ['POST', '/users/me/passkeys/options'],
      ['DELETE', `/users/me/passkeys/${id}`],
      ['POST', '/users/me/second-step/app'],
      ['PUT', '/users/me/second-step', {}],
      ['DELETE', '/users/me/second-step'],
      ['POST', '/users/me/recovery-codes'],
    ]
    for (const [method, path, body] of asked)
      expectProblem(await alice.rest(method, path, body), 'invalid_credentials', 401)
    const options = await alice.ask('beginConfirmation')
    const confirm = (proof: object) => alice.rest('POST', '/auth/confirm', proof)
    const unverified = authenticator.prove(options, { verified: false })
    expectProblem(await confirm({ passkey: unverified }), 'invalid_credentials', 401)
    expectProblem(await confirm({}), 'invalid', 422)
    const proof = authenticator.prove(await alice.ask('beginConfirmation'))
    const mallory = await person('mallory')
    const reply = await mallory.rest('POST', '/auth/confirm', { passkey: proof })
    expectProblem(reply, 'invalid_credentials', 401)
    await alice.ask('confirm', { body: { passkey: proof } })
    await alice.ask('removePasskey', { params: { id } })
  })

  test('is the last way in where passwords are off, and can’t be removed, however many try at once', async () => {
    await using passwordless = await startNode(shared.database, { withoutPasswords: true })
    const alice = (await person('alice')).at(node!)
    const ids = [(await passkeyOf(alice)).id, (await passkeyOf(alice, 'Key')).id]
    const there = alice.at(passwordless)
    const remove = (id: string) => there.rest('DELETE', `/users/me/passkeys/${id}`)
    const replies = await Promise.all(ids.map(remove))
    expect(replies.filter(({ status }) => status === 204).length).toBeLessThan(2)
    for (const id of ids) await remove(id)
    const [left, ...more] = (await there.ask('getSecurity')).passkeys
    expect(more).toEqual([])
    const last = await remove(left!.id)
    expectProblem(last, 'invalid', 422)
    expect(last.body.detail).toMatch(/only way to sign in/)
    // where the password counts, the passkey may go
    await alice.ask('removePasskey', { params: { id: left!.id } })
  })

  test('of an account that is being deleted signs nobody in, and goes with the account', async () => {
    const alice = await person('alice')
    const { authenticator } = await passkeyOf(alice)
    const closing = (value?: true) =>
      database.users.updateOne(
        { _id: alice.user.id },
        value ? { $set: { closing: value } } : { $unset: { closing: '' } },
      )
    await closing(true)
    expectProblem(await enter(authenticator.prove(await optionsFor())), 'invalid_credentials', 401)
    await closing()
    await alice.ask('deleteMe', { body: { password: alice.password } })
    expect(await database.passkeys.countDocuments({ user_id: alice.user.id })).toBe(0)
  })

  test('that is guessed is limited like a password, without locking its owner out', async () => {
    const alice = await person('alice')
    const { authenticator } = await passkeyOf(alice)
    const codes: unknown[] = []
    for (let i = 0; i < 12; i++) {
      const proof = authenticator.prove(await optionsFor(), { foreignKey: true })
      codes.push((await enter(proof, node, { 'x-forwarded-for': '192.0.2.1' })).body.code)
    }
    expect(codes.slice(-2)).toEqual(['rate_limited', 'rate_limited'])
    expect((await alice.signIn()).user).toEqual(alice.user)
  })
})

describe('the relying party', () => {
  test('is the host name of the page, and no IP address is one', () => {
    expect(relyingParty('https://chat.example.org:8443')).toBe('chat.example.org')
    expect(relyingParty('http://localhost:3000')).toBe('localhost')
    for (const origin of ['http://127.0.0.1:3000', 'https://192.0.2.1', 'https://[2001:db8::1]'])
      expect(() => relyingParty(origin)).toThrow('need a host name')
    expect(() => relyingParty('http://chat.example.org')).toThrow('need https')
  })

  test('is that of the origin among several at which the page is', async () => {
    const tickets = createTickets(database, ['a secret of this test, with 32 characters'])
    const webAuthn = createWebAuthn(tickets)
    const at = (origin: string) => ({ origin, purpose: ['sign-in'] as const })
    const [first, second] = ['https://a.example', 'https://b.example:444']
    const authenticator = new Authenticator(second!)
    const options = await webAuthn.creationOptions(at(second!), { id: 'u', name: 'n' }, [])
    expect(options.pubKeyCredParams).toMatchObject([{ alg: -8 }, { alg: -7 }, { alg: -257 }])
    const key = await webAuthn.created(at(second!), authenticator.create(options))
    expect(key.rp_id).toBe('b.example')
    const elsewhere = await webAuthn.requestOptions(at(first!), [], true)
    await expect(
      webAuthn.proven(at(first!), authenticator.prove(elsewhere), key, true),
    ).rejects.toMatchObject({ code: 'invalid_credentials' })
    const here = await webAuthn.requestOptions(at(second!), [], true)
    expect(await webAuthn.proven(at(second!), authenticator.prove(here), key, true)).toBe(2)
  })

  test('of a page at an IP address is refused with what to do', async () => {
    const atAddress = { url: shared.node.url }
    const reply = await request(`${atAddress.url}/auth/passkeys/options`, 'POST', {})
    expectProblem(reply, 'invalid', 422)
    expect(reply.body.detail).toMatch(/by its name instead of its IP address/)
  })
})

describe('the second step', () => {
  const nextCode = (key: Buffer) => totpCode(key, totpStep(Date.now()) + 1)

  test('follows the password, by the app, once per step, on any node', async () => {
    const alice = await person('alice')
    const { key } = await appOf(alice)
    const { ticket, ways } = await ticketOf(alice)
    expect(ways).toEqual(['code', 'recovery_code'])
    const used = totpCode(key, totpStep(Date.now()))
    expectProblem(await finish({ ticket, code: used }), 'invalid_credentials', 401)
    const code = nextCode(key)
    const done = await Promise.all([finish({ ticket, code }, other), finish({ ticket, code })])
    expect(done.map(({ status }) => status).toSorted()).toEqual([200, 401])
    const fresh = await ticketOf(alice)
    expectProblem(await finish({ ticket: fresh.ticket, code }), 'invalid_credentials', 401)
    expectProblem(await finish({ ticket, code: nextCode(key) }), 'invalid_credentials', 401)
  })

  test('can be a recovery code, which counts once and is told; new ones replace the old', async () => {
    const alice = await person('alice')
    const { recovery_codes: old } = await appOf(alice)
    await using device = await alice.device('account')
    const use = async (code: string) => finish({ ticket: (await ticketOf(alice)).ticket, code })
    expect((await use(old[0]!.toUpperCase().replaceAll('-', ' '))).status).toBe(200)
    const isUse = ({ data }: { data?: object }) =>
      JSON.stringify(data) === '{"what":"recovery_code_used"}'
    await device.until('change', isUse)
    expectProblem(await use(old[0]!), 'invalid_credentials', 401)
    const { recovery_codes, second_step } = await alice.ask('makeRecoveryCodes')
    expect(second_step).toEqual({ on: true, app: true, recovery_codes: 10 })
    expectProblem(await use(old[1]!), 'invalid_credentials', 401)
    expect((await use(recovery_codes[9]!)).status).toBe(200)
    const stored = JSON.stringify(await database.users.findOne({ _id: alice.user.id }))
    for (const code of recovery_codes) expect(stored).not.toContain(code.replaceAll('-', ''))
    await alice.ask('turnOffSecondStep')
    expect((await alice.signIn()).user).toEqual(alice.user)
  })

  test('can be a passkey alone, without its user being verified, and only the user’s own', async () => {
    const [alice, bob] = [await person('alice'), await person('bob')]
    const [{ authenticator, id }, his] = [await passkeyOf(alice), await passkeyOf(bob)]
    await alice.ask('turnOnSecondStep', { body: {} })
    expect((await alice.ask('getSecurity')).second_step.on).toBe(true)
    const last = await alice.rest('DELETE', `/users/me/passkeys/${id}`)
    expectProblem(last, 'invalid', 422)
    const { ticket, ways } = await ticketOf(alice)
    expect(ways).toEqual(['passkey', 'recovery_code'])
    const wrong = his.authenticator.prove(await optionsFor(node, { ticket }))
    expectProblem(await finish({ ticket, passkey: wrong }), 'invalid_credentials', 401)
    const alone = authenticator.prove(await optionsFor(), { verified: false })
    expectProblem(await finish({ ticket, passkey: alone }), 'invalid_credentials', 401)
    const options = await optionsFor(other, { ticket })
    expect(options.allowCredentials).toMatchObject([{ id: authenticator.id }])
    const passkey = authenticator.prove(options, { verified: false })
    expect((await finish({ ticket, passkey })).status).toBe(200)
  })

  test('is guessed ten times an hour, however often the password is given', async () => {
    const alice = await person('alice')
    const { key } = await appOf(alice)
    const codes: unknown[] = []
    for (let i = 0; i < 12; i++) {
      const { ticket } = await ticketOf(alice)
      codes.push((await finish({ ticket, code: String(100_000 + i) })).body.code)
    }
    expect(codes.filter((code) => code === 'invalid_credentials').length).toBe(10)
    const { ticket } = await ticketOf(alice)
    expectProblem(await finish({ ticket, code: nextCode(key) }), 'rate_limited', 429)
    const reply = await alice.rest('POST', '/auth/confirm', { code: nextCode(key) })
    expectProblem(reply, 'rate_limited', 429)
  })

  test('isn’t reached by tickets that are forged, of another kind, or older than the password', async () => {
    const [alice, bob] = [await person('alice'), await person('bob')]
    const { key } = await appOf(alice)
    const app = await bob.ask('beginAuthenticatorApp')
    const { ticket } = await ticketOf(alice)
    const code = nextCode(key)
    for (const bad of ['', 'x', app.ticket, `${ticket.slice(0, -4)}AAAA`])
      expectProblem(await finish({ ticket: bad, code }), 'invalid_credentials', 401)
    const new_password = 'another long password'
    await alice.ask('changePassword', {
      body: { current_password: alice.password, new_password },
    })
    expectProblem(await finish({ ticket, code }), 'invalid_credentials', 401)
    expectProblem(
      await bob.rest('PUT', '/users/me/second-step', { ticket: app.ticket, code: '000000' }),
      'invalid',
      422,
    )
    const right = totpCode(fromBase32(app.secret), totpStep(Date.now()))
    const stolen = await alice.rest('PUT', '/users/me/second-step', {
      ...{ ticket: app.ticket, code: right },
    })
    expect(stolen.status).toBeGreaterThanOrEqual(400)
  })

  test('is kept without the app’s secret, which the server’s secret seals', async () => {
    const alice = await person('alice')
    const { key } = await appOf(alice)
    const stored = JSON.stringify(await database.users.findOne({ _id: alice.user.id }))
    for (const form of ['base64', 'base64url', 'hex'] as const)
      expect(stored).not.toContain(key.toString(form))
    const { status } = await alice.rest('PUT', '/users/me/second-step', {})
    expect(status).toBe(200)
    expect((await alice.ask('getSecurity')).second_step.app).toBe(true)
  })
})
